"""A ZIP of class folders, taken into a visitor's memory."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from crosspool.datasets import Dataset
from crosspool.datasets.archives import ZipLimits, class_folders_in_memory
from crosspool.errors import CrosspoolError, DatasetError
from crosspool.text import printable
from crosspool.ui.runtime.quota import ImageOwner
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.labelled import LONGEST_NAME, MAX_CLASSES, MAX_IMAGES, Collection, class_name

MAX_MEMBERS = 10_000  # of a ZIP, with all that is not an image
ZIP_TIMES = 8  # what the images in a ZIP may take unpacked, in sizes of the largest ZIP
ZIP_SECONDS = 600.0  # after which what is left of a ZIP is left out


def from_zip(
    data: bytes,
    name: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    visitor: ImageOwner | None = None,
) -> Collection:
    """The images in a ZIP of class folders, taken into memory for a visitor; the file itself is not kept.

    Raises DatasetError where it cannot be read, or has no classes or too much in it.
    """
    stem, most = Path(printable(name)).stem[:LONGEST_NAME] or "images", current_server().settings.zip_megabytes
    if len(data) > most * 2**20:
        raise DatasetError(
            f"{stem}.zip has {len(data) / 2**20:,.1f} MB of at most {most}; take fewer images, or use crosspool "
            "evaluate on the command line."
        )
    largest = current_server().settings.upload_megabytes * 2**20
    limits = ZipLimits(members=MAX_MEMBERS, directory=4 * 2**20, member=largest, total=ZIP_TIMES * most * 2**20)
    try:
        return _unpacked(class_folders_in_memory(data, f"{stem}.zip", limits), visitor or ImageOwner(), progress)
    except DatasetError as error:
        raise DatasetError(_for_the_page(str(error))) from error


def _for_the_page(sentence: str) -> str:
    """The library's sentence, with what can be done on the page."""
    return sentence.replace(
        "unpack it and name the folder", "unpack it and use crosspool evaluate FOLDER on the command line"
    )


def _unpacked(dataset: Dataset, visitor: ImageOwner, progress: Callable[[int, int], None]) -> Collection:
    if len(dataset) > MAX_IMAGES or len(dataset.classes) > MAX_CLASSES:
        raise DatasetError(
            f"{dataset.name} has {len(dataset):,} images in {len(dataset.classes):,} classes; this page takes "
            f"{MAX_IMAGES} in {MAX_CLASSES}, so take fewer, or use crosspool evaluate on the command line."
        )
    collection, start = Collection(dataset.name, problems=list(dataset.problems), visitor=visitor), time.monotonic()
    merged = dict.fromkeys(
        f"The class {label} differs from {first} only in letter case or spaces; they were put together."
        for label in dataset.classes
        if (first := _same_name(label, dataset.classes)) != label
    )
    collection.problems += merged
    if dataset.official is not None:
        collection.problems.append("Its folders of training and test images were put together: splits are random here.")
    for index, (sample, target) in enumerate(zip(dataset.samples, dataset.targets, strict=True)):
        if time.monotonic() - start > ZIP_SECONDS:
            collection.problems.append(
                f"{len(dataset) - index} images were left out: after {ZIP_SECONDS / 60:.0f} minutes the ZIP was still "
                "being read; take fewer images."
            )
            break
        label = _same_name(dataset.classes[target], dataset.classes)
        try:
            problem = collection.add(label, sample.read(), sample.name.rsplit("/", 1)[-1], sample.name)
        except CrosspoolError as error:  # a damaged member
            problem = str(error)
        if problem:
            collection.problems.append(problem)
        progress(index + 1, len(dataset))
    return collection


def _same_name(label: str, classes: Sequence[str]) -> str:
    """The first of the classes that has this name but for letter case and spaces."""
    return next(other for other in classes if class_name(other).casefold() == class_name(label).casefold())
