"""How folders of images are read: which of them are classes, which the parts of a split, and which hold masks.

The structure decides. Folders whose subfolders bear the same names are parts of one set, and the subfolders are the
classes; words such as train in the names of the parts then say which is which. Where the names say nothing, there are
two readings, and the user chooses one.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from crosspool.datasets import words
from crosspool.datasets.files import counted_sentence
from crosspool.datasets.words import Role, enumeration
from crosspool.errors import DatasetError
from crosspool.text import name_key, plural

PathParts = tuple[str, ...]
LayoutName = Literal["auto", "classes", "parts"]
CHOOSE_LAYOUT = "choose one with --layout classes or --layout parts"
TAKE_ONE = "name one of these, or take them for classes with --layout classes"


class TwoReadingsError(DatasetError):
    """A set of folders can be read in two ways, and a `LayoutName` other than auto chooses one."""


@dataclass(frozen=True)
class Reading:
    """Where the class and the part stand in the paths of images.

    All paths begin with `wrap` folders, one in the other. `places` gives, by the folder that comes next, the index of
    the class in a path; images of other folders have no class. `roles` are parts of a split by the names of their
    folders, which are at index `part` of a path; without parts, it is None.
    """

    wrap: int
    places: Mapping[str, int]
    part: int | None = None
    roles: Mapping[str, Role | None] = field(default_factory=dict)

    def place_of(self, path: PathParts) -> int | None:
        """The index of the class in the path of an image or folder; None where it is outside the class folders."""
        place = self.places.get(path[self.wrap]) if len(path) > self.wrap else None
        return place if place is not None and len(path) > place else None

    def label_of(self, path: PathParts) -> str | None:
        """The name of the class folder that an image is in."""
        place = self.place_of(path[:-1])
        return None if place is None else path[place]

    def part_of(self, path: PathParts) -> str:
        """The folder of the part that an image is in, "" without parts or outside of them."""
        return path[self.part] if self.part is not None and len(path) > self.part + 1 else ""

    def role_of(self, path: PathParts) -> Role | None:
        """The part of a split that an image is in."""
        return self.roles.get(self.part_of(path))

    @property
    def first_part(self) -> str:
        """The folder of the part whose spelling of the classes counts: the first one to train on."""
        return min(self.roles, key=lambda name: (self.roles[name] != "train", name), default="")

    @property
    def is_split(self) -> bool:
        """Whether some parts are to train on and others to test on."""
        return {"train"} < set(self.roles.values()) - {None}

    def sentence(self, classes: int, paths: Sequence[PathParts]) -> str:
        """What was understood, of a number of classes in which the images of these paths are."""
        count, inside = plural(classes, "class", "classes"), self._inside(paths)
        if self.part is None:
            return f"Read as {count}, a folder for each{inside}."
        if not self.is_split:
            folders = enumeration(sorted(self.roles))
            where = f"in the folder {folders}" if len(self.roles) == 1 else f"in the folders {folders} together"
            return f"Read as {count}, {where}, without an official split{inside}."
        tested: Role = "test" if "test" in self.roles.values() else "val"
        train = enumeration(sorted(name for name, role in self.roles.items() if role != tested))
        test = enumeration(sorted(name for name, role in self.roles.items() if role == tested))
        return f"Read as {count} with an official split: {train} to train on, {test} to test on{inside}."

    def _inside(self, paths: Sequence[PathParts]) -> str:
        """How many folders inside those of the classes count for nothing of their own."""
        inner = set()
        for path in paths:
            place = self.place_of(path) or 0
            folders = path[max(place, self.part or 0) + 1 : -1]
            if folders:
                inner.add((path[place], *folders))
        return f"; {plural(len(inner), 'folder')} inside them count as parts of their classes" if inner else ""


def read_structure(paths: Sequence[PathParts], root: str, layout: LayoutName) -> Reading:
    """The reading of the paths of images below `root`.

    Raises TwoReadingsError where two are possible and none is chosen, or where the root holds several sets.
    """
    wrap = _wrapping(paths)
    below: dict[str, list[PathParts]] = defaultdict(list)
    for path in paths:
        if len(path) > wrap + 1:
            below[path[wrap]].append(path)
    classes = Reading(wrap, dict.fromkeys(below, wrap))
    if layout == "classes" or len(below) < 2:
        return classes
    tree = _Tree(wrap, below)
    tree.expect_one_set(root)
    if layout == "parts":
        return tree.in_parts(sorted(below))
    if _is_split({words.exact_role(name) for name in below}):
        return tree.in_parts(sorted(below))
    return tree.reading(classes, root)


def without_masks(paths: Sequence[PathParts]) -> tuple[set[PathParts], tuple[str, ...]]:
    """The paths of masks of other images, and sentences that name what is left out for that reason."""
    children: dict[PathParts, set[str]] = defaultdict(set)
    stems: dict[PathParts, set[str]] = defaultdict(set)
    for path in paths:
        stems[path[:-1]].add(_stem(path))
        for depth in range(len(path) - 1):
            children[path[:depth]].add(path[depth])
    folders = {
        (*folder, name)
        for folder, names in children.items()
        if any(map(words.holds_images, names))
        for name in names
        if words.holds_masks(name) and not words.holds_images(name)
    }
    inside = {path for path in paths if any(path[:depth] in folders for depth in range(1, len(path)))}
    beside = {path for path in paths if words.masked_stem(_stem(path)) in stems[path[:-1]]} - inside
    problems = []
    if inside:
        names = enumeration(sorted({"/".join(folder) for folder in folders}))
        count = plural(len(inside), f"image in {names} is", f"images in {names} are")
        problems.append(f"{count} left out, as masks of the images beside them.")
    if beside:
        one, many = (
            "image is left out, as a mask of another by its name",
            "images are left out, as masks of others by their names",
        )
        problems += counted_sentence(sorted("/".join(path) for path in beside), one, many)
    return inside | beside, tuple(problems)


def _stem(path: PathParts) -> str:
    return os.path.splitext(path[-1])[0]


def _wrapping(paths: Sequence[PathParts]) -> int:
    """The number of folders, one in the other, around all class folders."""
    wrap = 0
    while True:
        inside = [path for path in paths if len(path) > wrap + 1]
        if len({path[wrap] for path in inside}) != 1 or any(len(path) == wrap + 2 for path in inside):
            return wrap
        wrap += 1


def _is_split(roles: set[Role | None]) -> bool:
    return "train" in roles and None not in roles


class _Tree:
    """The outer folders, with the paths of the images below each, and with the names of the folders in them."""

    def __init__(self, wrap: int, below: Mapping[str, list[PathParts]]) -> None:
        self.wrap, self.below = wrap, below
        branches = {name: _branch(paths, wrap + 1, lambda names: len(names) > 1) for name, paths in below.items()}
        self.class_keys = {key for _, names in branches.values() if len(names) > 1 for key in map(name_key, names)}
        self.places = {name: self._class_place(name) for name in below}
        self.keys = {name: self._keys(name) for name in below}
        counts = Counter(key for keys in self.keys.values() for key in keys)
        self.shared = {key for key, count in counts.items() if count > 1}
        self.sharing = sorted(name for name, keys in self.keys.items() if keys & self.shared)

    def expect_one_set(self, root: str) -> None:
        """Raise TwoReadingsError if each outer folder has a split inside, with the same classes in its parts."""
        if self._is_split_in_each_class() and self._have_classes_in_their_parts():
            names = enumeration(sorted(self.below))
            raise TwoReadingsError(f"{root} holds several data sets, {names}, with a split each; {TAKE_ONE}.")

    def reading(self, classes: Reading, root: str) -> Reading:
        roles = {name: words.role_of(name) for name in self.below}
        sharing = {roles[name] for name in self.sharing}
        if len(self.sharing) > 1 and ({"train"} < sharing - {None} or _is_split(sharing)):
            return self.in_parts([name for name in self.below if roles[name] or name in self.sharing])
        if self._is_split_in_each_class():
            inner = {path[self.wrap + 1] for paths in self.below.values() for path in paths}
            parts = {name: words.role_of(name) for name in inner}
            return Reading(self.wrap, classes.places, self.wrap + 1, parts)
        if {"train"} < set(roles.values()) and None not in roles.values():
            raise self._ambiguous(root)
        if len(self.shared) > 1 and self._are_mostly_shared():
            raise self._ambiguous(root)
        return classes

    def in_parts(self, names: Sequence[str]) -> Reading:
        """The reading with these outer folders as parts; of a split, those without a role are left out."""
        roles = {name: words.exact_role(name) or words.role_of(name) for name in names}
        if {"train"} < set(roles.values()) - {None}:
            roles = {name: role for name, role in roles.items() if role}
        places = {name: place for name, place in self.places.items() if name in roles and place is not None}
        labelled = {name: role for name, role in roles.items() if name in places}
        return Reading(self.wrap, places, self.wrap, labelled)

    def _class_place(self, name: str) -> int | None:
        """The index of the classes in the paths below an outer folder; None where its images have no class."""
        first = self.wrap + 1

        def are_classes(names: set[str]) -> bool:
            return len(names) > 1 or not self.class_keys.isdisjoint(map(name_key, names))

        place, names = _branch(self.below[name], first, are_classes)
        if names or not self.class_keys:
            return place if names else first
        around = {path[first] for path in self.below[name] if len(path) > first + 1}
        is_class = len(around) == 1 and not any(same_name(only, name) or words.holds_images(only) for only in around)
        return first if is_class else None

    def _keys(self, name: str) -> set[str]:
        """The names of the classes below an outer folder, if all or most of its images are in them."""
        place = self.places[name]
        if place is None:
            return set()
        inside = [path[place] for path in self.below[name] if len(path) > place + 1]
        return set(map(name_key, inside)) if 2 * len(inside) > len(self.below[name]) else set()

    def _is_split_in_each_class(self) -> bool:
        place = self.wrap + 1
        if any(len(path) == place + 1 for paths in self.below.values() for path in paths):
            return False
        roles = [{words.role_of(path[place]) for path in paths} for paths in self.below.values()]
        return all(len(each) > 1 and _is_split(each) for each in roles)

    def _have_classes_in_their_parts(self) -> bool:
        """Whether the folders inside the outer ones hold folders of the same names, and no images beside these."""
        place = self.wrap + 2
        if any(len(path) == place + 1 for paths in self.below.values() for path in paths):
            return False
        branches = (_branch(paths, place, lambda names: len(names) > 1) for paths in self.below.values())
        return len(set.intersection(*({*map(name_key, names)} for _, names in branches))) > 1

    def _are_mostly_shared(self) -> bool:
        """Whether most outer folders have no images but in folders that mostly bear the same names elsewhere."""
        alike = [
            name
            for name, keys in self.keys.items()
            if 2 * len(keys & self.shared) >= len(keys) > 0
            and all(len(path) > (self.places[name] or 0) + 1 for path in self.below[name])
        ]
        return 2 * len(alike) > len(self.below)

    def _ambiguous(self, root: str) -> TwoReadingsError:
        inner = {
            path[place]
            for name, place in self.places.items()
            for path in self.below[name]
            if place is not None and len(path) > place + 1
        }
        parts = f"with the classes {enumeration(sorted(inner))}" if inner else "without class folders"
        classes = enumeration(sorted(self.below))
        return TwoReadingsError(
            f"{root} can be read in two ways: {classes} are the classes, or they are parts of one set {parts}; "
            f"{CHOOSE_LAYOUT}."
        )


def same_name(first: str, second: str) -> bool:
    return name_key(first) == name_key(second)


def _branch(paths: Sequence[PathParts], place: int, are_classes: Callable[[set[str]], bool]) -> tuple[int, set[str]]:
    """The index and the names of the first folders at `place` or below that are classes, or have images beside them."""
    while True:
        names = {path[place] for path in paths if len(path) > place + 1}
        if not names or are_classes(names) or any(len(path) == place + 1 for path in paths):
            return place, names
        place += 1
