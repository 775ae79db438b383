"""What methods need of the images of a data set, computed once and cached by content."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from torch import Tensor

from crosspool.backbones import Backbone
from crosspool.cache import Array, ArrayCache
from crosspool.datasets import Dataset, Sample
from crosspool.encoding import VALUES_PER_BYTE, Encoder, Lessons, Record
from crosspool.errors import ImageError
from crosspool.flow import READERS, in_order
from crosspool.framing import Source
from crosspool.image_maps import IMAGE_MAPS
from crosspool.methods import Method
from crosspool.parts.rcnn import TRUE_BOXES
from crosspool.records import Pass, Views, count_numbers, outputs_of_views, passes_of, settle, views_of
from crosspool.strict_json import json_text

RECORD_FORMAT = 4  # to be increased when the same settings give different numbers
BYTES_PER_NUMBER = 4
BATCH = 64  # samples whose views go through a network together, where it is not on the CPU
Needed = tuple[int, bytes | ImageError | None]
"""A sample's index with its bytes, where something of it is missing, or with why they cannot be read."""


@dataclass(frozen=True)
class Work:
    """What is to be computed of a sample: the keys of what is wanted, and what the network has to see for it."""

    keys: dict[Source | Method, str]
    passes: tuple[Pass, ...]
    views: Views


Outputs = dict[Source, Tensor]
"""What the network yields for a sample, on its device, where most of it is pooled; little of it goes back."""
Prepared: TypeAlias = Work | ImageError | None
"""The work on a sample, or why it cannot be read; None where nothing is missing."""


class Features:
    """What methods need of a data set's samples, taken from the cache or computed, several samples at a time.

    Of a method whose encoder learns nothing, and whose vector takes fewer bytes than the maps that it is made of, the
    vector is kept; of all others the maps. The key of a cache entry contains everything that decides its numbers: the
    image's bytes and box, every parameter of the network, its preprocessing, the engine that was asked for, the kind of
    device, and the source or the method.

    Samples are computed several `at_once`, or, where computations take turns, one after the other in this thread. On
    any device but the CPU, `batch` of them go through the network together, while others are decoded and encoded.
    """

    def __init__(
        self, dataset: Dataset, backbone: Backbone, sources: Sequence[Source], cache: ArrayCache,
        methods: Sequence[Method] = (), *, at_once: bool = True, batch: int | None = None,
    ) -> None:  # fmt: skip
        self.dataset = dataset
        self.backbone = backbone
        self.sources = tuple(sources)
        self.methods = tuple(methods)
        self.cache = cache
        self._at_once = at_once
        self._batch = batch or (1 if backbone.device.type == "cpu" else BATCH)
        beside = {other.spec.name: _computed_by(other) for other in backbone.others}
        self._networks = {"": _computed_by(backbone)} | beside
        self._encoders = {method: method.encoder() for method in methods}
        self._described = {method: _described(encoder) for method, encoder in self._encoders.items()}
        self._file_keys: dict[str, str] = {}  # by the sample's name
        self._settled: set[Pass] = set()
        self._settling = threading.Lock()

    @classmethod
    def of_methods(
        cls, dataset: Dataset, backbone: Backbone, methods: Sequence[Method], cache: ArrayCache,
        sources: Sequence[Source] = (),
    ) -> "Features":  # fmt: skip
        """What these methods need, each in its shortest form, and further sources."""
        vectors = [method for method in methods if _is_shorter(method, backbone)]
        maps = {source for method in methods if method not in vectors for source in method.sources_to_fit}
        return cls(dataset, backbone, sorted({*maps, *sources}), cache, vectors)

    def restricted_to(self, dataset: Dataset) -> "Features":
        """The features of a data set whose samples are among these; no file is read again for its key."""
        features = copy(self)
        features.dataset = dataset
        return features

    # --- computing all that is missing

    def compute(
        self, progress: Callable[[int], None] = lambda done: None, *, skip_errors: bool = True
    ) -> dict[int, str]:
        """Compute what is missing of all samples. Returns the reasons why samples cannot be read, by index.

        Raises ImageError for the first of them without `skip_errors`. Where it ends early, what is done is kept.
        """
        failed: dict[int, str] = {}
        for index, problem in enumerate(self._problems()):
            if problem is not None:
                if not skip_errors:
                    raise problem
                failed[index] = str(problem)
            progress(index + 1)
        return failed

    def _problems(self) -> Iterator[ImageError | None]:
        """Why a sample cannot be read, or None, once all that was missing of it is kept; in their order."""
        indices = range(len(self.dataset))
        if not self._at_once:
            return (self._whole(self._needed(index)) for index in indices)
        read = in_order(self._needed, indices, READERS)
        if self._batch == 1:
            return in_order(self._whole, read)
        return in_order(self._keep, self._in_batches(in_order(self._prepare, read)))

    def _whole(self, needed: Needed) -> ImageError | None:
        """Compute and keep what is missing of a sample."""
        (computed,) = self._computed([self._prepare(needed)])
        return self._keep(computed)

    def _in_batches(self, prepared: Iterator[Prepared]) -> Iterator[tuple[Prepared, Outputs]]:
        while batch := list(islice(prepared, self._batch)):
            yield from self._computed(batch)

    def _needed(self, index: int) -> Needed:
        """A sample's bytes where something of it is missing: its keys are those of these very bytes."""
        try:
            data = None if self._has_key(index) else self._read(index)
            if not self._lacks(index):
                return index, None
            return index, self._read(index) if data is None else data
        except ImageError as error:
            return index, error

    def _prepare(self, needed: Needed) -> Prepared:
        index, data = needed
        if not isinstance(data, bytes):
            return data
        try:
            return self._work(index, data, self._lacks(index))
        except ImageError as error:
            return error

    def _work(self, index: int, data: bytes, wanted: Sequence[Source | Method]) -> Work:
        """What is to be computed of a sample, whose bytes were read last. Raises ImageError."""
        sources = {source for each in wanted for source in ((each,) if isinstance(each, Source) else each.sources)}
        keys, passes = {each: self._key(index, each) for each in wanted}, tuple(self._whole_passes(sources))
        return Work(keys, passes, views_of(self.backbone, self.dataset.samples[index].decode(data), passes))

    def _computed(self, batch: Sequence[Prepared]) -> list[tuple[Prepared, Outputs]]:
        """What the network yields for samples, all whose passes are the same together; nothing for the others."""
        outputs: dict[int, Outputs] = {}
        works = {place: each for place, each in enumerate(batch) if isinstance(each, Work)}
        for passes in dict.fromkeys(each.passes for each in works.values()):
            self._settle(passes)
            places = [place for place, each in works.items() if each.passes == passes]
            views = [works[place].views for place in places]
            outputs |= zip(places, outputs_of_views(self.backbone, passes, views), strict=True)
        return [(each, outputs.get(place, {})) for place, each in enumerate(batch)]

    def _keep(self, computed: tuple[Prepared, Outputs]) -> ImageError | None:
        """Cache what was wanted of a sample. Returns why it cannot be read, if so."""
        work, outputs = computed
        if not isinstance(work, Work):
            return work
        for each, key in work.keys.items():
            if isinstance(each, Source):
                self.cache.put(key, outputs[each].cpu().numpy())
            else:
                self.cache.put(key, self._encoders[each].transform([outputs])[0])
        return None

    def _lacks(self, index: int) -> list[Source | Method]:
        """What the cache does not hold of a sample."""
        every: list[Source | Method] = [*self.sources, *self.methods]
        return [each for each in every if self._key(index, each) not in self.cache]

    def _whole_passes(self, sources: set[Source]) -> list[Pass]:
        """The passes that yield these sources, with all that others ask of them: so few parts of a network are run."""
        every = {*self.sources, *sources, *(source for method in self.methods for source in method.sources)}
        return [each for each in passes_of(every) if sources & set(each)]

    def in_whole_passes(self, sources: Sequence[Source]) -> list[Source]:
        """The sources, with all that is computed together with them."""
        return [source for each in self._whole_passes(set(sources)) for source in each]

    def _settle(self, passes: Sequence[Pass]) -> None:
        """Choose the engines of all passes at once, as converting a network takes seconds of one core."""
        with self._settling:
            new = [each for each in passes if each not in self._settled]
            choose = partial(settle, self.backbone, len(self.dataset))
            for _ in in_order(choose, new) if self._at_once else map(choose, new):
                pass
            self._settled.update(new)

    # --- of some samples

    def record(self, index: int, sources: Sequence[Source]) -> Record:
        """The arrays of one sample."""
        cached = {source: self.cache.get(self._key(index, source)) for source in sources}
        missing = [source for source, array in cached.items() if array is None]
        outputs: Outputs = {}
        if missing:
            ((work, outputs),) = self._computed([self._work(index, self._read(index), missing)])
            self._keep((work, outputs))
        return {source: outputs[source].cpu().numpy() if array is None else array for source, array in cached.items()}

    def records_of(
        self, indices: NDArray[np.intp], sources: Sequence[Source], step: Callable[[], None] = lambda: None
    ) -> "Records":
        """The records of some samples; each is read when it is used, and `step` is called before."""
        return Records(self, indices, sources, step)

    def lessons(
        self, method: Method, indices: NDArray[np.intp], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Lessons:
        """What a method may learn from besides the records of some samples."""
        preprocessing = self.backbone.spec.preprocessing
        samples = [self.dataset.samples[index] for index in indices] if method.needs_parts else []
        parts = [sample.part_boxes(preprocessing, method.framing) for sample in samples]
        targets = self.dataset.targets[indices]
        keys = [self._key(index, source) for index in indices for source in method.sources_to_fit]
        key = hashlib.sha256(json_text([keys, targets.tolist()]).encode()).hexdigest()
        return Lessons(targets, parts, self.backbone.model, self.cache, key, progress)

    def true_boxes(self, method: Method, sample: Sample) -> dict[str, Any]:
        """What a method that reads them finds of the parts' true boxes in a record; nothing for all others."""
        if not method.reads_parts:
            return {}
        return {TRUE_BOXES: sample.part_boxes(self.backbone.spec.preprocessing, method.framing)}

    def vectors(self, method: Method, encoder: Encoder) -> Iterator[Array]:
        """The vectors of all samples in order; `encoder` is the method's, fitted."""
        indices, vector = range(len(self.dataset)), partial(self._vector, method, encoder)
        return in_order(vector, indices) if self._at_once else map(vector, indices)

    def _vector(self, method: Method, encoder: Encoder, index: int) -> Array:
        if method in self.methods:
            kept = self.cache.get(self._key(index, method))
            if kept is not None:
                return kept
        record = {**self.record(index, method.sources), **self.true_boxes(method, self.dataset.samples[index])}
        vector: Array = encoder.transform([record])[0]
        return vector

    # --- keys

    def file_key(self, index: int) -> str:
        """The content key of a sample's image file, whatever its box: equal for equal files."""
        sample = self.dataset.samples[index]
        if sample.identity is not None:
            return hashlib.sha256(sample.identity.encode()).hexdigest()
        if not self._has_key(index):
            self._read(index)
        return self._file_keys[sample.name]

    def image_key(self, index: int) -> str:
        """The content key of a sample, its box included: equal for equal images."""
        return f"{self.file_key(index)} {self.dataset.samples[index].box}"

    def _has_key(self, index: int) -> bool:
        """Whether a sample's content key is known without reading its file."""
        sample = self.dataset.samples[index]
        return sample.identity is not None or sample.name in self._file_keys

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
        about = _described_source(each) if isinstance(each, Source) else self._described[each]
        names = [each.network] if isinstance(each, Source) else dict.fromkeys(s.network for s in each.sources)
        networks = [item for name in names for item in self._networks[name]]
        if isinstance(each, Source) and each.node in IMAGE_MAPS:  # whatever the network
            networks = [asdict(self.backbone.of(each.network).spec.preprocessing)]
        described = json_text([RECORD_FORMAT, *networks, self.image_key(index), about])
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


def _computed_by(backbone: Backbone) -> list[Any]:
    """Everything about a network that decides its outputs."""
    preprocessing = asdict(backbone.spec.preprocessing)
    return [backbone.fingerprint, preprocessing, backbone.engine, backbone.device.type]


def _is_shorter(method: Method, backbone: Backbone) -> bool:
    """Whether a method's vector serves all training sets, and takes fewer bytes than the maps that it is made of."""
    numbers = sum(count_numbers(source, backbone) for source in method.sources)
    per_byte = VALUES_PER_BYTE if method.quantizer is not None else 1 / BYTES_PER_NUMBER
    is_of_pixels = not (method.learns or method.reads_parts or method.is_seeded)
    return is_of_pixels and method.length / per_byte < BYTES_PER_NUMBER * numbers


def _described_source(source: Source) -> dict[str, Any]:
    """A source without its network's name: what computes it has a fingerprint, whatever stands beside it."""
    return {name: value for name, value in asdict(source).items() if name != "network"}


def _described(encoder: Encoder) -> dict[str, str]:
    """Everything that decides what an encoder that learns nothing makes of a record."""
    settings = {name: value for name, value in encoder.get_params().items() if not isinstance(value, list)}
    return {
        name: type(value).__qualname__ if isinstance(value, BaseEstimator) else repr(value)
        for name, value in settings.items()
    }
