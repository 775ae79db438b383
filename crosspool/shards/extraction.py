"""One shard after the other, from the files of its images to its own file; and what has to be learned before any.

Every worker computes with one thread, and an image by itself on a CPU, so that a store's bytes depend neither on how
many workers there are nor on which of them computes what.
"""

import hashlib
import tempfile
import time
from collections.abc import Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from threadpoolctl import threadpool_limits

from crosspool.backbones import Architecture, Backbone, load_backbone
from crosspool.cache import Array, ArrayCache
from crosspool.classifiers import learned_arrays, restore_learned
from crosspool.datasets import Sample
from crosspool.encoding import VALUES_PER_BYTE, Encoder, Record
from crosspool.errors import ImageError, ModelError, SettingError
from crosspool.flow import use_threads
from crosspool.methods import parse_method
from crosspool.shards.codes import Codes, Sketch, as_codes, as_numbers
from crosspool.shards.describing import Describer
from crosspool.shards.listing import Listing
from crosspool.shards.nearest import Query
from crosspool.shards.place import Place
from crosspool.shards.plan import LEARNED, Plan
from crosspool.shards.rows import Row, Shape, ShardWriter, origin_of, read_columns

DIRECTIONS, THRESHOLDS = "code directions", "code thresholds"
COUNT_SECONDS = 0.5  # between two counts of images that are done


@dataclass(frozen=True)
class Task:
    """A shard to compute: its number, and its images with their labels and parts of a split."""

    number: int
    samples: tuple[Sample, ...]
    labels: tuple[str | None, ...]
    splits: tuple[str | None, ...]


def task_of(plan: Plan, listing: Listing, number: int) -> Task:
    """The task of a shard."""
    places = plan.places(number)
    part = slice(places.start, places.stop)
    return Task(number, listing.samples[part], listing.labels[part], listing.splits[part])


def sample_of(plan: Plan, listing: Listing) -> tuple[Sample, ...]:
    """The images that are learned from, drawn by the plan's seed."""
    drawn = np.random.default_rng(plan.seed).permutation(plan.images)[: plan.sample]
    return tuple(listing.samples[place] for place in sorted(drawn))


@dataclass(frozen=True)
class Job:
    """All that a worker needs to begin, wherever it is: the plan, where the store is, and the network's weights."""

    plan: Plan
    place: Place
    weights: str | None

    def extractor(self) -> "Extractor":
        """The plan's network, method, and what is learned of it already, with this thread's passes on one core.

        Raises CrosspoolError where the network is not that of the plan, or cannot be loaded.
        """
        use_threads(1)
        plan, load_one = self.plan, partial(load_backbone, device=self.plan.device, engine=self.plan.engine)
        others = [load_one(name) for name in plan.others]
        backbone = load_one(plan.backbone, self.weights)
        expected = {plan.backbone: plan.fingerprint} | plan.others
        for each in (backbone, *others):
            if each.fingerprint != expected[each.spec.name]:
                raise SettingError(
                    f"The weights of {each.spec.name} are not those of the plan; give the same --weights."
                )
        return Extractor(plan, self.place, backbone.beside(others))


class Extractor:
    """A network and a method, which turn tasks into files of a store."""

    def __init__(self, plan: Plan, place: Place, backbone: Backbone) -> None:
        self.plan, self.place, self.backbone = plan, place, backbone
        self.method = parse_method(plan.method, backbone.architecture, plan.framing)
        self.encoder = self.method.encoder(plan.seed)
        self._describer = Describer(backbone, self.method, plan.thumbnail)
        self._learned: Learned | None = None

    def work(self, work: Task | Sequence[Sample]) -> Iterator[int]:
        """Compute a shard, or learn from some images. Yields now and then how many more images are done.

        NumPy is limited to one thread here; torch and ONNX Runtime were when the network was loaded.
        """
        with threadpool_limits(1):
            yield from counted(self.extract(work) if isinstance(work, Task) else self.learn(work))

    # --- what is learned

    def learn(self, samples: Sequence[Sample]) -> Iterator[None]:
        """Fit the encoder and the sketch on some images, and put what they have learned into the store.

        Where another process was faster, what that has learned counts: it may have read other images.

        Yields after each image. Raises SettingError where none of the images can be read, or they are too few, and
        where there are shards already that were computed with something else.
        """
        with tempfile.TemporaryDirectory(prefix="crosspool-") as folder:
            records, problems = _KeptRecords(ArrayCache(Path(folder))), list[str]()
            for looked in self._describer.look(samples):
                if looked.record is None:
                    problems.append(looked.problem)
                else:
                    records.append(looked.record)
                yield
            if not records:
                raise SettingError(f"None of the images that are learned from can be read; the first: {problems[0]}")
            self.encoder.fit(records)
            vectors = (self._describer.describe(self.encoder, record).vector for record in records)
            sketch = Sketch.learned(map(self._numbers, vectors), self.method.length, self.plan.bits, self.plan.seed)
        of_codes = {DIRECTIONS: sketch.directions, THRESHOLDS: sketch.thresholds}
        arrays = {**of_codes, **learned_arrays(self.encoder)}
        data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        self._expect_same(hashlib.sha256(data).hexdigest(), problems)
        with suppress(FileExistsError):
            self.place.write_once(LEARNED, data)

    def _expect_same(self, learned: str, problems: Sequence[str]) -> None:
        """Raise SettingError where a shard was computed with something else than this, by its SHA-256."""
        there = self.place.names()
        for number in range(self.plan.shards):
            name = self.plan.shard_name(number)
            if name not in there:
                continue
            if origin_of(read_columns(self.place.source(name), [], [])) == self.plan.origin(number, learned):
                return
            reason = f" ({problems[0].rstrip('.')})" if problems else ""
            raise SettingError(
                f"{self.place.address} has shards, but lacks {LEARNED}, and what was learned this time differs from "
                f"what {name} was computed with{reason}. Run the command again when all images can be read, or delete "
                "the shards."
            )

    def recall(self) -> bool:
        """Take over what was learned; False where nothing was yet. Raises ModelError where it is damaged."""
        self._learned = recalled(self.plan, self.place, self.encoder, self.backbone.architecture)
        return self._learned is not None

    # --- one image

    def query(self, sample: Sample) -> tuple[Query, Record]:
        """What the store would keep of an image, and the maps, on the CPU, that its vector is computed from.

        Raises ImageError where it cannot be read, and SettingError where the store lacks what was learned.
        """
        self._expect_learned()
        (looked,) = self._describer.look([sample])
        if looked.record is None or looked.checksum is None:
            raise ImageError(looked.problem)
        vector = self._describer.describe(self.encoder, looked.record).vector
        record = {source: torch.as_tensor(values).cpu() for source, values in looked.record.items()}
        return Query(vector, self.above(vector), looked.checksum), record

    def above(self, vector: Array) -> NDArray[np.float32]:
        """How far a vector in its kind lies above each plane of the short codes, (bits,)."""
        assert self._learned is not None
        above: NDArray[np.float32] = self._learned.sketch.above(self._numbers(vector)[None])[0]
        return above

    def code(self, vector: Array) -> Codes:
        """The short code of a vector in its kind, (w,)."""
        code: Codes = as_codes(self.above(vector)[None])[0]
        return code

    def _expect_learned(self) -> "Learned":
        if self._learned is None and not self.recall():
            raise SettingError(f"{self.place.address} lacks {LEARNED}; run the same crosspool extract again.")
        assert self._learned is not None
        return self._learned

    # --- shards

    def extract(self, task: Task) -> Generator[None]:
        """Compute a shard, and put its file into the store in the end.

        Yields after each image. Raises SettingError where the store cannot be written, or lacks what was learned.
        """
        origin = self.plan.origin(task.number, self._expect_learned().checksum)
        name = self.plan.shard_name(task.number)
        with self.place.new_file(name) as path, ShardWriter(path, self._shape, origin) as writer:
            for row in self._rows(task):
                writer.append(row)
                yield

    @property
    def _shape(self) -> Shape:
        length = self.method.length
        vector = 4 * length if self.method.quantizer is None else -(-length // VALUES_PER_BYTE)
        return Shape(vector, self.plan.bits // 8, self._describer.channels)

    def _rows(self, task: Task) -> Iterator[Row]:
        looked = self._describer.look(task.samples)
        for sample, label, split, each in zip(task.samples, task.labels, task.splits, looked, strict=True):
            if each.record is None:
                yield Row(sample.name, label, split, each.problem, each.checksum)
                continue
            described = self._describer.describe(self.encoder, each.record)
            yield Row(
                sample.name, label, split, sha256=each.checksum, vector=described.vector,
                code=self.code(described.vector), peak=described.peak, energy=described.energy, cell=described.cell,
                thumbnail=each.thumbnail,
            )  # fmt: skip

    def _numbers(self, vector: Array) -> NDArray[np.float32]:
        numbers: NDArray[np.float32] = as_numbers(vector[None], self.method.length)[0]
        return numbers


@dataclass(frozen=True)
class Learned:
    """What was learned for the short codes of a store, and the SHA-256 of the file with all that was learned."""

    sketch: Sketch
    checksum: str


def recalled(plan: Plan, place: Place, encoder: Encoder, network: Architecture) -> Learned | None:
    """Let an encoder know what was learned for a store, and return what was learned for its codes.

    None where nothing was learned yet. Raises ModelError where it is damaged.
    """
    try:
        data = place.read(LEARNED)
        arrays = load(data)
        restore_learned(encoder, arrays, network)
        sketch = Sketch(arrays[DIRECTIONS], arrays[THRESHOLDS], plan.seed)
    except FileNotFoundError:
        return None
    except (SafetensorError, ModelError, KeyError, ValueError) as error:
        problem = f"{place.address}/{LEARNED} is damaged ({error})"
        raise ModelError(f"{problem}; delete it, and run the command again.") from error
    return Learned(sketch, hashlib.sha256(data).hexdigest())


def counted(steps: Iterable[None]) -> Iterator[int]:
    """How many steps there were since the last time, about every `COUNT_SECONDS`, and in the end."""
    count, last = 0, time.monotonic()
    for _ in steps:
        count += 1
        if time.monotonic() - last >= COUNT_SECONDS:
            yield count
            count, last = 0, time.monotonic()
    yield count


class _KeptRecords(Sequence[Record]):
    """Records on disk, each read when it is used."""

    def __init__(self, cache: ArrayCache) -> None:
        self._cache = cache
        self._keys: list[list[Hashable]] = []

    def append(self, record: Record) -> None:
        number = len(self._keys)
        for place, array in enumerate(record.values()):
            self._cache.put(f"{number:08}-{place}", torch.as_tensor(array).cpu().numpy())
        self._keys.append(list(record))

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if place >= len(self):
            raise IndexError(place)
        arrays = [self._cache.get(f"{place:08}-{number}") for number in range(len(self._keys[place]))]
        return {key: array for key, array in zip(self._keys[place], arrays, strict=True) if array is not None}
