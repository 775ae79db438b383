"""Data sets with published lists, found in a folder at any depth: the lists name the labels and the official split."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from crosspool.datasets import attributes, cub200, files, mit67, voc2007
from crosspool.datasets.dataset import Dataset
from crosspool.datasets.words import enumeration
from crosspool.errors import DatasetError
from crosspool.text import printable

# Folders of the published archives, which are entered even where they are links.
PUBLISHED = frozenset({"CUB_200_2011", "attributes_dataset", "VOC2007", "VOCdevkit"})


@dataclass(frozen=True)
class _Kind:
    """A published data set: its name, and a test for the folder with its lists."""

    title: str
    is_root: Callable[[Path], bool]


_KINDS = (
    _Kind("CUB-200-2011", cub200.is_cub200),
    _Kind("Attributes of People", attributes.is_people_attributes),
    _Kind("MIT-67", mit67.is_mit67),
    _Kind("PASCAL VOC", voc2007.is_voc),
)


def official_dataset(folder: Path, *, bounding_box: bool) -> Dataset | None:
    """The published data set in `folder`, at any depth; None where it has no lists of one.

    Raises:
        DatasetError: there are several, or the one has no images or no boxes.
    """
    roots = _roots(folder)
    if not roots:
        return None
    title, places = next(iter(roots.items()))
    if len(roots) > 1:
        raise _several(folder, [root for places in roots.values() for root in places])
    if title == "PASCAL VOC":
        return None if bounding_box else _voc(folder, places)
    if len(places) > 1:
        raise _several(folder, places)
    (root,) = places
    if title == "CUB-200-2011":
        return cub200.cub200(root, bounding_box=bounding_box)
    if title == "MIT-67":
        return None if bounding_box else mit67.mit67(root)
    return attributes.people_attributes(root)


def lists_beside(folder: Path) -> tuple[str, ...]:
    """A sentence about official lists that lie beside the folder of images that was named; empty without any."""
    parent = folder.resolve().parent
    for kind, name in ((_KINDS[0], "images"), (_KINDS[2], "Images")):
        if folder.resolve().name == name and kind.is_root(parent):
            advice = "name the folder around both to use its official split"
            return (f"The lists of {kind.title} lie beside this folder and are not read; {advice}.",)
    return ()


def _roots(folder: Path) -> dict[str, list[Path]]:
    """The folders with lists, by the title of their data set, without those inside another one, such as old copies."""
    roots: dict[str, list[Path]] = defaultdict(list)
    outer: set[Path] = set()
    for place in _folders(folder):
        title = next((kind.title for kind in _KINDS if kind.is_root(place)), None)
        if title is not None and outer.isdisjoint(place.parents):
            outer.add(place)
            roots[title].append(place)
    return roots


def _folders(folder: Path) -> Iterator[Path]:
    """`folder` and all visible folders in it, the outer ones first."""
    level, visited = [folder], set[str]()
    while level:
        inner: list[Path] = []
        for place in level:
            real = os.path.realpath(place)
            if real in visited:
                continue
            visited.add(real)
            yield place
            inner += _inner(place)
        level = sorted(inner)


def _inner(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if not files.is_hidden(entry.name) and entry.is_dir(follow_symlinks=entry.name in PUBLISHED)
            ]
    except OSError:  # the reader of class folders names what cannot be opened
        return []


def _voc(folder: Path, roots: list[Path]) -> Dataset:
    """One year of PASCAL VOC, whose two parts may be unpacked in different folders."""
    by_year: dict[str, list[Path]] = defaultdict(list)
    for root in roots:
        match = re.search(r"VOC(\d{4})$", root.resolve().name)
        by_year[match[1] if match else "2007"].append(root)
    year = "2007" if "2007" in by_year else min(by_year)
    if len(by_year) > 1 and year != "2007":
        raise _several(folder, roots)
    others = [f"VOC{other}" for other in sorted(by_year) if other != year]
    dataset = voc2007.voc2007(*by_year[year])
    if not others:
        return dataset
    left = f"{enumeration(others)} {'is' if len(others) == 1 else 'are'} there too, and left out"
    return replace(dataset, problems=(*dataset.problems, f"{left}; name that folder to read it."))


def _several(folder: Path, roots: list[Path]) -> DatasetError:
    names = enumeration(sorted(printable(root.relative_to(folder).as_posix()) for root in roots))
    return DatasetError(f"{printable(str(folder))} has the lists of several data sets, in {names}; name one of these.")
