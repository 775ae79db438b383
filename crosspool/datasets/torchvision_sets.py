"""Data sets that torchvision knows how to download and to list; the files themselves are read here.

Only those whose images are files that `crosspool.images` reads. Where torchvision has several, these are read:
DTD's first partition, FGVC-Aircraft's variants, and Imagenette at 320 pixels a side, as the network's crop is smaller.

torchvision believes any folder of the right name. So a download is made in a folder of its own beside the place
where it belongs, and moved there when it is complete.
"""

import tempfile
import urllib.error
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from crosspool.datasets.dataset import Dataset
from crosspool.datasets.files import without_number
from crosspool.datasets.listed import Listed, SplitPart, listed_dataset
from crosspool.errors import DatasetError

Options = Mapping[str, object]
ARCHIVES = (".gz", ".tgz", ".tar", ".zip")


def _of_images(listing: Any) -> Iterable[tuple[str, int]]:
    return zip(map(str, listing._image_files), listing._labels, strict=True)


def _of_samples(listing: Any) -> Iterable[tuple[str, int]]:
    return ((str(path), label) for path, label in getattr(listing, "_samples", None) or listing.samples)


def _of_pets(listing: Any) -> Iterable[tuple[str, int]]:
    return zip(map(str, listing._images), listing._labels, strict=True)


def _of_caltech101(listing: Any) -> Iterable[tuple[str, int]]:
    folder = Path(listing.root) / "101_ObjectCategories"
    for label, index in zip(listing.y, listing.index, strict=True):
        yield str(folder / listing.categories[label] / f"image_{index:04d}.jpg"), label


def _of_caltech256(listing: Any) -> Iterable[tuple[str, int]]:
    folder = Path(listing.root) / "256_ObjectCategories"
    for label, index in zip(listing.y, listing.index, strict=True):
        yield str(folder / listing.categories[label] / f"{label + 1:03d}_{index:04d}.jpg"), label


@dataclass(frozen=True)
class BuiltIn:
    """How torchvision offers a data set: its class, its folder below the root, and the options for each part."""

    title: str
    folder: str
    megabytes: int | None  # of the download, about; None where there is none any more
    images: Callable[[Any], Iterable[tuple[str, int]]] = _of_images
    train: tuple[Options, ...] = ({"split": "train"},)
    test: tuple[Options, ...] = ({"split": "test"},)
    common: Options = field(default_factory=dict)

    def parts(self) -> Iterator[tuple[SplitPart | None, Options]]:
        if not self.test:
            yield None, self.common
            return
        for options in self.train:
            yield "train", {**self.common, **options}
        for options in self.test:
            yield "test", {**self.common, **options}


_TRAIN_AND_VALIDATION: tuple[Options, ...] = ({"split": "train"}, {"split": "val"})
_TRAINVAL: tuple[Options, ...] = ({"split": "trainval"},)
_TRAIN_AND_VALID: tuple[Options, ...] = ({"split": "train"}, {"split": "valid"})
_VALIDATION: tuple[Options, ...] = ({"split": "val"},)

BUILT_IN = {
    "caltech101": BuiltIn("Caltech101", "caltech101", 140, _of_caltech101, test=()),
    "caltech256": BuiltIn("Caltech256", "caltech256", 1200, _of_caltech256, test=()),
    "country211": BuiltIn("Country211", "country211", 11200, _of_samples, _TRAIN_AND_VALID),
    "dtd": BuiltIn("DTD", "dtd", 600, train=_TRAIN_AND_VALIDATION, common={"partition": 1}),
    "eurosat": BuiltIn("EuroSAT", "eurosat", 90, _of_samples, test=()),
    "fgvc-aircraft": BuiltIn("FGVCAircraft", "fgvc-aircraft-2013b", 2700, train=_TRAINVAL),
    "flowers102": BuiltIn("Flowers102", "flowers-102", 350, train=_TRAIN_AND_VALIDATION),
    "food101": BuiltIn("Food101", "food-101", 5000),
    "imagenette": BuiltIn(
        "Imagenette", "imagenette2-320", 340, _of_samples, test=_VALIDATION, common={"size": "320px"}
    ),
    "oxford-iiit-pet": BuiltIn("OxfordIIITPet", "oxford-iiit-pet", 800, _of_pets, _TRAINVAL),
    "stanford-cars": BuiltIn("StanfordCars", "stanford_cars", None, _of_samples),
    "sun397": BuiltIn("SUN397", "SUN397", 39000, test=()),
}


def torchvision_key(name: str) -> str | None:
    """The key in BUILT_IN that a name means: neither case nor punctuation counts, as in OxfordIIITPet."""
    return {_plain(key): key for key in BUILT_IN}.get(_plain(name))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def torchvision_set(key: str, root: Path, *, download: bool = False) -> Dataset:
    """One of torchvision's data sets below `root`, downloaded there first if it is missing and `download` says so.

    Raises:
        DatasetError: it is not there, is damaged, or cannot be downloaded.
    """
    built_in = BUILT_IN[key]
    folder = root / built_in.folder
    if not folder.is_dir():
        if not download:
            raise DatasetError(f"{built_in.title} is not in {folder}; {_advice(built_in, folder)}.")
        _download(built_in, root)
    try:
        classes, images = _listed(built_in, root)
    except Exception as error:  # torchvision's and SciPy's readers raise whatever they like
        raise DatasetError(
            f"{built_in.title} in {folder} is damaged or incomplete ({_cause(error)}); delete that folder, and "
            f"{_advice(built_in, folder)}."
        ) from error
    return listed_dataset(built_in.title, folder, "torchvision's list", classes, images)


def _advice(built_in: BuiltIn, folder: Path) -> str:
    if built_in.megabytes is None:
        return f"it is no longer offered for download, so unpack your own copy into {folder}"
    return (
        f"allow its download with --download (about {built_in.megabytes:,} MB), or unpack your own copy into {folder}"
    )


def _class(built_in: BuiltIn) -> Callable[..., Any]:
    import_module("crosspool.backbones.torchvision_guard")
    offered: Callable[..., Any] = getattr(import_module("torchvision.datasets"), built_in.title)
    return offered


def _listed(built_in: BuiltIn, root: Path) -> tuple[tuple[str, ...], list[Listed]]:
    """All classes and all images, in the order of their names. Each part may number its classes by itself."""
    folder = root / built_in.folder
    image_classes: dict[str, tuple[str, SplitPart | None]] = {}
    classes: dict[str, int] = {}
    for part, options in built_in.parts():
        listing = _class(built_in)(root=str(root), **options)
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
    """Download and unpack in a temporary folder below `root`, which goes whatever happens."""
    folder = root / built_in.folder
    if built_in.megabytes is None:
        raise DatasetError(f"{built_in.title} cannot be downloaded: {_advice(built_in, folder)}.")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{built_in.folder}-", suffix=".partial", dir=root) as temporary:
            _, options = next(built_in.parts())
            _class(built_in)(root=temporary, download=True, **options)
            fresh = Path(temporary) / built_in.folder
            for archive in fresh.iterdir():
                if archive.suffix in ARCHIVES:
                    archive.unlink()
            fresh.replace(folder)
    except Exception as error:  # urllib, tarfile, zipfile, zlib and torchvision each have errors of their own
        raise DatasetError(
            f"Could not download {built_in.title} (about {built_in.megabytes:,} MB): {_cause(error)}; "
            f"check the network connection and the disk space, or unpack your own copy into {folder}."
        ) from error


def _cause(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(reason, "strerror", None) or reason).splitlines()[0].rstrip(".") or type(error).__name__
