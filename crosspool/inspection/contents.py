"""Whether a path is a data set, a file of weights or an image, told by its content."""

import os
import zipfile
from pathlib import Path
from typing import Literal

from crosspool.datasets.catalogue import PACKED, is_built_in
from crosspool.datasets.files import is_image, is_note
from crosspool.errors import CrosspoolError, DatasetError, not_found
from crosspool.images import HEAD_BYTES, signature_of
from crosspool.weight_files import is_weights_file

Kind = Literal["dataset", "weights", "image"]
# Of files whose content says nothing: what their owner takes them for decides which reader says what is wrong.
_WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl", ".onnx", ".h5", ".pb", ".tflite")


def kind_of(path: str) -> Kind:
    """What there is at `path`, which may be the name of a built-in data set.

    Raises CrosspoolError, in a sentence, where there is nothing, or nothing of these.
    """
    place = Path(os.path.expanduser(path))
    if is_built_in(path) or place.is_dir():
        return "dataset"
    if not place.exists():
        raise DatasetError(not_found(path))
    if not place.is_file():
        raise CrosspoolError(f"{path} is neither a folder nor a file; name one of these.")
    if is_weights_file(place):
        return "weights"
    with place.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if signature_of(head):
        return "image"
    if zipfile.is_zipfile(place):
        return "dataset"
    suffix = place.suffix.lower()
    if is_image(place.name):
        return "image"
    if suffix in _WEIGHTS:
        return "weights"
    if suffix == ".zip" or suffix in PACKED:
        return "dataset"
    if is_note(place.name):
        raise DatasetError(f"{path} is a list or a note; name the folder or the ZIP with the images that it is about.")
    raise CrosspoolError(
        f"{path} is neither a data set (a folder or a ZIP), nor a file of weights (safetensors or a torch checkpoint), "
        "nor an image that can be read here; check the name."
    )
