"""What is kept of an image, from its file: its vector, its short code, its channels' peaks, and a small picture."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspool.backbones import Backbone
from crosspool.baselines import OneMapPooling
from crosspool.datasets import Sample
from crosspool.encoding import CrossLayerPooling, Encoder, Record
from crosspool.errors import ImageError, SettingError
from crosspool.flow import READERS, in_order
from crosspool.framing import VIEW_COUNTS, Source
from crosspool.images import shrunk_file
from crosspool.methods import Method
from crosspool.methods.representation import parts_and_rest
from crosspool.pooled_parts import joined
from crosspool.records import Views, outputs_of_views, passes_of, shape_of, views_of

BATCH = 64  # images that go through the network together where it is not on the CPU
MOST_CELLS = 2**16
_LARGEST_HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Looked:
    """A file that was looked at: its SHA-256, a small picture as JPEG, and what the network yields.

    `problem` says why it could not be read, and then there is nothing else, but perhaps the checksum.
    """

    problem: str = ""
    checksum: bytes | None = None
    thumbnail: bytes = b""
    record: Record | None = None


@dataclass(frozen=True)
class Described:
    """An image's vector in its kind, (1, d) or packed, and its channels' peaks, their cells and energies, (K,)."""

    vector: NDArray[Any]
    peak: NDArray[np.float16] | None
    cell: NDArray[np.uint16] | None
    energy: NDArray[np.float16] | None


class Describer:
    """A network and a method: from files to records, and from these to what is kept."""

    def __init__(self, backbone: Backbone, method: Method, thumbnail: int) -> None:
        self.backbone, self.method, self._thumbnail = backbone, method, thumbnail
        self._map = map_of(method)
        self._passes = tuple(passes_of(method.sources_to_explain))  # with the map that the first part averages
        self._expect_few_cells()
        self._batch = 1 if backbone.device.type == "cpu" else BATCH

    def _expect_few_cells(self) -> None:
        """Raise SettingError where a cell's number does not fit into the 16 bits that it is kept in."""
        if self._map is None:
            return
        _, rows, columns = shape_of(self._map, self.backbone.of(self._map.network).architecture)
        if rows * columns * VIEW_COUNTS[self._map.views] > MOST_CELLS:
            problem = f"The maps of {self.method.name} have {rows} × {columns} cells, more than a store keeps"
            raise SettingError(f"{problem}; take a smaller input, or a later layer pair.")

    @property
    def channels(self) -> int:
        """How many channels have peaks; 0 where the method has no map."""
        if self._map is None:
            return 0
        return shape_of(self._map, self.backbone.of(self._map.network).architecture)[0]

    # --- files to records

    def look(self, samples: Iterable[Sample]) -> Iterator[Looked]:
        """Look at images in their order; a few files are read ahead."""
        read = in_order(file_of, samples, READERS)
        prepared = (self._prepared(sample, data) for sample, data in read)
        while batch := list(islice(prepared, self._batch)):
            framed = [views for _, views in batch if views is not None]
            records = iter(outputs_of_views(self.backbone, self._passes, framed) if framed else ())
            for looked, views in batch:
                yield looked if views is None else replace(looked, record=dict(next(records)))

    def _prepared(self, sample: Sample, data: bytes | ImageError) -> tuple[Looked, Views | None]:
        if isinstance(data, ImageError):
            return Looked(str(data)), None
        checksum = hashlib.sha256(data).digest()
        try:
            image = sample.decode(data)
        except ImageError as error:
            return Looked(str(error), checksum), None
        thumbnail = shrunk_file(image, self._thumbnail, quality=80)
        return Looked("", checksum, thumbnail), views_of(self.backbone, image, self._passes)

    # --- records to what is kept

    def describe(self, encoder: Encoder, record: Record) -> Described:
        """What is kept of a record; `encoder` is the method's, fitted."""
        parts, rest = parts_and_rest(encoder)
        pooled = [part[0].transform([record]) for part in parts]
        finished = [_chained(part[1:], raw) for part, raw in zip(parts, pooled, strict=True)]
        vector = _chained(rest, np.hstack(finished) if len(finished) > 1 else finished[0])[0]
        if self._map is None:
            return Described(vector, None, None, None)
        step = parts[0][0]
        maps = torch.as_tensor(record[self._map]).float()
        is_cross_layer = isinstance(step, CrossLayerPooling)
        weights = joined(step.weighting(maps) if is_cross_layer else maps).flatten(1)  # (K, H * W)
        peak, cell = weights.max(dim=1)
        blocks = pooled[0].reshape(len(weights), -1) if is_cross_layer else weights.cpu().numpy()
        energy = np.linalg.norm(blocks, axis=1) / weights.shape[1]
        return Described(vector, _halves(peak), cell.cpu().numpy().astype(np.uint16), _halves(energy))


def file_of(sample: Sample) -> tuple[Sample, bytes | ImageError]:
    """An image with the bytes of its file, or with why that cannot be read."""
    try:
        return sample, sample.read()
    except ImageError as error:
        return sample, error
    except OSError as error:
        return sample, ImageError(f"{sample.name} cannot be read ({error.strerror or error}); check the file.")


def map_of(method: Method) -> Source | None:
    """The map whose channels have peaks: what the first part weights with, pools, or averages."""
    part = method.parts[0]
    step = part.steps[0][1]
    if isinstance(step, CrossLayerPooling):
        return step.upper  # type: ignore[return-value]
    if isinstance(step, OneMapPooling):
        return step.source  # type: ignore[return-value]
    return part.averaged


def _chained(steps: Iterable[Any], values: Any) -> Any:
    for step in steps:
        values = step.transform(values)
    return values


def _halves(values: Tensor | NDArray[np.floating[Any]]) -> NDArray[np.float16]:
    """In half precision; what is larger than it holds becomes the largest that it does."""
    return np.clip(np.asarray(values, np.float32), -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16)
