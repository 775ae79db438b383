"""PASCAL VOC 2007, classification (Everingham, Van Gool, Williams, Winn, Zisserman, IJCV 88, 2010): 20 labels.

    VOCdevkit/VOC2007/JPEGImages/000012.jpg
    VOCdevkit/VOC2007/ImageSets/Main/car_trainval.txt    000012  1
    VOCdevkit/VOC2007/ImageSets/Main/car_test.txt

A line of a class's list has the image's number and 1 (the image shows it), -1 (it does not) or 0 (it shows difficult
instances only, which count neither way: UNKNOWN). An image may show several classes. The lists of the test images come
in a separate archive. The XML files in Annotations are not needed.

Other years have the same layout and are read too; their test lists were not published.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from crosspool.datasets.dataset import UNKNOWN, Dataset
from crosspool.datasets.files import counted_sentence, parse
from crosspool.datasets.listed import Listed, SplitPart, listed_dataset
from crosspool.errors import DatasetError

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
PARTS: dict[str, SplitPart] = {"trainval": "train", "test": "test"}
LABELS = {"1": 1, "-1": 0, "0": UNKNOWN}


def is_voc(folder: Path) -> bool:
    """Whether this is the folder of one year."""
    return (folder / "ImageSets" / "Main").is_dir()


def voc2007(*roots: Path) -> Dataset:
    """The images that have labels, with the published split of training and validation against test images.

    The two archives of a year may be unpacked in one folder, or in two.

    Raises:
        DatasetError: the lists or all images are missing.
    """
    lists = [root / "ImageSets" / "Main" for root in roots]
    rows: dict[tuple[SplitPart, str], dict[str, int]] = {}
    problems: list[str] = []
    for name, part in PARTS.items():
        for image, label, value in _labels(lists, name, problems):
            rows.setdefault((part, f"{image}.jpg"), {})[label] = value
    if not rows:
        raise DatasetError(f"{lists[0]} has no lists such as car_trainval.txt; unpack the archive with the labels.")
    classes = [label for label in CLASSES if any(label in row for row in rows.values())]
    folders = [root / "JPEGImages" for root in roots]
    around = Path(os.path.commonpath(folders))
    images = [
        Listed(_path(image, folders, around), tuple(row.get(label, UNKNOWN) for label in classes), part, name=image)
        for (part, image), row in sorted(rows.items(), key=lambda item: item[0][1])
    ]
    year = re.search(r"VOC(\d{4})$", roots[0].resolve().name)
    title = f"PASCAL VOC {year[1] if year else 2007}"
    return listed_dataset(title, around, f"the lists of {title}", classes, images, problems)


def _path(image: str, folders: Sequence[Path], around: Path) -> str:
    """The path below `around` of an image in one of the folders, or in the first one where none has it."""
    places = [folder / image for folder in folders]
    return next(filter(Path.is_file, places), places[0]).relative_to(around).as_posix()


def _labels(lists: Sequence[Path], name: str, problems: list[str]) -> list[tuple[str, str, int]]:
    """The image, class and label of every line in the lists of one part; adds missing lists to the problems."""
    labels: list[tuple[str, str, int]] = []
    missing = []
    for label in CLASSES:
        file_name = f"{label}_{name}.txt"
        paths = [path for folder in lists if (path := folder / file_name).is_file()]
        if not paths:
            missing.append(file_name)
        for path in paths:
            rows, wrong = parse(path, _row)
            problems.extend(wrong)
            labels.extend((image, label, value) for image, value in rows)
    if len(missing) == len(CLASSES):
        problems.append(f"The lists of the {name} images are missing ({missing[0]} and so on).")
    else:
        problems.extend(counted_sentence(missing, "list of labels is missing", "lists of labels are missing"))
    return labels


def _row(line: str) -> tuple[str, int]:
    image, value = line.split()
    if value not in LABELS or "/" in image:
        raise ValueError("no label")
    return image, LABELS[value]
