"""Open any data set by what people type: a folder, a ZIP, or a name."""

import difflib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

from crosspool.datasets import torchvision_sets
from crosspool.datasets.archives import zipped_class_folders
from crosspool.datasets.dataset import Dataset
from crosspool.datasets.folders import class_folders
from crosspool.datasets.official import lists_beside, official_dataset
from crosspool.datasets.structure import LayoutName
from crosspool.errors import DatasetError

DEFAULT_ROOT = Path("data")
FIELDGUIDE, TORCHVISION = "fieldguide", "torchvision"
KINDS = "a folder, a ZIP"
PACKED = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")


def built_in_names() -> tuple[str, ...]:
    """The names that `open_dataset` knows besides folders and ZIP files."""
    return (FIELDGUIDE, *(f"{TORCHVISION}:{name}" for name in torchvision_sets.BUILT_IN))


def open_dataset(
    spec: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] = DEFAULT_ROOT,
    download: bool = False,
    bounding_box: bool = False,
    layout: LayoutName = "auto",
) -> Dataset:
    """Open a data set of labelled images, which are read later, one at a time.

    - `fieldguide`, `fieldguide:20`, `fieldguide:20:7`: the generated set, with 20 images of each class, from seed 7.
    - `torchvision:flowers102` and so on (`built_in_names`): below `root`, where `download` may put it.
    - A folder in the layout of MIT-67, CUB-200-2011, PASCAL VOC 2007 or Attributes of People, recognised by its lists.
    - Any other folder, or a ZIP of one: a folder for each class, perhaps below folders for training and test images.

    Write `./fieldguide` for a folder with such a name.

    Args:
        spec: One of these.
        root: The folder of torchvision's data sets.
        download: Whether torchvision may download the data set.
        bounding_box: Crop the birds of CUB-200-2011 to their boxes. Attributes of People is always cropped.
        layout: How folders and ZIP files are read: `classes`, the outermost folders are the classes, whatever else is
            there; `parts`, the outermost folders are parts of one set, and those inside them are the classes; `auto`
            decides by the structure, and by official lists.

    Returns:
        Dataset: Samples, classes and targets, the official split where there is one, and how the files were
            understood (`layout`).

    Raises:
        DatasetError: There is no such data set, or nothing in it can be used; the sentence says what to do.
        SettingError: A number after `fieldguide` is too small or too large.

    Example:
        >>> import crosspool
        >>> dataset = crosspool.open_dataset("fieldguide:2")  # two images of each of twelve species
        >>> len(dataset), dataset.classes[0]
        (24, 'Chestnut-crowned Marshlet')
    """
    expect_dataset(spec)
    text, path = os.fspath(spec), Path(os.path.expanduser(spec))
    kind, _, name = text.partition(":")
    built_in = is_built_in(spec)
    if os.path.isdir(path) and not built_in:
        return _folder(path, bounding_box, layout)
    if bounding_box:
        raise _no_boxes(text)
    if built_in and layout != "auto":
        raise DatasetError(f"{text} has a layout of its own; leave out --layout, which is for folders and ZIP files.")
    if built_in and kind == TORCHVISION:
        return _torchvision(name, Path(os.path.expanduser(root)), download)
    if built_in:
        from crosspool.datasets.fieldguide.guide import fieldguide

        return fieldguide(**fieldguide_numbers(text))
    return zipped_class_folders(path, layout=layout)


def expect_dataset(spec: str | os.PathLike[str], kinds: str = KINDS) -> None:
    """Raise DatasetError if there is neither a folder or ZIP nor a kind of built-in data set of this name.

    `kinds` says what else than a name of a built-in data set could be typed.
    """
    path = os.path.expanduser(spec)
    if is_built_in(spec) or os.path.isdir(path):
        return
    if not os.path.isfile(path):
        raise _unknown(os.fspath(spec), kinds)
    suffix = Path(path).suffix.lower()
    if suffix in PACKED:
        raise DatasetError(f"{path} cannot be read as it is packed; unpack it, and name the folder.")
    if suffix != ".zip" and not zipfile.is_zipfile(path):
        raise DatasetError(f"{path} is not a data set; name {kinds}, or one of {', '.join(built_in_names())}.")


def is_built_in(spec: str | os.PathLike[str]) -> bool:
    """Whether this is a name of crosspool's or torchvision's, and no path."""
    return isinstance(spec, str) and spec.partition(":")[0] in (FIELDGUIDE, TORCHVISION)


def _folder(folder: Path, bounding_box: bool, layout: LayoutName) -> Dataset:
    official = official_dataset(folder, bounding_box=bounding_box) if layout == "auto" else None
    if official is not None:
        return official
    if bounding_box:
        raise _no_boxes(str(folder))
    dataset = class_folders(folder, layout)
    return replace(dataset, problems=(*dataset.problems, *lists_beside(folder)))


def fieldguide_numbers(spec: str) -> dict[str, int]:
    """The `per_class` and `seed` of fieldguide:IMAGES:SEED, where they are given. Raises DatasetError."""
    rest = spec.partition(":")[2]
    numbers = rest.split(":") if rest or spec.endswith(":") else []
    if len(numbers) > 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        advice = "write fieldguide:IMAGES or fieldguide:IMAGES:SEED with numbers"
        raise DatasetError(f"{spec!r} cannot be understood; {advice}.")
    return {name: int(number) for name, number in zip(("per_class", "seed"), numbers, strict=False)}


def _torchvision(name: str, root: Path, download: bool) -> Dataset:
    key = torchvision_sets.torchvision_key(name)
    if key is None:
        names = ", ".join(torchvision_sets.BUILT_IN)
        raise DatasetError(f"There is no torchvision:{name} here; choose one of {names}.")
    return torchvision_sets.torchvision_set(key, root, download=download)


def _no_boxes(spec: str) -> DatasetError:
    return DatasetError(f"{spec} has no bounding boxes; leave out --bounding-box, which is for CUB-200-2011 only.")


def _unknown(spec: str, kinds: str) -> DatasetError:
    key = torchvision_sets.torchvision_key(Path(spec).name)
    if key is not None:
        return DatasetError(f"{spec!r} was not found; did you mean {TORCHVISION}:{key}?")
    near = difflib.get_close_matches(spec.lower(), built_in_names(), n=1, cutoff=0.8)
    meant = near[0] if near else similar_path(os.path.expanduser(spec))
    names = ", ".join(built_in_names())
    advice = f"did you mean {meant}?" if meant else f"name {kinds}, or one of {names}."
    return DatasetError(f"{spec!r} was not found; {advice}")


def similar_path(path: str) -> str | None:
    """The folder or ZIP beside a missing path whose name is most like its own, if there is one."""
    folder, name = os.path.split(os.path.normpath(path))
    try:
        beside = [entry.name for entry in os.scandir(folder or ".") if entry.is_dir() or entry.name.endswith(".zip")]
    except (OSError, ValueError):  # no such folder, or a name that none can have
        return None
    by_lower_case = {each.lower(): each for each in beside}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.8)
    return os.path.join(folder, by_lower_case[near[0]]) if near else None
