"""What methods need of the images of a data set, computed once and cached by content."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby
from math import prod
from operator import attrgetter
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import BaseEstimator

from crosspool.backbones import Architecture, Backbone
from crosspool.cache import Array, ArrayCache
from crosspool.datasets import Dataset
from crosspool.encoding import VALUES_PER_BYTE, Encoder, Record
from crosspool.errors import ImageError
from crosspool.flow import READERS, in_order
from crosspool.framing import VIEW_COUNTS, Source, image_views
from crosspool.methods import Method
from crosspool.strict_json import json_text

RECORD_FORMAT = 3  # to be increased when the same settings give different numbers
BYTES_PER_NUMBER = 4
Pass = tuple[Source, ...]  # sources of the same views of an image, which go through the network at once
Needed = tuple[int, bytes | ImageError | None]
"""A sample's index with its bytes, where something of it is missing, or with why they cannot be read."""


def compute_record(
    backbone: Backbone, image: Image.Image, sources: Iterable[Source], images: int = 1
) -> dict[Source, Array]:
    """The maps and vectors of an image that a method needs; one pass of the network for each size and kind of views.

    Args:
        backbone: The network.
        image: Upright RGB, as `load_image` gives it.
        sources: The sources of a method: `method.sources`.
        images: How many there are in all: for many, the quickest engine is found first, which takes a few seconds.

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
    for each in passes_of(sources):
        first = each[0]
        framed = image_views(image, backbone.spec.preprocessing, first.size, first.views, first.framing)
        _settle(backbone, images, each)
        outputs = backbone.outputs(framed, tuple(source.node for source in each))
        arrays = (output.contiguous().cpu().numpy() for output in outputs)
        record |= zip(each, arrays, strict=True)
    return record


def _settle(backbone: Backbone, images: int, each: Pass) -> None:
    """Let the engine be chosen that computes a pass of so many images."""
    first, nodes = each[0], tuple(source.node for source in each)
    backbone.settle(nodes, _side(first), passes=images * VIEW_COUNTS[first.views])


def _side(source: Source) -> int:
    """The side of what the network sees, in pixels."""
    return source.size // 2 if source.views == "tiles" else source.size


def passes_of(sources: Iterable[Source]) -> list[Pass]:
    """The sources of the same views together."""
    view_settings = attrgetter("size", "views", "framing")
    return [tuple(group) for _, group in groupby(sorted(sorted(sources), key=view_settings), view_settings)]


class Features:
    """What methods need of a data set's samples, taken from the cache or computed, several samples at a time.

    Of a method whose encoder learns nothing, and whose vector takes fewer bytes than the maps that it is made of, the
    vector is kept; of all others the maps. The key of a cache entry contains everything that decides its numbers: the
    image's bytes and box, every parameter of the network, its preprocessing, the engine that was asked for, and the
    source or the method.

    Samples are computed several `at_once`, or, where computations take turns, one after the other in this thread.
    """

    def __init__(
        self, dataset: Dataset, backbone: Backbone, sources: Sequence[Source], cache: ArrayCache,
        methods: Sequence[Method] = (), *, at_once: bool = True,
    ) -> None:  # fmt: skip
        self.dataset = dataset
        self.backbone = backbone
        self.sources = tuple(sources)
        self.methods = tuple(methods)
        self.cache = cache
        self._at_once = at_once
        self._network = [RECORD_FORMAT, backbone.fingerprint, asdict(backbone.spec.preprocessing), backbone.engine]
        self._encoders = {method: method.encoder() for method in methods}
        self._file_keys: dict[str, str] = {}  # by the sample's name
        self._settled: set[Pass] = set()
        self._settling = threading.Lock()

    @classmethod
    def of_methods(
        cls, dataset: Dataset, backbone: Backbone, methods: Sequence[Method], cache: ArrayCache,
        sources: Sequence[Source] = (),
    ) -> "Features":  # fmt: skip
        """What these methods need, each in its shortest form, and further sources."""
        vectors = [method for method in methods if _is_shorter(method, backbone.architecture)]
        maps = {source for method in methods if method not in vectors for source in method.sources}
        return cls(dataset, backbone, sorted({*maps, *sources}), cache, vectors)

    def restricted_to(self, dataset: Dataset) -> "Features":
        """The features of a data set whose samples are among these; no file is read again for its key."""
        features = Features(dataset, self.backbone, self.sources, self.cache, self.methods, at_once=self._at_once)
        features._file_keys = self._file_keys
        return features

    # --- computing all that is missing

    def compute(
        self, progress: Callable[[int], None] = lambda done: None, *, skip_errors: bool = True
    ) -> dict[int, str]:
        """Compute what is missing of all samples. Returns the reasons why samples cannot be read, by index.

        Raises ImageError for the first of them without `skip_errors`. Where it ends early, what is done is kept.
        """
        failed: dict[int, str] = {}
        indices = range(len(self.dataset))
        read = in_order(self._needed, indices, READERS) if self._at_once else map(self._needed, indices)
        results = in_order(self._ensure, read) if self._at_once else map(self._ensure, read)
        for index, problem in enumerate(results):
            if problem is not None:
                if not skip_errors:
                    raise problem
                failed[index] = str(problem)
            progress(index + 1)
        return failed

    def _needed(self, index: int) -> Needed:
        try:
            if not self._lacks(index):
                return index, None
            return index, self._read(index)  # again, so that the keys are those of the very bytes that are computed on
        except ImageError as error:
            return index, error

    def _ensure(self, needed: Needed) -> ImageError | None:
        """Compute and cache what is missing of a sample. Returns why that is impossible."""
        index, data = needed
        if not isinstance(data, bytes):
            return data
        try:
            self._compute(index, data, self._lacks(index))
        except ImageError as error:
            return error
        return None

    def _lacks(self, index: int) -> list[Source | Method]:
        """What the cache does not hold of a sample."""
        every: list[Source | Method] = [*self.sources, *self.methods]
        return [each for each in every if self._key(index, each) not in self.cache]

    def _compute(self, index: int, data: bytes, wanted: Sequence[Source | Method]) -> Record:
        """Compute and cache what is wanted of a sample from `data`, the bytes that were read last."""
        sources = {source for each in wanted for source in ((each,) if isinstance(each, Source) else each.sources)}
        image, whole = self.dataset.samples[index].decode(data), self._whole_passes(sources)
        if self._at_once:
            self._settle(passes_of(whole))
        record = compute_record(self.backbone, image, whole, len(self.dataset))
        for each in wanted:
            array = record[each] if isinstance(each, Source) else self._encoders[each].transform([record])[0]
            self.cache.put(self._key(index, each), array)
        return record

    def _whole_passes(self, sources: set[Source]) -> list[Source]:
        """The sources, and all others of the same passes: so few different parts of the network are run."""
        every = {*self.sources, *sources, *(source for method in self.methods for source in method.sources)}
        return [source for each in passes_of(every) if sources & set(each) for source in each]

    def _settle(self, passes: Sequence[Pass]) -> None:
        """Choose the engines of all passes at once, as converting a network takes seconds of one core."""
        with self._settling:
            new = [each for each in passes if each not in self._settled]
            for _ in in_order(partial(_settle, self.backbone, len(self.dataset)), new):
                pass
            self._settled.update(new)

    # --- of some samples

    def record(self, index: int, sources: Sequence[Source]) -> Record:
        """The arrays of one sample."""
        cached = {source: self.cache.get(self._key(index, source)) for source in sources}
        missing = [source for source, array in cached.items() if array is None]
        computed = self._compute(index, self._read(index), missing) if missing else {}
        return {source: computed[source] if array is None else array for source, array in cached.items()}

    def records_of(
        self, indices: NDArray[np.intp], sources: Sequence[Source], step: Callable[[], None] = lambda: None
    ) -> "Records":
        """The records of some samples; each is read when it is used, and `step` is called before."""
        return Records(self, indices, sources, step)

    def vectors(self, method: Method, encoder: Encoder) -> Iterator[Array]:
        """The vectors of all samples in order; `encoder` is the method's, fitted."""
        indices, vector = range(len(self.dataset)), partial(self._vector, method, encoder)
        return in_order(vector, indices) if self._at_once else map(vector, indices)

    def _vector(self, method: Method, encoder: Encoder, index: int) -> Array:
        if method in self.methods:
            kept = self.cache.get(self._key(index, method))
            if kept is not None:
                return kept
        vector: Array = encoder.transform([self.record(index, method.sources)])[0]
        return vector

    # --- keys

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

    def _key(self, index: int, each: Source | Method) -> str:
        about = asdict(each) if isinstance(each, Source) else _described(self._encoders[each])
        described = json_text([*self._network, self.image_key(index), about])
        return hashlib.sha256(described.encode()).hexdigest()


class Records(Sequence[Record]):
    """The records of some samples, each read when it is used; `step` is called before."""

    def __init__(
        self, features: Features, indices: NDArray[np.intp], sources: Sequence[Source], step: Callable[[], None]
    ) -> None:
        self._features = features
        self._indices = indices
        self._sources = sources
        self._step = step

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> "Records": ...
    def __getitem__(self, place: int | slice) -> "Record | Records":
        if isinstance(place, slice):
            return Records(self._features, self._indices[place], self._sources, self._step)
        self._step()
        return self._features.record(int(self._indices[place]), self._sources)


def _is_shorter(method: Method, architecture: Architecture) -> bool:
    """Whether a method's vector serves all training sets, and takes fewer bytes than the maps that it is made of."""
    numbers = sum(_numbers(source, architecture) for source in method.sources)
    per_byte = VALUES_PER_BYTE if method.quantizer is not None else 1 / BYTES_PER_NUMBER
    return not method.learns and method.length / per_byte < BYTES_PER_NUMBER * numbers


def _numbers(source: Source, architecture: Architecture) -> int:
    """How many numbers a source has for one image."""
    return VIEW_COUNTS[source.views] * prod(architecture.layout(_side(source)).shapes[source.node])


def _described(encoder: Encoder) -> dict[str, str]:
    """Everything that decides what an encoder that learns nothing makes of a record."""
    settings = encoder.get_params().items()
    return {name: repr(value) for name, value in settings if not isinstance(value, BaseEstimator | list)}
