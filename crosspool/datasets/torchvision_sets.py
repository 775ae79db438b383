"""Data sets that torchvision downloads and lists; the images themselves are read here.

Only sets whose images are files that `crosspool.images` reads. Where torchvision has several versions, these are read:
DTD's first partition, FGVC-Aircraft's variants, and Imagenette at 320 pixels a side, as the network's crop is smaller.

torchvision accepts any folder of the right name. So a set is downloaded into a temporary folder beside its place, and
moved there when it is complete.
"""

import tempfile
import urllib.error
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from crosspool.datasets.dataset import Dataset
from crosspool.datasets.files import without_number
from crosspool.datasets.listed import Listed, SplitPart, listed_dataset
from crosspool.errors import DatasetError

ARCHIVES = (".gz", ".tgz", ".tar", ".zip")


def _of_images(listing: Any) -> Iterable[tuple[str, int]]:
    files = listing._image_files if hasattr(listing, "_image_files") else listing._images
    return zip(map(str, files), listing._labels, strict=True)


def _of_samples(listing: Any) -> Iterable[tuple[str, int]]:
    return ((str(path), label) for path, label in getattr(listing, "_samples", None) or listing.samples)


def _of_caltech(listing: Any, folder: str, name: str) -> Iterable[tuple[str, int]]:
    for label, index in zip(listing.y, listing.index, strict=True):
        file = name.format(number=label + 1, index=index)
        yield str(Path(listing.root, folder, listing.categories[label], file)), label


_OF_CALTECH101 = partial(_of_caltech, folder="101_ObjectCategories", name="image_{index:04d}.jpg")
_OF_CALTECH256 = partial(_of_caltech, folder="256_ObjectCategories", name="{number:03d}_{index:04d}.jpg")


@dataclass(frozen=True)
class BuiltIn:
    """One of torchvision's data sets: its class, its folder below the root, and torchvision's splits for each part."""

    title: str
    folder: str
    megabytes: int | None  # of the download, about; None where it is no longer offered
    images: Callable[[Any], Iterable[tuple[str, int]]] = _of_images
    train: tuple[str, ...] = ("train",)
    test: tuple[str, ...] = ("test",)
    options: Mapping[str, object] = field(default_factory=dict)

    def parts(self) -> Iterator[tuple[SplitPart | None, Mapping[str, object]]]:
        """The parts with torchvision's options for them; a set without test images has a single part, None."""
        if not self.test:
            yield None, self.options
            return
        yield from (("train", {**self.options, "split": split}) for split in self.train)
        yield from (("test", {**self.options, "split": split}) for split in self.test)


BUILT_IN = {
    "caltech101": BuiltIn("Caltech101", "caltech101", 140, _OF_CALTECH101, test=()),
    "caltech256": BuiltIn("Caltech256", "caltech256", 1200, _OF_CALTECH256, test=()),
    "country211": BuiltIn("Country211", "country211", 11200, _of_samples, ("train", "valid")),
    "dtd": BuiltIn("DTD", "dtd", 600, train=("train", "val"), options={"partition": 1}),
    "eurosat": BuiltIn("EuroSAT", "eurosat", 90, _of_samples, test=()),
    "fgvc-aircraft": BuiltIn("FGVCAircraft", "fgvc-aircraft-2013b", 2700, train=("trainval",)),
    "flowers102": BuiltIn("Flowers102", "flowers-102", 350, train=("train", "val")),
    "food101": BuiltIn("Food101", "food-101", 5000),
    "imagenette": BuiltIn("Imagenette", "imagenette2-320", 340, _of_samples, test=("val",), options={"size": "320px"}),
    "oxford-iiit-pet": BuiltIn("OxfordIIITPet", "oxford-iiit-pet", 800, train=("trainval",)),
    "stanford-cars": BuiltIn("StanfordCars", "stanford_cars", None, _of_samples),
    "sun397": BuiltIn("SUN397", "SUN397", 39000, test=()),
}


def torchvision_key(name: str) -> str | None:
    """The key in BUILT_IN for a name such as OxfordIIITPet, whatever its case and punctuation."""
    keys = {"".join(filter(str.isalnum, key)): key for key in BUILT_IN}
    return keys.get("".join(filter(str.isalnum, name.lower())))


def torchvision_set(key: str, root: Path, *, download: bool = False) -> Dataset:
    """One of torchvision's data sets below `root`; it is downloaded first if it is missing and `download` is true.

    Raises:
        DatasetError: it is missing or damaged, or cannot be downloaded.
    """
    built_in = BUILT_IN[key]
    folder = root / built_in.folder
    if not folder.is_dir():
        if not download:
            raise DatasetError(f"{built_in.title} is not in {folder}; {_advice(built_in, folder)}.")
        _download(built_in, root)
    try:
        classes, images = _listed(built_in, root)
    except Exception as error:  # torchvision's and SciPy's readers raise all kinds of errors
        problem = f"{built_in.title} in {folder} is damaged or incomplete ({_cause(error)})"
        raise DatasetError(f"{problem}; delete that folder, and {_advice(built_in, folder)}.") from error
    return listed_dataset(built_in.title, folder, "torchvision's list", classes, images)


def _advice(built_in: BuiltIn, folder: Path) -> str:
    if built_in.megabytes is None:
        return f"it is no longer offered for download, so unpack your own copy into {folder}"
    size = f"about {built_in.megabytes:,} MB"
    return f"allow its download with --download ({size}), or unpack your own copy into {folder}"


def _make(built_in: BuiltIn, root: Path | str, **options: object) -> Any:
    """torchvision's own object for a data set."""
    import_module("crosspool.backbones.torchvision_guard")
    return getattr(import_module("torchvision.datasets"), built_in.title)(root=str(root), **options)


def _listed(built_in: BuiltIn, root: Path) -> tuple[tuple[str, ...], list[Listed]]:
    """All classes and all images, in the order of their names. The parts may number their classes differently."""
    folder = root / built_in.folder
    image_classes: dict[str, tuple[str, SplitPart | None]] = {}
    classes: dict[str, int] = {}
    for part, options in built_in.parts():
        listing = _make(built_in, root, **options)
        names = _class_names(listing)
        for name in names:
            classes.setdefault(name, len(classes))
        for path, label in built_in.images(listing):
            image_classes[Path(path).relative_to(folder).as_posix()] = names[label], part
    return tuple(classes), [Listed(path, classes[name], part) for path, (name, part) in sorted(image_classes.items())]


def _class_names(listing: Any) -> list[str]:
    if hasattr(listing, "categories"):  # Caltech's
        return [without_number(name) for name in listing.categories]
    return [name if isinstance(name, str) else name[0] for name in listing.classes]


def _download(built_in: BuiltIn, root: Path) -> None:
    """Download and unpack in a temporary folder below `root`, then move the set to its place."""
    folder = root / built_in.folder
    if built_in.megabytes is None:
        raise DatasetError(f"{built_in.title} cannot be downloaded: {_advice(built_in, folder)}.")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{built_in.folder}-", suffix=".partial", dir=root) as temporary:
            _, options = next(built_in.parts())
            _make(built_in, temporary, download=True, **options)
            fresh = Path(temporary) / built_in.folder
            for archive in fresh.iterdir():
                if archive.suffix in ARCHIVES:
                    archive.unlink()
            fresh.replace(folder)
    except Exception as error:  # urllib, tarfile, zipfile, zlib and torchvision each raise their own errors
        problem = f"Could not download {built_in.title} (about {built_in.megabytes:,} MB): {_cause(error)}"
        advice = f"check the network connection and the disk space, or unpack your own copy into {folder}"
        raise DatasetError(f"{problem}; {advice}.") from error


def _cause(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    message = str(getattr(reason, "strerror", None) or reason) or type(error).__name__
    return message.splitlines()[0].rstrip(".")
