"""A comparison of methods in the background: a thread that computes, what it has found so far, and the whole of it."""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from crosspool.backbones import UNTRAINED
from crosspool.cache import ArrayCache, CacheError
from crosspool.classifiers import TrainedClassifier, train
from crosspool.crops import Source
from crosspool.datasets import Dataset
from crosspool.errors import CrosspoolError, ModelError, SettingError
from crosspool.evaluation.command import evaluate_command, spelled_out, usual_baselines
from crosspool.evaluation.findings import Findings
from crosspool.evaluation.protocol import Protocol, SplitOptions
from crosspool.evaluation.report import MethodResult, Report
from crosspool.evaluation.run import TIMED_IMAGES, report_of, result_of
from crosspool.features import Features
from crosspool.methods import Method
from crosspool.text import human_bytes
from crosspool.ui.runtime.gate import FairSemaphore, OnProgress, Ticket, ignore_progress
from crosspool.ui.runtime.log import event
from crosspool.ui.runtime.maps import Network, gate
from crosspool.ui.runtime.settings import settings
from crosspool.ui.visit.labelled import LabelledSet

MAX_VECTORS_BYTES = 4 * 2**30  # of one method; they lie on disk while their kernel is computed
AGAIN = 2  # classifiers kept that were trained without a picture: one, and what it is compared with
ENCODING = 0.2  # what it takes to encode and compare an image, in passes of the network at its own size
BYTES = 4  # of a number
VIEWS = {"whole": 1, "tiles": 1, "jitter": 10, "augmented": 16}

logger = logging.getLogger(__name__)

trainings = FairSemaphore(settings().trainings)


@dataclass(frozen=True)
class Plan:
    """What is to be compared, and how. `train_size` counts different images."""

    labelled: LabelledSet
    network: Network
    methods: tuple[Method, ...]
    splits: int
    train_size: int
    seed: int = 0

    def protocol(self) -> Protocol:
        """The splits; equal images lie on one side of each. Raises SettingError for a size that cannot be had."""
        options = SplitOptions(self.splits, self.train_size, self.seed, official=False)
        return options.protocol(self.labelled.dataset, self.labelled.pictures)

    def check_room(self) -> None:
        """Raise SettingError where the server has no room for such long vectors."""
        dataset = self.labelled.dataset
        for method in self.methods:
            vectors = len(dataset) * method.length * BYTES
            if vectors > MAX_VECTORS_BYTES:
                raise SettingError(
                    f"The vectors of {method.name} for {len(dataset):,} images take {human_bytes(vectors)}; take fewer "
                    "images, or a shorter method (/pca64, or another pair)."
                )

    @property
    def classifiers_bytes(self) -> int:
        """What the classifiers of all methods take, and those that are trained again without a picture."""
        sizes = [len(self.labelled.dataset.classes) * method.length * BYTES for method in self.methods]
        return sum(sizes) + AGAIN * max(sizes)

    @property
    def command(self) -> tuple[str, ...]:
        """The command that gives the same again; of one's own pictures, with FOLDER for where they are."""
        names = [method.name for method in self.methods]
        options = spelled_out(
            seed=self.seed,
            backbone=self.network.name,
            framing=self.methods[0].framing,
            weights=UNTRAINED if self.network.weights == UNTRAINED else None,
        )
        spec = self.labelled.spec or "FOLDER"
        return (*evaluate_command(spec, names, self.splits, self.train_size, usual_baselines(names)), *options)


class MemoryReservation:
    """Memory for the classifiers of a comparison: taken before it begins, and free again when nobody holds this."""

    _lock = threading.RLock()  # what gives it back may run wherever garbage is collected, here too
    _taken = 0

    def __init__(self, nbytes: int) -> None:
        """Take it. Raises SettingError where all visitors' classifiers leave too little."""
        limit = settings().trained_megabytes * 2**20
        with self._lock:
            if MemoryReservation._taken + nbytes > limit:
                when = "" if nbytes > limit else "try again when others have left, or "
                raise SettingError(
                    f"The classifiers of these methods take {human_bytes(nbytes)}, for which this server has no room "
                    f"now; {when}take fewer methods, or shorter ones (/pca64, or another pair)."
                )
            MemoryReservation._taken += nbytes
        self.nbytes = nbytes
        weakref.finalize(self, self._give_back, nbytes)

    @classmethod
    def _give_back(cls, nbytes: int) -> None:
        with cls._lock:
            MemoryReservation._taken -= nbytes

    @classmethod
    def taken(cls) -> int:
        """What all visitors' classifiers take, those included that are being trained."""
        return cls._taken


@dataclass(frozen=True)
class Comparison:
    """What a finished comparison found, and a classifier of each method, trained on all labelled images."""

    labelled: LabelledSet
    network: Network
    findings: Findings
    classifiers: dict[str, TrainedClassifier]
    room: MemoryReservation
    _again: "LRUCache[tuple[str, str], TrainedClassifier]" = field(
        default_factory=lambda: LRUCache(AGAIN), repr=False
    )  # trained without a picture
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def dataset(self) -> Dataset:
        return self.labelled.dataset

    @property
    def report(self) -> Report:
        return self.findings.report

    def without(
        self, method_name: str, picture_key: str, on_progress: OnProgress = ignore_progress
    ) -> TrainedClassifier:
        """The method trained on all samples but those whose image file has this SHA-256, so that copies count, too.

        Or had it, before it was shrunk. The ordinary classifier where there are none of them. `on_progress` is the
        gate's. Raises ModelError where the server has no room for it.
        """
        ordinary = self.classifiers[method_name]
        others = [i for i, s in enumerate(self.dataset.samples) if picture_key not in self.labelled.keys_of(s)]
        if len(others) == len(self.dataset):
            return ordinary
        with self._lock:
            found = self._again.get((method_name, picture_key))
        if found is None:
            smaller = self.dataset.subset(np.array(others))
            try:
                with gate.turn(on_progress) as turn:
                    features = Features(smaller, self.network.backbone, ordinary.method.sources, self.labelled.cache)
                    found = _trained(features, ordinary.method, self.report.seed, lambda done: turn.yield_turn())
            except OSError as error:
                raise ModelError(_no_room(error)) from error
            except CacheError as error:
                raise ModelError(_no_room(error.__cause__)) from error
            with self._lock:
                self._again[method_name, picture_key] = found
        return found


def _trained(features: Features, method: Method, seed: int, progress: Callable[[int], None]) -> TrainedClassifier:
    folder = features.cache.folder
    return train(features.dataset, features, method, seed=seed, scratch=folder, progress=progress)


# --- the job


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` images in this stage; the `share` of all work; seconds that may be left."""

    stage: str
    done: int
    total: int
    share: float
    seconds_left: float | None


class _StoppedError(Exception):
    """Ends a job that was cancelled."""


class Job:
    """A comparison under way. When nobody holds this object any more, its thread ends at the next step."""

    def __init__(self, plan: Plan) -> None:
        """Begin. Raises SettingError where there is no room for it."""
        plan.check_room()
        room = MemoryReservation(plan.classifiers_bytes)  # held by the thread, and by what it finds
        self._work = _Work(plan)
        weakref.finalize(self, self._work.stop.set)
        threading.Thread(target=_run, args=(self._work, room), name="comparison", daemon=True).start()

    @property
    def plan(self) -> Plan:
        return self._work.plan

    @property
    def progress(self) -> Progress:
        return self._work.progress()

    @property
    def results(self) -> dict[str, MethodResult]:
        """Those methods that are tested, by name, in the order in which they were named."""
        found = dict(self._work.results)
        return {method.name: found[method.name] for method in self.plan.methods if method.name in found}

    @property
    def findings(self) -> Findings | None:
        """What the tests found together, once all methods are tested; their classifiers may still be missing."""
        return self._work.findings

    @property
    def comparison(self) -> Comparison | None:
        """All of it, once it is there."""
        return self._work.comparison

    @property
    def error(self) -> str:
        """Why it failed, in one sentence, or ""."""
        return self._work.error

    @property
    def cancelled(self) -> bool:
        return self._work.stop.is_set()

    @property
    def running(self) -> bool:
        return not (self.cancelled or self._work.ended.is_set())

    def cancel(self) -> None:
        self._work.stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the thread has ended; whether it has."""
        return self._work.ended.wait(seconds)


class _Work:
    """What the thread knows. It holds no session, and no `Job`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.stop = threading.Event()
        self.ended = threading.Event()
        self.results: dict[str, MethodResult] = {}
        self.findings: Findings | None = None
        self.comparison: Comparison | None = None
        self.error = ""
        self._all = _cost(plan)
        self._before = 0.0  # the cost of all earlier stages
        self._stage, self._cost, self._done, self._total = "Waiting for a turn", 0.0, 0, 1
        self._start = time.monotonic()
        self._turn: Ticket | None = None

    def begin(self, stage: str, cost: float, total: int) -> None:
        """The next stage of so many images, and what it costs."""
        self._before += self._cost
        self._stage, self._cost, self._done, self._total = stage, cost, 0, total
        self.step()

    def advance(self, done: int) -> None:
        self._done = done
        self.step()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until few enough are training, and for a first turn at the gate."""
        with trainings.turn(self._wait_for_training):
            self._start = time.monotonic()
            self._stage = "Waiting for a turn"
            with gate.turn(self._check) as self._turn:
                yield

    def step(self) -> None:
        """Between any two steps: others may compute first.

        Raises _StoppedError where the job was cancelled, and SettingError where it takes too long.
        """
        self._check()
        assert self._turn is not None
        self._turn.yield_turn()
        minutes = settings().training_minutes
        if time.monotonic() - self._start > 60 * minutes:
            raise SettingError(
                f"The training was ended after {minutes:g} minutes, which is the most that this server gives one; take "
                "fewer images, splits or methods, or go on with crosspool evaluate on a machine of your own."
            )

    @property
    def ms(self) -> float:
        """How long it has taken, without the wait for its turn."""
        return 1000 * (time.monotonic() - self._start)

    def _check(self, place: int = 0) -> None:
        if self.stop.is_set():
            raise _StoppedError

    def _wait_for_training(self, place: int) -> None:
        self._stage = f"Place {place} in the queue of trainings"
        self._check()

    def progress(self) -> Progress:
        stage, cost, done, total = self._stage, self._cost, self._done, self._total
        share = min((self._before + cost * done / total) / self._all, 1.0)
        spent = time.monotonic() - self._start
        left = spent * (1 - share) / share if share > 0.03 else None
        return Progress(stage, done, total, share, left)


class _Watched(ArrayCache):
    """A cache whose every reading is a step, so that whatever reads records can be stopped."""

    def __init__(self, cache: ArrayCache, step: Callable[[], None]) -> None:
        super().__init__(cache.folder, cache.limit)
        self._step = step

    def get(self, key: str) -> NDArray[np.float32] | None:
        self._step()
        return super().get(key)


def _run(work: _Work, room: MemoryReservation) -> None:
    try:
        with work.turn():
            work.comparison = _compared(work, room)
    except _StoppedError:
        pass
    except CacheError as error:  # whose sentence names the server's folder
        work.error = _no_room(error.__cause__)
    except CrosspoolError as error:
        work.error = str(error)
    except OSError as error:
        work.error = _no_room(error)
    except MemoryError:
        work.error = "There is not enough memory for this; take fewer images, or methods of fewer dimensions."
    except Exception as error:
        logger.exception("A comparison failed")
        work.error = f"The comparison failed ({type(error).__name__}: {error}); this is a fault of crosspool's."
    finally:
        event("training_ended", network=work.plan.network.name, images=len(work.plan.labelled.dataset), ms=work.ms)
        work.ended.set()


def _no_room(error: BaseException | None) -> str:
    why = getattr(error, "strerror", None) or error
    return f"The server could not keep what was computed ({why}); tell whoever runs it to make room, or try again."


def _compared(work: _Work, room: MemoryReservation) -> Comparison:
    plan = work.plan
    dataset, cache = plan.labelled.dataset, _Watched(plan.labelled.cache, work.step)
    backbone = plan.network.backbone
    everything = Features(dataset, backbone, _sources(plan.methods), cache)
    protocol = plan.protocol()
    for method, passes in _in_order(plan.methods):
        for one, sources in passes.items():
            _compute(work, Features(dataset, backbone, sources, cache), one)
        work.begin(f"Testing {method.name} on {plan.splits} splits", _test_cost(plan, method), 1)
        work.results[method.name] = result_of(
            dataset, method, everything, protocol, scratch=cache.folder,
            progress=lambda stage, done, total: work.step(), step=work.step,
        )  # fmt: skip
    work.findings = findings = _findings(plan, work.results, protocol)
    classifiers = {}
    for method in plan.methods:
        work.begin(f"Training {method.name} on all images", ENCODING * len(dataset), len(dataset))
        classifiers[method.name] = _trained(everything, method, plan.seed, work.advance)
    return Comparison(plan.labelled, plan.network, findings, classifiers, room)


def _findings(plan: Plan, results: Mapping[str, MethodResult], protocol: Protocol) -> Findings:
    dataset, network = plan.labelled.dataset, plan.network
    names = [method.name for method in plan.methods]
    report = report_of(dataset, [results[name] for name in names], protocol, usual_baselines(names))
    framing = plan.methods[0].framing
    return Findings(
        report, network.name, network.title, network.weights, framing, protocol.C, plan.command, False, dataset
    )


def _compute(work: _Work, features: Features, one: "Pass") -> None:
    """What one pass of the network yields, for all images."""
    count = len(features.dataset)
    work.begin(f"Looking at {count:,} images, {one[0]} px", _pass_cost(work.plan, one) * count, count)
    for index in range(count):
        features.ensure(index)
        work.advance(index + 1)


# --- what goes together, and what it costs in passes of the network at its own size

Pass = tuple[int, str, str]  # size, views, framing: what goes through the network at once


def _pass(source: Source) -> Pass:
    return source.size, source.views, source.framing


def _sources(methods: Sequence[Method]) -> tuple[Source, ...]:
    return tuple(sorted({source for method in methods for source in method.sources}))


def _in_order(methods: Sequence[Method]) -> Iterator[tuple[Method, dict[Pass, tuple[Source, ...]]]]:
    """The quick methods first, each with the passes that it needs and no earlier one had, for all methods' sake."""
    known: set[Pass] = set()
    for method in sorted(methods, key=lambda method: sum(_pixels(one) for one in set(map(_pass, method.sources)))):
        new = sorted(set(map(_pass, method.sources)) - known)
        known.update(new)
        yield method, {one: tuple(s for s in _sources(methods) if _pass(s) == one) for one in new}


def _pixels(one: Pass) -> int:
    size, views, _ = one
    return size**2 * VIEWS[views]


def _pass_cost(plan: Plan, one: Pass) -> float:
    return _pixels(one) / plan.network.spec.preprocessing.size**2


def _test_cost(plan: Plan, method: Method) -> float:
    encodings = plan.splits if method.learns else 1
    timed = sum(_pass_cost(plan, one) for one in set(map(_pass, method.sources))) * TIMED_IMAGES
    return ENCODING * len(plan.labelled.dataset) * encodings + timed


def _cost(plan: Plan) -> float:
    count = len(plan.labelled.dataset)
    total = 0.0
    for method, passes in _in_order(plan.methods):
        total += count * sum(_pass_cost(plan, one) for one in passes) + _test_cost(plan, method)
    return total + ENCODING * count * len(plan.methods)
