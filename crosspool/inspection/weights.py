"""What a file of weights holds, and which network it fits."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from crosspool.backbones import BackboneSpec, backbone_specs, spec_of
from crosspool.backbones.checkpoints import Checkpoint, read_checkpoint
from crosspool.backbones.fit_wording import NAMED, about_no_network, about_strange
from crosspool.backbones.fitting import Match, fit, match_of, matches
from crosspool.backbones.parameters import unusable, unusable_tensors
from crosspool.errors import BackboneError
from crosspool.text import plural, printable

Progress = Callable[[int, int], None]  # networks so far, networks in all


@dataclass(frozen=True)
class WeightsReport:
    """What a file of weights holds, and what of it fits a network.

    `types` are the kinds of numbers with how many tensors have them, `wrappers` and `prefix` what stands in or before
    the network's names of tensors. `left_out` are the parts of the file that are not read, with the number of their
    tensors, and `unread` the types of its objects that are not looked up. `class_lists` are lists that may name the
    outputs, and `classes` the one that does. `unusable` are tensors with numbers that nothing is computed with, and
    what is wrong with each. `problem` is why the file cannot be used; "" if it can.
    """

    file: str
    tensors: int
    numbers: int
    types: dict[str, int]
    wrappers: tuple[str, ...]
    unread: tuple[str, ...]
    class_lists: tuple[tuple[str, ...], ...]
    prefix: str = ""
    network: str = ""
    title: str = ""
    outputs: int | None = None
    classes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unusable: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def sentences(self) -> list[str]:
        """What the file holds and which network it fits."""
        types = ", ".join(f"{name} {count:,}" for name, count in self.types.items())
        names = [f"under {self.prefix.rstrip('.')}"] if self.prefix else []
        names += [f"without {' and '.join(self.wrappers)} in their names"] if self.wrappers else []
        some, more = ", ".join(self.classes[:NAMED]), ", ..." if len(self.classes) > NAMED else ""
        outputs = "without class scores" if self.outputs is None else f"with {plural(self.outputs, 'output')}"
        sentences = [
            f"{plural(self.tensors, 'tensor')}, {plural(self.numbers, 'number')} ({types}).",
            f"It fits {self.network} ({self.title}), {outputs}." if self.network else "",
            f"Its tensors are read {', '.join(names)}." if names else "",
            f"It names {plural(len(self.classes), 'class', 'classes')}: {some}{more}." if self.classes else "",
            self.unused_names,
            f"Also: {'; '.join(self.notes)}." if self.notes else "",
        ]
        return [printable(sentence) for sentence in sentences if sentence]

    @property
    def unused_names(self) -> str:
        """That names in the file are not those of its outputs, as they are more or fewer."""
        counts = sorted({len(names) for names in self.class_lists} - {self.outputs})
        if not self.network or self.outputs is None or self.classes or not counts:
            return ""
        lists = " or ".join(plural(count, "class", "classes") for count in counts)
        return f"It names {lists}, not {self.outputs}, so these names are not used."


def inspect_weights(
    path: str, network: str | None = None, progress: Progress = lambda done, total: None
) -> WeightsReport:
    """What a file of weights holds, and what fits `network`, or the one that it is of.

    Raises BackboneError where it is no file of weights, or there is no such network.
    """
    asked = None if network is None else spec_of(network)
    checkpoint = read_checkpoint(path)
    specs = list(backbone_specs().values())
    if asked is not None:
        return _report(checkpoint, asked, specs)
    tried: list[Match] = []
    for match in matches(checkpoint, specs):
        tried.append(match)
        progress(len(tried), len(specs))
        if match.fits:
            return _report(checkpoint, match.spec, specs)
    return _without_network(checkpoint, tried)


def _report(checkpoint: Checkpoint, spec: BackboneSpec, specs: Sequence[BackboneSpec]) -> WeightsReport:
    """The report on a file and one network."""
    held = _held(checkpoint)
    try:
        fitting = fit(spec, checkpoint, specs)
    except BackboneError as error:
        return replace(held, prefix=match_of(spec, checkpoint).prefix, problem=str(error))
    bad = dict(unusable_tensors(fitting.state))
    return replace(
        held,
        prefix=fitting.prefix,
        network=spec.name,
        title=spec.title,
        outputs=None if fitting.missing else fitting.outputs,
        classes=next((names for names in checkpoint.class_names if len(names) == fitting.outputs), ()),
        missing=tuple(sorted(fitting.missing)),
        left_out=fitting.left_out,
        notes=fitting.notes,
        unusable=bad,
        problem=next((unusable(checkpoint.file, name, about) for name, about in bad.items()), ""),
    )


def _without_network(checkpoint: Checkpoint, tried: Sequence[Match]) -> WeightsReport:
    """The report on a file that fits no network."""
    nearest = max(tried, key=lambda match: match.there / match.body)
    if nearest.there:
        problem = about_no_network(checkpoint.file, len(tried), nearest.spec.name, nearest.lacking, nearest.foreign)
    else:
        shapes = {name: tuple(value.shape) for name, value in checkpoint.tensors.items()}
        problem = about_strange(checkpoint.file, len(tried), shapes)
    return replace(_held(checkpoint), prefix=nearest.prefix, problem=problem)


def _held(checkpoint: Checkpoint) -> WeightsReport:
    """What the file holds, whatever network it is of."""
    types = Counter(str(value.dtype).removeprefix("torch.") for value in checkpoint.tensors.values())
    return WeightsReport(
        file=checkpoint.file,
        tensors=len(checkpoint.tensors),
        numbers=sum(value.numel() for value in checkpoint.tensors.values()),
        types=dict(types.most_common()),
        wrappers=checkpoint.wrappers,
        unread=checkpoint.unread,
        class_lists=checkpoint.class_names,
    )
