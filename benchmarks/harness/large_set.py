"""A large labelled set of generated photos, in the layout of CUB-200-2011.

Its classes can be told apart, but not at a glance: each has a texture, a hue and a shape, which it shares with others,
before backgrounds of any kind. The same numbers make the same files.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.harness.photos import QUALITY, SUBJECTS, Box, photo

SIZES = ((500, 375), (375, 500), (500, 333))  # pixels: width, height
TABLES = ("images", "image_class_labels", "train_test_split", "bounding_boxes", "classes")


def make(folder: Path, images: int) -> None:
    """Write so many images, in equal numbers of each class up to one, and the lists that go with them.

    Every other image of a class is for training.

    Raises:
        FileExistsError: There is something in the folder.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is there already; name a new folder.")
    tables: dict[str, list[str]] = {table: [] for table in TABLES}
    names = [f"{subject + 1:03d}.Subject_{subject + 1:03d}" for subject in range(min(SUBJECTS, images))]
    for name in names:
        (folder / "images" / name).mkdir(parents=True)
    paths = [f"{names[index % SUBJECTS]}/{index // SUBJECTS:04d}.jpg" for index in range(images)]
    with ThreadPoolExecutor() as pool:
        boxes = list(pool.map(lambda index: _write(folder / "images" / paths[index], index), range(images)))
    for index, (path, box) in enumerate(zip(paths, boxes, strict=True)):
        left, top, right, bottom = box
        tables["images"].append(path)
        tables["image_class_labels"].append(str(index % SUBJECTS + 1))
        tables["train_test_split"].append(str((index // SUBJECTS + 1) % 2))
        tables["bounding_boxes"].append(f"{left:.1f} {top:.1f} {right - left:.1f} {bottom - top:.1f}")
    tables["classes"] = names
    _write_tables(folder, tables)


def _write(path: Path, index: int) -> Box:
    image, box = photo(index % SUBJECTS, index // SUBJECTS, SIZES[index % len(SIZES)])
    image.save(path, "JPEG", quality=QUALITY)
    return box


def _write_tables(folder: Path, tables: Mapping[str, Iterable[str]]) -> None:
    for table, values in tables.items():
        lines = "".join(f"{number} {value}\n" for number, value in enumerate(values, 1))
        (folder / f"{table}.txt").write_text(lines, encoding="utf-8")
