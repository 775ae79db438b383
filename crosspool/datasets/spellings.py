"""Names of classes and samples: one class under two spellings, and one name for two samples."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from crosspool.datasets.files import counted_sentence
from crosspool.text import name_key


def joined_spellings(labels: Sequence[str], parts: Sequence[str], first: str) -> tuple[list[str], tuple[str, ...]]:
    """The classes with one spelling for each, and sentences on those that had several.

    `labels` are the names of the folders that images are in, and `parts` those of the parts around them. Names that
    differ only in letter case, in spaces, or in how accents are composed are one class: see `name_key`. The spelling is
    the one in the part `first`, if it has one.
    """
    spellings: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        spellings[name_key(label)].add(label)
    preferred = {label for label, part in zip(labels, parts, strict=True) if part == first}
    chosen: dict[str, str] = {}
    for names in spellings.values():
        spelling = min(names, key=lambda name: (name not in preferred, name))
        chosen.update(dict.fromkeys(names, spelling))
    joined = [f"{name} is {spelling}" for name, spelling in sorted(chosen.items()) if name != spelling]
    one, many = "class is spelt in two ways and taken as one", "classes are spelt in two ways and taken as one"
    return [chosen[label] for label in labels], counted_sentence(joined, one, many)


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
