"""Names of classes and samples: one class under two spellings, and one name for two samples."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from crosspool.datasets.files import counted_sentence
from crosspool.text import look, name_key


def joined_spellings(labels: Sequence[str], parts: Sequence[str], first: str) -> tuple[list[str], tuple[str, ...]]:
    """The classes with one spelling for each, and sentences on those that had several.

    `labels` are the names of the folders that images are in, and `parts` those of the parts around them. Names that
    look the same are one, such as those with composed and with decomposed accents. So are those that differ in letter
    case or spaces, unless a part has both side by side, and means two classes. The spelling is the one in the part
    `first`, if it has one.
    """
    spellings: dict[str, set[str]] = defaultdict(set)
    by_part: dict[tuple[str, str], set[str]] = defaultdict(set)
    for label, part in zip(labels, parts, strict=True):
        spellings[name_key(label)].add(label)
        by_part[name_key(label), part].add(look(label))
    apart = {key for (key, _), names in by_part.items() if len(names) > 1}
    preferred = {label for label, part in zip(labels, parts, strict=True) if part == first}
    chosen: dict[str, str] = {}
    for key, names in spellings.items():
        for same in _alike(names) if key in apart else [names]:
            spelling = min(same, key=lambda name: (name not in preferred, name))
            chosen.update(dict.fromkeys(same, spelling))
    joined = [f"{name} is {spelling}" for name, spelling in sorted(chosen.items()) if name != spelling]
    one, many = "class is spelt in two ways and taken as one", "classes are spelt in two ways and taken as one"
    return [chosen[label] for label in labels], counted_sentence(joined, one, many)


def _alike(names: set[str]) -> list[set[str]]:
    """The names in groups that look the same."""
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[look(name)].add(name)
    return list(groups.values())


def unique_names(names: Sequence[str]) -> Iterator[str]:
    """Each name, and for one that was there before, the name with a number that makes it unique, such as 1.jpg#2."""
    taken, times = set(names), Counter[str]()
    for name in names:
        times[name] += 1
        unique = name
        while times[name] > 1 and unique in taken:
            unique = f"{name}#{times[name]}"
            times[name] += unique in taken
        taken.add(unique)
        yield unique
