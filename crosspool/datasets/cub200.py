"""CUB-200-2011, birds (Wah, Branson, Welinder, Perona, Belongie, Caltech technical report CNS-TR-2011-001).

    classes.txt              1 001.Black_footed_Albatross
    images.txt               1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg
    image_class_labels.txt   1 1
    train_test_split.txt     1 0        1 for training, 0 for testing
    bounding_boxes.txt       1 60.0 27.0 325.0 304.0        x, y, width, height in pixels
    images/001.Black_footed_Albatross/...

Lines are joined by the number of the image, which comes first. Classes are shown without numbers and underscores.
Boxes count pixels from 0, as published, are rounded outward, and are cut off at the border of the image.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from crosspool.datasets.dataset import Box, Dataset
from crosspool.datasets.files import counted_sentence, parse, without_number
from crosspool.datasets.listed import Listed, SplitPart, box_around, listed_dataset
from crosspool.errors import DatasetError
from crosspool.text import printable

T = TypeVar("T")


def is_cub200(folder: Path) -> bool:
    """Whether its lists are in this folder."""
    return (folder / "images.txt").is_file() and (folder / "image_class_labels.txt").is_file()


def cub200(root: Path, *, bounding_box: bool = False) -> Dataset:
    """All birds with the published split: the whole images, or the parts in their boxes.

    Raises:
        DatasetError: a list that is needed or all images are missing.
    """
    problems: list[str] = []
    paths = _table(root, "images.txt", str, problems)
    labels = _table(root, "image_class_labels.txt", int, problems)
    names = _table(root, "classes.txt", str, problems)
    parts = _table(root, "train_test_split.txt", _part, problems)
    boxes = _table(root, "bounding_boxes.txt", _box, problems) if bounding_box else {}
    if bounding_box and not boxes:
        raise DatasetError(f"{root} has no bounding boxes; unpack bounding_boxes.txt there, or do without them.")
    labelled = [i for i in paths if i in labels]
    if not labelled:
        raise DatasetError(f"images.txt and image_class_labels.txt in {root} have no image in common; unpack them.")
    unlabelled = [printable(path) for i, path in paths.items() if i not in labels]
    problems += counted_sentence(
        unlabelled, "image has no class and is left out", "images have no class and are left out"
    )
    if bounding_box:
        unboxed = [printable(paths[i]) for i in labelled if i not in boxes]
        problems += counted_sentence(
            unboxed, "image has no box and is kept whole", "images have no box and are kept whole"
        )
    numbers = sorted({labels[i] for i in labelled} | set(names))
    position = {number: i for i, number in enumerate(numbers)}
    split = parts if all(i in parts for i in labelled) else {}
    if not split:
        problems.append("train_test_split.txt does not say the part of every image, so there is no official split.")
    images = [Listed(paths[i], position[labels[i]], split.get(i), boxes.get(i)) for i in labelled]
    title = "CUB-200-2011, bounding boxes" if bounding_box else "CUB-200-2011"
    classes = [without_number(printable(names.get(number, f"class {number}"))) for number in numbers]
    return listed_dataset(title, root / "images", "images.txt", classes, images, problems)


def _table(root: Path, name: str, read: Callable[[str], T], problems: list[str]) -> dict[int, T]:
    """The values of a list by the number in front of each; none, and a problem, where the list is missing."""
    if not (root / name).is_file():
        problems.append(f"{name} is missing.")
        return {}

    def parse_line(line: str) -> tuple[int, T]:
        number, value = line.split(maxsplit=1)
        return int(number), read(value)

    rows, wrong = parse(root / name, parse_line)
    problems.extend(wrong)
    return dict(rows)


def _part(value: str) -> SplitPart:
    if value not in ("0", "1"):
        raise ValueError("neither training nor testing")
    return "train" if value == "1" else "test"


def _box(value: str) -> Box:
    left, top, width, height = map(float, value.split())
    return box_around(left, top, width, height)
