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

from collections import Counter
from pathlib import Path

from crosspool.datasets.dataset import UNKNOWN, Box, Dataset
from crosspool.datasets.files import counted_sentence, parse
from crosspool.datasets.listed import Listed, SplitPart, box_around, listed_dataset
from crosspool.errors import DatasetError
from crosspool.text import printable

CLASSES = (
    *("is male", "has long hair", "has glasses", "has hat", "has t-shirt"),
    *("has long sleeves", "has shorts", "has jeans", "has long pants"),
)
PARTS: dict[str, SplitPart] = {"train": "train", "val": "train", "test": "test"}
LABELS = {1: 1, -1: 0, 0: UNKNOWN}
RECOGNISED_BY = 20  # lines of labels.txt: a foreign one may be huge, and have such a line somewhere


def find_people_attributes(folder: Path) -> Path | None:
    """The folder with train/labels.txt in it, if one of its first lines looks as it should."""
    for root in (folder, folder / "attributes_dataset"):
        labels = root / "train" / "labels.txt"
        if labels.is_file() and parse(labels, _row, RECOGNISED_BY)[0]:
            return root
    return None


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
    rows_of_image: Counter[str] = Counter()
    people, unboxed = [], []
    for name, box, labels in rows:
        path = f"{folder}/{name}"
        rows_of_image[path] += 1
        person = printable(path) if rows_of_image[path] == 1 else f"{printable(path)}#{rows_of_image[path]}"
        if box is None:
            unboxed.append(person)
        else:
            people.append(Listed(path, labels, part, box, person))
    problems += counted_sentence(unboxed, "person has no box and is left out", "people have no box and are left out")
    return people
