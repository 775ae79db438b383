"""The network's outputs for the images of a data set, computed once and cached by content."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from operator import attrgetter
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosspool.backbones import Backbone
from crosspool.cache import Array, ArrayCache
from crosspool.datasets import Dataset
from crosspool.encoding import Record
from crosspool.errors import ImageError
from crosspool.framing import Source, image_views
from crosspool.strict_json import json_text

RECORD_FORMAT = 2  # to be increased when the same settings give different numbers


def compute_record(backbone: Backbone, image: Image.Image, sources: Iterable[Source]) -> dict[Source, Array]:
    """The maps and vectors of an image that a method needs; one pass of the network for each size and kind of views.

    Args:
        backbone: The network.
        image: Upright RGB, as `load_image` gives it.
        sources: The sources of a method: `method.sources`.

    Returns:
        dict: An array for each source, float32, whose first axis is the V views of the image: (V, D, H, W) for a map,
        (V, D) for a vector.

    Example:
        >>> import crosspool
        >>> backbone = crosspool.load_backbone()
        >>> method = crosspool.parse_method("global@128", backbone.architecture)
        >>> record = crosspool.compute_record(
        ...     backbone, crosspool.load_image("assets/samples/cat.jpg"), method.sources
        ... )
        >>> [array.shape for array in record.values()]
        [(1, 1280)]
    """
    record: dict[Source, Array] = {}
    view_settings = attrgetter("size", "views", "framing")
    for (size, views, framing), group in groupby(sorted(sources, key=view_settings), view_settings):
        group_sources = list(group)
        framed = image_views(image, backbone.spec.preprocessing, size, views, framing)
        outputs = backbone.outputs(framed, tuple(source.node for source in group_sources))
        arrays = (output.contiguous().cpu().numpy() for output in outputs)
        record |= zip(group_sources, arrays, strict=True)
    return record


class Features:
    """The records of a data set's samples, taken from the cache or computed, one at a time.

    The key of a cache entry contains everything that decides its numbers: the image's bytes and box, every parameter of
    the network, its preprocessing, and the source.
    """

    def __init__(self, dataset: Dataset, backbone: Backbone, sources: Sequence[Source], cache: ArrayCache) -> None:
        self.dataset = dataset
        self.backbone = backbone
        self.sources = tuple(sources)
        self.cache = cache
        self._network = [RECORD_FORMAT, backbone.fingerprint, asdict(backbone.spec.preprocessing)]
        self._file_keys: dict[str, str] = {}  # by the sample's name

    def restricted_to(self, dataset: Dataset) -> "Features":
        """The features of a data set whose samples are among these; no file is read again for its key."""
        features = Features(dataset, self.backbone, self.sources, self.cache)
        features._file_keys = self._file_keys
        return features

    def compute(self, progress: Callable[[int], None] = lambda done: None) -> dict[int, str]:
        """Compute the missing arrays of all samples. Returns the reasons why samples cannot be read, by index."""
        failed: dict[int, str] = {}
        for index in range(len(self.dataset)):
            try:
                self.ensure(index)
            except ImageError as error:
                failed[index] = str(error)
            progress(index + 1)
        return failed

    def ensure(self, index: int) -> None:
        """Compute and cache the missing arrays of a sample. Raises ImageError."""
        if any(self._key(index, source) not in self.cache for source in self.sources):
            data = self._read(index)  # read again, so that the keys are those of the very bytes that are computed on
            missing = [source for source in self.sources if self._key(index, source) not in self.cache]
            self._compute(index, data, missing)

    def file_key(self, index: int) -> str:
        """The content key of a sample's image file, whatever its box: equal for equal files."""
        sample = self.dataset.samples[index]
        if sample.identity is not None:
            return hashlib.sha256(sample.identity.encode()).hexdigest()
        if sample.name not in self._file_keys:
            self._read(index)
        return self._file_keys[sample.name]

    def image_key(self, index: int) -> str:
        """The content key of a sample, its box included: equal for equal images."""
        return f"{self.file_key(index)} {self.dataset.samples[index].box}"

    def record(self, index: int, sources: Sequence[Source]) -> Record:
        """The arrays of one sample."""
        cached = {source: self.cache.get(self._key(index, source)) for source in sources}
        missing = [source for source, array in cached.items() if array is None]
        computed = self._compute(index, self._read(index), missing) if missing else {}
        return {source: computed[source] if array is None else array for source, array in cached.items()}

    def records_of(self, indices: NDArray[np.intp], sources: Sequence[Source]) -> "Records":
        """The records of some samples; each is read when it is used."""
        return Records(self, indices, sources)

    def _compute(self, index: int, data: bytes, sources: Sequence[Source]) -> dict[Source, Array]:
        """Compute and cache the arrays of a sample from `data`, the bytes that were read last."""
        record = compute_record(self.backbone, self.dataset.samples[index].decode(data), sources)
        for source, array in record.items():
            self.cache.put(self._key(index, source), array)
        return record

    def _read(self, index: int) -> bytes:
        """A sample's bytes, from which its key is made from now on: the file may have changed since the last time."""
        sample = self.dataset.samples[index]
        try:
            data = sample.read()
        except OSError as error:
            raise ImageError(f"{sample.name} cannot be read ({error.strerror or error}); check the file.") from error
        if sample.identity is None:
            self._file_keys[sample.name] = hashlib.sha256(data).hexdigest()
        return data

    def _key(self, index: int, source: Source) -> str:
        described = json_text([*self._network, self.image_key(index), asdict(source)])
        return hashlib.sha256(described.encode()).hexdigest()


class Records(Sequence[Record]):
    """The records of some samples, each read when it is used."""

    def __init__(self, features: Features, indices: NDArray[np.intp], sources: Sequence[Source]) -> None:
        self._features = features
        self._indices = indices
        self._sources = sources

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> "Records": ...
    def __getitem__(self, place: int | slice) -> "Record | Records":
        if isinstance(place, slice):
            return Records(self._features, self._indices[place], self._sources)
        return self._features.record(int(self._indices[place]), self._sources)
