"""Classifiers from a store: its labelled images as a data set, and linear machines of their vectors.

Up to a number of images that memory allows, machines are trained on the kernel of all vectors, as from a folder of
images, and give the same results; above it, block by block, which comes near.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import isqrt
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from crosspool.backbones import Architecture, spec_of
from crosspool.backbones.structure import architecture_of
from crosspool.block_svm import BlockLinearSVM, Blocks, Pass
from crosspool.classifiers import TrainedClassifier, unit_vectors
from crosspool.datasets import UNKNOWN, Dataset, Sample, Split
from crosspool.datasets.dataset import OnProblem
from crosspool.encoding import VALUES_PER_BYTE
from crosspool.errors import DatasetError, ImageError, ModelError, SettingError
from crosspool.evaluation.protocol import MAX_IMAGES, Protocol
from crosspool.evaluation.report import MethodResult, Outcome, summarised
from crosspool.evaluation.run import Progress, scores_of
from crosspool.memory_limits import usable_memory
from crosspool.methods import Method, parse_method
from crosspool.shards.extraction import recalled
from crosspool.shards.store import Store
from crosspool.svm import VectorFile
from crosspool.text import human_bytes, plural
from crosspool.training import Machine, exact_machine, expect_names, settings_of

SolverName = Literal["exact", "blocks"]

MEMORY_SHARE = 2  # a kernel and the part of it that is trained on take at most half of the memory
PIECE_BYTES = 8 * 2**20  # of vectors in their kind, read at once
POOL_BYTES = 256 * 2**20  # of those that are mixed, as the images of a class lie side by side
BLOCK_BYTES = 256 * 2**20  # of a block's vectors as numbers,
BLOCK_ROWS = 1024  # which are at most so many


@dataclass(frozen=True)
class Solver:
    """How machines are trained, and why so, in a sentence."""

    name: SolverName
    reason: str


def chosen_solver(asked: Literal["exact", "blocks", "auto"], images: int) -> Solver:
    """The solver for so many images: exact, where that is not chosen otherwise, if their kernel fits into memory.

    Raises SettingError for an exact one where it does not.
    """
    most = min(MAX_IMAGES, isqrt(usable_memory() // MEMORY_SHARE // 16))
    products, size = f"the inner products of all {plural(images, 'image')}", human_bytes(2 * 8 * images**2)
    if asked == "exact" and images > most:
        problem = f"T{products[1:]} take {size} of memory, and here {most:,} are the most"
        raise SettingError(f"{problem}; leave out --solver exact.")
    if asked == "blocks":
        return Solver("blocks", "Trained block by block, which was asked for.")
    if images > most:
        return Solver("blocks", f"Trained block by block, as {products} would take {size} of memory.")
    return Solver("exact", f"Trained exactly, on {products}.")


class StoredImages:
    """The labelled images of a store, or some of them, as a data set in its own order; vectors are read from the store.

    At first, images that could not be read are among them.
    """

    def __init__(self, store: Store, dataset: Dataset) -> None:
        self.store, self.dataset = store, dataset

    @classmethod
    def of(cls, store: Store) -> "StoredImages":
        """All labelled images of a store. Raises DatasetError where there are none, or of one class only."""
        plan, labels, splits = store.plan, store.labels, store.splits
        labelled = [int(row) for row in np.argsort(store.order, kind="stable") if labels[row] is not None]
        classes = tuple(plan.classes)
        if not labelled:
            advice = "extract images in folders of classes, or a table with a column called label"
            raise DatasetError(f"The images of {store.place.address} have no labels; {advice}.")
        if len(classes) < 2:
            problem = f"{store.place.address} has images of one class only ({classes[0]})"
            raise DatasetError(f"{problem}; extract those of at least two.")
        numbers = {name: number for number, name in enumerate(classes)}
        targets = np.array([numbers[str(labels[row])] for row in labelled])
        parts = [splits[row] for row in labelled]
        train, test = (np.array([place for place, part in enumerate(parts) if part == side]) for side in _SIDES)
        missing = plan.images - len(labelled)
        count = plural(missing, "image has no label and is", "images have no label and are")
        dataset = Dataset(
            plan.name, classes, tuple(_sample(store.paths[row]) for row in labelled), targets,
            official=Split(train, test) if len(train) and len(test) else None,
            problems=(*plan.problems, *((f"{count} left out.",) if missing else ())), layout=plan.layout,
        )  # fmt: skip
        return cls(store, dataset)

    def restricted_to(self, dataset: Dataset) -> "StoredImages":
        """Those of a data set whose samples are among these."""
        return StoredImages(self.store, dataset)

    def without_unread(self, on_problem: OnProblem) -> "StoredImages":
        """Those that could be read, with a problem for each of the others.

        Raises ImageError for the first of these with "stop", and DatasetError where none could be read.
        """
        is_read = self.store.is_read[self.rows]
        problems = [str(self.store.reasons[row]) for row in self.rows[~is_read]]
        if not problems:
            return self
        if on_problem == "stop":
            raise ImageError(f"{problems[0].rstrip('.')}; or leave it out with --on-problem skip.")
        if not is_read.any():
            raise DatasetError(f"None of the {len(problems)} images of {self.dataset.name} can be used: {problems[0]}")
        return self.restricted_to(self.dataset.subset(np.flatnonzero(is_read), problems=tuple(problems)))

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """The places of the images in the store, (n,)."""
        return np.array([self.store.row_of[sample.name] for sample in self.dataset.samples], np.intp)

    # --- what they are

    def file_key(self, index: int) -> str:
        """The SHA-256 of an image's file."""
        checksum = self.store.checksums[self.rows[index]]
        assert checksum is not None  # of every image that could be read
        return str(checksum.hex())

    def image_key(self, index: int) -> str:
        """The same: a store keeps no boxes."""
        return self.file_key(index)

    @cached_property
    def network(self) -> Architecture:
        """The architecture of the network that the vectors are from. Raises BackboneError."""
        return architecture_of(spec_of(self.store.plan.backbone), self.store.plan.outputs)

    @cached_property
    def method(self) -> Method:
        """The method that the vectors are of."""
        return parse_method(self.store.plan.method, self.network, self.store.plan.framing)

    @property
    def numbers(self) -> int:
        """How many numbers a vector has, with those that fill its last byte where it is packed."""
        return -(-self.method.length // VALUES_PER_BYTE) * VALUES_PER_BYTE if self.is_packed else self.method.length

    @property
    def row_bytes(self) -> int:
        """The bytes of a vector."""
        return self.numbers // VALUES_PER_BYTE if self.is_packed else 4 * self.numbers

    @property
    def is_packed(self) -> bool:
        """Whether vectors are packed in two bits a number."""
        return self.method.quantizer is not None

    @property
    def remarks(self) -> tuple[str, ...]:
        """A sentence on what the method itself had learned before, from test images, too; empty if nothing."""
        if not self.method.learns:
            return ()
        sample = plural(self.store.plan.sample, "image")
        return (
            f"{self.method.name} itself learned from {sample} of the whole store, test images among them, unlabelled.",
        )

    # --- their vectors

    def copy_into(self, file: VectorFile, progress: Callable[[int], None] = lambda done: None) -> None:
        """Write all vectors, in the order of the data set; `progress` is told how many are there."""
        done = 0
        for places, vectors in self._selected(np.arange(len(self.dataset)), None):
            file.put(places, vectors)
            done += len(places)
            progress(done)

    def blocks(self, indices: NDArray[np.intp], order: np.random.Generator | None = None) -> Blocks:
        """The vectors of some images as numbers, in blocks: their places in `indices`, and (b, d); mixed by `order`."""
        pool: list[tuple[NDArray[np.intp], NDArray[Any]]] = []
        for found in self._selected(indices, order):
            pool.append(found)
            if sum(vectors.nbytes for _, vectors in pool) >= POOL_BYTES:
                yield from self._cut(pool, order)
                pool.clear()
        if pool:
            yield from self._cut(pool, order)

    def _selected(
        self, indices: NDArray[np.intp], order: np.random.Generator | None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """The vectors of some images in their kind, a few at a time, with their places in `indices`; see `blocks`."""
        rows = self.rows[indices]
        wanted = np.full(len(self.store), UNKNOWN)
        wanted[rows] = np.arange(len(indices))
        size = max(1, PIECE_BYTES // self.row_bytes)
        pieces = [
            (shard, piece)
            for shard, found in self.store.by_shard(np.sort(rows))
            for piece in np.split(found, np.flatnonzero(np.diff(found // size)) + 1)
        ]
        for number in range(len(pieces)) if order is None else order.permutation(len(pieces)):
            shard, piece = pieces[number]
            start = self.store.plan.places(shard).start
            for first, table in self.store.groups(shard, ["vector"], piece):
                inside = piece[(first <= piece) & (piece < first + len(table))]
                yield wanted[start + inside], self.store.vectors_of(table)[0][inside - first]

    def _cut(
        self, pool: Sequence[tuple[NDArray[np.intp], NDArray[Any]]], order: np.random.Generator | None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        places, vectors = (np.concatenate(parts) for parts in zip(*pool, strict=True))
        rows = np.arange(len(places)) if order is None else order.permutation(len(places))
        count = min(BLOCK_ROWS, max(1, BLOCK_BYTES // (4 * self.numbers)))
        for start in range(0, len(rows), count):
            part = rows[start : start + count]
            yield places[part], unit_vectors(vectors[part])


_SIDES = ("train", "test")


def _sample(name: str) -> Sample:
    return Sample(name, partial(_no_image, name))


def _no_image(name: str) -> NoReturn:
    raise ImageError(f"{name} is known from a store, which keeps no images; open the images themselves.")


# --- training and testing


def evaluated(
    images: StoredImages, protocol: Protocol, solver: Solver, *, scratch: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> MethodResult:  # fmt: skip
    """Train and test on every split, as `crosspool.evaluation.run.result_of` does from images.

    Vectors, or dual coefficients, are in a file in `scratch` meanwhile. Raises SettingError where scores or weights
    take too much memory; OSError if `scratch` is full.
    """
    dataset, method = images.dataset, images.method
    if solver.name == "exact":
        with VectorFile(scratch) as file:
            images.copy_into(file, lambda done: progress(method.name, done, len(dataset)))
            kernel = file.unit_kernel()
        outcomes = [Outcome(split, scores_of(dataset, split, kernel, protocol.C)) for split in protocol.splits]
    else:
        scores = len(dataset.classes) * sum(len(split.test) for split in protocol.splits)
        _expect_room("scores of all test images", 8 * scores, "choose fewer --splits, or more images to train on")
        outcomes = []
        for number, split in enumerate(protocol.splits):
            stage = f"{method.name}, split {number + 1} of {len(protocol.splits)}, "
            outcomes.append(_tested_by_blocks(images, split, protocol, scratch, partial(_prefixed, progress, stage)))
    return summarised(dataset, method.name, outcomes, method.length, images.row_bytes, None, protocol.seed)


def _prefixed(progress: Progress, before: str, stage: str, done: int, total: int) -> None:
    progress(f"{before}{stage}", done, total)


def _tested_by_blocks(
    images: StoredImages, split: Split, protocol: Protocol, scratch: Path | None, progress: Progress
) -> Outcome:
    dataset = images.dataset
    trained = images.restricted_to(dataset.subset(split.train))
    machine = _machine_by_blocks(trained, protocol.C, protocol.seed, scratch, progress)
    scores = np.full((len(split.test), len(dataset.classes)), -np.inf)
    done = 0
    for places, vectors in images.blocks(split.test):
        scores[places[:, None], machine.classes] = vectors @ machine.weights.T + machine.intercept
        done += len(places)
        progress("testing", done, len(split.test))
    return Outcome(split, scores)


def _expect_room(what: str, size: int, advice: str) -> None:
    """Raise SettingError for what takes too much of the memory, in bytes."""
    if size > usable_memory() // MEMORY_SHARE:
        raise SettingError(f"The {what} take {human_bytes(size)} of memory; {advice}.")


def trained(
    images: StoredImages, solver: Solver, *, C: float = 10.0, scratch: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> TrainedClassifier:  # fmt: skip
    """A classifier trained on all of the images, as `crosspool.training.train_classifier` trains one.

    Raises DatasetError if a class has no examples or too long a name, or is the only one; SettingError where the
    weights take too much memory; ModelError where the store is damaged; OSError if `scratch` is full.
    """
    dataset, plan, method = images.dataset, images.store.plan, images.method
    expect_names(dataset)
    encoder = method.encoder(plan.seed)
    if recalled(plan, images.store.place, encoder, images.network) is None:
        problem = f"{images.store.place.address} lacks what its method learned"
        raise ModelError(f"{problem}; run the same crosspool extract again.")
    if solver.name == "exact":
        with VectorFile(scratch) as file:
            images.copy_into(file, lambda done: progress("Training", done, len(dataset)))
            machine = exact_machine(file, dataset, C)
    else:
        machine = _machine_by_blocks(images, C, plan.seed, scratch, progress)
    names = ("method", "backbone", "outputs", "weights", "fingerprint", "framing", "others")
    shared = {name: getattr(plan, name) for name in names}
    photographs = (images.file_key(index) for index in range(len(dataset)))
    settings = settings_of(shared, dataset, method, machine, photographs, C, plan.seed)
    return TrainedClassifier(method, encoder, settings.classes, machine.weights, machine.intercept, settings)


def _machine_by_blocks(images: StoredImages, C: float, seed: int, scratch: Path | None, progress: Progress) -> Machine:
    """Machines trained block by block; `progress` is told of every pass."""
    dataset, everything = images.dataset, np.arange(len(images.dataset))
    weights = 2 * 4 * len(dataset.classes) * images.numbers  # with what a block adds to them
    _expect_room(f"weights of all {len(dataset.classes):,} classes", weights, "extract shorter vectors, such as /pca64")
    gained = ""

    def blocks(number: int) -> Blocks:
        done = 0
        for places, vectors in images.blocks(everything, np.random.default_rng([seed, number])):
            yield places, vectors
            done += len(places)
            progress(f"pass {number + 1}{gained}", done, len(dataset))

    def note(done: Pass) -> None:
        nonlocal gained
        gained = f" (the last one: {done.gain:+.1%})"

    machine = BlockLinearSVM(C, dataset.classes, seed=seed, scratch=scratch)
    machine.fit(blocks, dataset.targets, images.numbers, note)
    return Machine(machine.classes_, machine.weights_, machine.intercept_)
