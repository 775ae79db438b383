"""CUB-200-2011, birds (Wah, Branson, Welinder, Perona, Belongie, Caltech technical report CNS-TR-2011-001).

    classes.txt              1 001.Black_footed_Albatross
    images.txt               1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg
    image_class_labels.txt   1 1
    train_test_split.txt     1 0        1 for training, 0 for testing
    bounding_boxes.txt       1 60.0 27.0 325.0 304.0        x, y, width, height in pixels
    parts/parts.txt          1 back
    parts/part_locs.txt      1 2 312.0 182.0 1              image, part, x, y in pixels, 1 where it can be seen
    images/001.Black_footed_Albatross/...

Lines are joined by the number of the image, which comes first. Classes are shown without numbers and underscores.
Boxes count pixels from 0, as published, are rounded outward, and are cut off at the border of the image.

The annotated parts are the whole bird, in its bounding box, its head and its body, each in the tightest box around its
points that can be seen, as in Zhang, Donahue, Girshick and Darrell, ECCV 2014. Which of the 15 points belong to which
is not known from a primary source; here those of the head are HEAD, and all others those of the body.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from crosspool.datasets.dataset import WHOLE, Box, Dataset
from crosspool.datasets.files import counted_sentence, parse, without_number
from crosspool.datasets.listed import Listed, SplitPart, box_around, listed_dataset
from crosspool.errors import DatasetError
from crosspool.framing import Rectangle
from crosspool.text import printable

HEAD = frozenset({"beak", "crown", "forehead", "left eye", "nape", "right eye", "throat"})
ANNOTATED = (WHOLE, "head", "body")
PART_LISTS = ("parts/parts.txt", "parts/part_locs.txt", "bounding_boxes.txt")

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
    is_annotated = all((root / name).is_file() for name in PART_LISTS)
    outlined = _table(root, "bounding_boxes.txt", _box, problems) if bounding_box or is_annotated else {}
    boxes = outlined if bounding_box else {}
    boxes_of_parts = _boxes_of_parts(root, outlined, problems) if is_annotated else {}
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
    images = [
        Listed(paths[i], position[labels[i]], split.get(i), boxes.get(i), parts=boxes_of_parts.get(i)) for i in labelled
    ]
    title = "CUB-200-2011, bounding boxes" if bounding_box else "CUB-200-2011"
    classes = [without_number(printable(names.get(number, f"class {number}"))) for number in numbers]
    annotated = ANNOTATED if is_annotated else ()
    return listed_dataset(title, root / "images", "images.txt", classes, images, problems, annotated)


def _boxes_of_parts(root: Path, boxes: Mapping[int, Box], problems: list[str]) -> dict[int, dict[str, Rectangle]]:
    """The boxes of the whole bird, of its head and of its body, by the number of the image."""
    names = _table(root, "parts/parts.txt", str, problems)
    seen: dict[int, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for image, point in _rows(root, "parts/part_locs.txt", _point, problems):
        if point is not None:
            number, *at = point
            seen[image]["head" if names.get(number) in HEAD else "body"].append((at[0], at[1]))
    return {
        image: {WHOLE: box, **{part: around for part, points in seen[image].items() if (around := _around(points))}}
        for image, box in boxes.items()
    }


def _around(points: list[tuple[float, float]]) -> Rectangle | None:
    """The tightest box around points; None where it has no area."""
    (left, right), (top, bottom) = ((min(values), max(values)) for values in zip(*points, strict=True))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _table(root: Path, name: str, read: Callable[[str], T], problems: list[str]) -> dict[int, T]:
    """The values of a list by the number in front of each; none, and a problem, where the list is missing."""
    return dict(_rows(root, name, read, problems))


def _rows(root: Path, name: str, read: Callable[[str], T], problems: list[str]) -> list[tuple[int, T]]:
    """The values of a list, each with the number in front of it; none, and a problem, where the list is missing."""
    if not (root / name).is_file():
        problems.append(f"{name} is missing.")
        return []

    def parse_line(line: str) -> tuple[int, T]:
        number, value = line.split(maxsplit=1)
        return int(number), read(value)

    rows, wrong = parse(root / name, parse_line)
    problems.extend(wrong)
    return rows


def _part(value: str) -> SplitPart:
    if value not in ("0", "1"):
        raise ValueError("neither training nor testing")
    return "train" if value == "1" else "test"


def _box(value: str) -> Box:
    left, top, width, height = map(float, value.split())
    return box_around(left, top, width, height)


def _point(value: str) -> tuple[int, float, float] | None:
    """The number of a point, and where it is; None where it cannot be seen."""
    number, x, y, visible = value.split()
    at = float(x), float(y)
    if visible not in ("0", "1") or not all(map(math.isfinite, at)):
        raise ValueError("no point")
    return (int(number), *at) if visible == "1" else None
