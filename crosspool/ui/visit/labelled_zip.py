"""A ZIP of class folders, taken into a visitor's memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from crosspool.datasets import Dataset
from crosspool.datasets.archives import ZipLimits, class_folders_in_memory
from crosspool.datasets.structure import CHOOSE_LAYOUT, TAKE_ONE, LayoutName
from crosspool.errors import CrosspoolError, DatasetError
from crosspool.text import printable
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.quota import NoRoomError, QuotaLease
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.labelled import LONGEST_NAME, MAX_CLASSES, MAX_IMAGES, Collection

CHOOSE_ON_PAGE = "choose above how its folders are read"
TAKE_ONE_ON_PAGE = "make a ZIP of one of these, or choose Classes above"
TOGETHER = " Here they are put together, and splits are random; crosspool evaluate FOLDER keeps the official split."
LONGEST_SUFFIX = 12  # characters
MAX_MEMBERS = 10_000  # of a ZIP, including those that are not images
ZIP_TIMES = 8  # how large the unpacked images may be, as a multiple of the largest ZIP
ZIP_SECONDS = 600.0  # after which the rest of a ZIP is left out


@dataclass(frozen=True)
class HeldZip:
    """A ZIP that can be read in two ways, until one is chosen: its name, its bytes, and the memory that these take."""

    name: str
    data: bytes = field(repr=False)
    lease: QuotaLease | None = field(default=None, repr=False, compare=False)


def hold(name: str, data: bytes, visitor: Account) -> HeldZip | None:
    """The ZIP, held on the visitor's account; None where that has no room for it."""
    try:
        return HeldZip(name, data, current_server().quota.lease(visitor, (), len(data)))
    except NoRoomError:
        return None


def from_zip(
    data: bytes, name: str, visitor: Account, progress: Callable[[int, int], None], layout: LayoutName = "auto"
) -> Collection:
    """The images in a ZIP of class folders, taken into memory for a visitor; the file itself is not kept.

    Raises DatasetError where it cannot be read, has no classes, or contains too much, and TwoReadingsError where it can
    be read in two ways and `layout` does not choose one.
    """
    settings, path = current_server().settings, Path(printable(name))
    title = (path.stem[:LONGEST_NAME] or "images") + (path.suffix[:LONGEST_SUFFIX] or ".zip")
    most = settings.zip_megabytes
    if len(data) > most * 2**20:
        raise DatasetError(
            f"{title} has {len(data) / 2**20:,.1f} MB of at most {most}; take fewer images, or use crosspool "
            "evaluate on the command line."
        )
    largest, total = settings.upload_megabytes * 2**20, ZIP_TIMES * most * 2**20
    limits = ZipLimits(members=MAX_MEMBERS, directory=4 * 2**20, member=largest, total=total)
    try:
        return _unpacked(class_folders_in_memory(data, title, limits, layout=layout), visitor, progress)
    except DatasetError as error:
        raise type(error)(_for_page(str(error))) from error


def _for_page(sentence: str) -> str:
    """The library's sentence with advice that fits the page."""
    advice = "unpack it and use crosspool evaluate FOLDER on the command line"
    sentence = sentence.replace("unpack it and name the folder", advice)
    return sentence.replace(CHOOSE_LAYOUT, CHOOSE_ON_PAGE).replace(TAKE_ONE, TAKE_ONE_ON_PAGE)


def _unpacked(dataset: Dataset, visitor: Account, progress: Callable[[int, int], None]) -> Collection:
    if len(dataset) > MAX_IMAGES or len(dataset.classes) > MAX_CLASSES:
        raise DatasetError(
            f"{dataset.name} has {len(dataset):,} images in {len(dataset.classes):,} classes; this page takes "
            f"{MAX_IMAGES} in {MAX_CLASSES}, so take fewer, or use crosspool evaluate on the command line."
        )
    collection = Collection(dataset.name, problems=list(dataset.problems), layout=dataset.layout, visitor=visitor)
    start = time.monotonic()
    if dataset.official is not None:
        collection.layout += TOGETHER
    for index, (sample, target) in enumerate(zip(dataset.samples, dataset.targets, strict=True)):
        if time.monotonic() - start > ZIP_SECONDS:
            collection.problems.append(
                f"{len(dataset) - index} images were left out: after {ZIP_SECONDS / 60:.0f} minutes the ZIP was still "
                "being read; take fewer images."
            )
            break
        try:
            problem = collection.add(
                dataset.classes[target], sample.read(), sample.name.rsplit("/", 1)[-1], sample.name,
                part=dataset.parts[index] if dataset.parts else "",
            )  # fmt: skip
        except CrosspoolError as error:  # a damaged member
            problem = str(error)
        if problem:
            collection.problems.append(problem)
        progress(index + 1, len(dataset))
    return collection
