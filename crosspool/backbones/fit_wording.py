"""What is said of a file of weights: what was left out of it, or why it does not fit."""

from collections import Counter
from collections.abc import Iterable, Mapping

from crosspool.text import plural, size_text

Shapes = Mapping[str, tuple[int, ...]]  # of tensors, by name
NAMED = 3  # in a sentence; others are counted
OWN_NETWORK = "for a network of your own, see Backbone.from_module in docs/own_networks.md"


def about_misfit(file: str, network: str, lacking: Shapes, there: Shapes, other: str | None) -> str:
    """Why a file does not fit: tensors that the network has and that the file has instead; which network would fit."""
    advice = f"it fits {other}: choose that network" if other else "train or export it for this architecture"
    return f"{file} does not fit {network}: {_differences(lacking, there)}; {advice}."


def about_no_network(file: str, networks: int, nearest: str, lacking: Shapes, there: Shapes) -> str:
    """That a file fits none of so many networks, and how it differs from the nearest one."""
    return (
        f"{file} fits none of the {networks} networks that crosspool backbones lists; the nearest is {nearest}, where "
        f"{_differences(lacking, there)}; {OWN_NETWORK}."
    )


def about_strange(file: str, networks: int, there: Shapes) -> str:
    """That a file fits none of so many networks, and has no tensor of any."""
    return (
        f"{file} fits none of the {networks} networks that crosspool backbones lists, and has no tensor of any; it has "
        f"{_listed(_shaped(there))}; {OWN_NETWORK}."
    )


def _differences(lacking: Shapes, there: Shapes) -> str:
    sides = (("the network has", lacking), ("the file has", there))
    texts = [f"{side} {_listed(_shaped(names))}" for side, names in sides if names]
    return f"names or shapes differ ({'; '.join(texts)})"


def about_left_out(parts: Counter[str], unread: Iterable[str]) -> list[str]:
    """What was not read: tensors that are not the network's, by the parts of the file, and objects by their types."""
    names = [f"{part} ({plural(count, 'tensor')})" if count > 1 else part for part, count in parts.items()]
    types = [f"objects of type {_listed(list(unread))}"] if unread else []
    return [f"left out {_listed(listed)}" for listed in (names, types) if listed]


def about_head(last: str, read_as: str, missing: Iterable[str], *, is_bias: bool) -> list[str]:
    """How the layers that name classes were read, where they are not those of the network."""
    if missing:
        return [f"it has no layer {_listed(sorted(missing))} of the right shape, so it has maps but no classes"]
    renamed = [f"its layer {read_as} is read as {last}"] if read_as else []
    return [*renamed, *([f"its layer {last} has no bias"] if is_bias else [])]


def _shaped(shapes: Shapes) -> list[str]:
    return [f"{name} of {size_text(shape) if shape else 'one number'}" for name, shape in shapes.items()]


def _listed(names: list[str]) -> str:
    others = [plural(len(names) - NAMED, "other")] if len(names) > NAMED else []
    *first, last = [*names[:NAMED], *others]
    return f"{', '.join(first)} and {last}" if first else last
