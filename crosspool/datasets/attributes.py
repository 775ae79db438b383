"""Attributes of People (Bourdev, Maji, Malik, "Describing people: a poselet-based approach to attribute
classification", ICCV 2011), from H3D and PASCAL VOC: nine attributes of the person inside a box.

    attributes_dataset/train/labels.txt    00001.jpg x y width height a1 a2 ... a9
    attributes_dataset/train/00001.jpg
    attributes_dataset/test/...

Public code that reads the published archive agrees on the lines, the order of the attributes, and the labels 1, -1
and 0 (unspecified: UNKNOWN). The paper's 2,003 training and 2,010 validation people are together in train, 4,013
in all; 4,022 are in test. Some boxes of the archive are NaN: the place of that person is unknown, so the line is left
out. It is not certain whether boxes count pixels from 0 or 1 (0 is assumed), nor whether an image can be on several
lines; its people are then called 00001.jpg, 00001.jpg#2 and so on. A folder val, if there is one, is training too.
Boxes are rounded outward and cut off at the border of the image.
"""

from pathlib import Path

from crosspool.datasets.dataset import UNKNOWN, Box, Dataset
from crosspool.datasets.files import parse, parse_lines
from crosspool.datasets.listed import Listed, SplitPart, box_around, listed_dataset
from crosspool.datasets.spellings import unique_names
from crosspool.datasets.words import enumeration
from crosspool.errors import DatasetError
from crosspool.text import plural, printable

CLASSES = (
    *("is male", "has long hair", "has glasses", "has hat", "has t-shirt"),
    *("has long sleeves", "has shorts", "has jeans", "has long pants"),
)
PARTS: dict[str, SplitPart] = {"train": "train", "val": "train", "test": "test"}
LABELS = {1: 1, -1: 0, 0: UNKNOWN}
NAMED = 10  # of the people without a box
RECOGNISED_BY = 20  # lines of labels.txt: a foreign one may be huge, and have such a line somewhere


def is_people_attributes(folder: Path) -> bool:
    """Whether one of the first lines of train/labels.txt in this folder looks as it should."""
    labels = folder / "train" / "labels.txt"
    return labels.is_file() and bool(parse(labels, _row, RECOGNISED_BY)[0])


def is_people_list(data: bytes) -> bool:
    """Whether one of the first lines of a labels.txt with these bytes looks as it should."""
    return bool(parse_lines("labels.txt", b"\n".join(data.splitlines()[:RECOGNISED_BY]), _row)[0])


def people_attributes(root: Path) -> Dataset:
    """Each person in a box, with the published split.

    Raises:
        DatasetError: the lists or all images are missing.
    """
    images: list[Listed] = []
    problems: list[str] = []
    for folder, part in PARTS.items():
        path = root / folder / "labels.txt"
        if path.is_file():
            rows, wrong = parse(path, _row)
            images.extend(_people(folder, part, rows, problems))
            problems.extend(f"In {folder}: {problem}" for problem in wrong)
        elif folder != "val":
            problems.append(f"{folder}/labels.txt is missing.")
    if not images:
        raise DatasetError(f"The lists in {root} list no person with a box; unpack labels.txt there again.")
    return listed_dataset("Attributes of People", root, "labels.txt", CLASSES, images, problems)


Row = tuple[str, Box | None, tuple[int, ...]]


def _row(line: str) -> Row:
    name, *numbers = line.rsplit(maxsplit=4 + len(CLASSES))
    values = [float(number) for number in numbers]
    labels = values[4:]
    if len(labels) != len(CLASSES) or not set(labels) <= set(LABELS):
        raise ValueError("no labels")
    try:
        box = box_around(*values[:4])
    except ValueError:
        box = None
    return name, box, tuple(LABELS[int(label)] for label in labels)


def _people(folder: str, part: SplitPart, rows: list[Row], problems: list[str]) -> list[Listed]:
    paths = [f"{folder}/{name}" for name, _, _ in rows]
    persons = list(unique_names(paths))
    people = [
        Listed(path, labels, part, box, person)
        for (_, box, labels), path, person in zip(rows, paths, persons, strict=True)
        if box is not None
    ]
    unboxed = [printable(person) for (_, box, _), person in zip(rows, persons, strict=True) if box is None]
    if unboxed:
        verbs = "has no box and is left out" if len(unboxed) == 1 else "have no box and are left out"
        names = enumeration(unboxed, NAMED)
        problems.append(f"In {folder}, {len(unboxed):,} of {plural(len(rows), 'person', 'people')} {verbs}: {names}.")
    return people
