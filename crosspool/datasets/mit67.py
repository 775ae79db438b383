"""MIT-67, indoor scenes (Quattoni and Torralba, "Recognizing indoor scenes", CVPR 2009): 67 classes.

The images and the two lists are published in separate archives; the lists belong beside the folder of images:

    Images/airport_inside/airport_inside_0001.jpg
    TrainImages.txt    lines such as airport_inside/airport_inside_0001.jpg: 80 images a class
    TestImages.txt     about 20 images a class

The archive holds 15,620 images, of which the lists name 6,700; the others are left out. Some are PNG or GIF files
despite their names, and some names contain spaces.
"""

from pathlib import Path

from crosspool.datasets.dataset import Dataset
from crosspool.datasets.files import parse
from crosspool.datasets.listed import Listed, SplitPart, listed_dataset
from crosspool.errors import DatasetError
from crosspool.text import printable

LISTS: dict[str, SplitPart] = {"TrainImages.txt": "train", "TestImages.txt": "test"}


def is_mit67(folder: Path) -> bool:
    """Whether one of its lists is in this folder."""
    return any((folder / name).is_file() for name in LISTS)


def mit67(root: Path) -> Dataset:
    """The listed images, with the published split. Raises DatasetError if none of them is there."""
    listed: list[tuple[str, SplitPart]] = []
    problems: list[str] = []
    for name, part in LISTS.items():
        if not (root / name).is_file():
            problems.append(f"{name} is missing.")
            continue
        paths, wrong = parse(root / name, _image)
        listed.extend((path, part) for path in paths)
        problems.extend(wrong)
    if not listed:
        raise DatasetError(f"The lists in {root} name no images; copy TrainImages.txt and TestImages.txt there again.")
    classes = sorted({_class(path) for path, _ in listed})
    number = {name: i for i, name in enumerate(classes)}
    images = [Listed(path, number[_class(path)], part) for path, part in listed]
    titles = [printable(name) for name in classes]
    return listed_dataset("MIT-67", root / "Images", " or ".join(LISTS), titles, images, problems)


def _image(line: str) -> str:
    parts = line.split("/")
    if len(parts) < 2 or not all(parts) or ".." in parts:
        raise ValueError("no class folder")
    return line


def _class(path: str) -> str:
    return path.rpartition("/")[0]
