"""A comparison in the background: the thread that computes it, its progress, and its results so far."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from crosspool.classifiers import TrainedClassifier
from crosspool.errors import CrosspoolError, SettingError
from crosspool.evaluation.choice import INNER_SPLITS, needing_choice
from crosspool.evaluation.command import usual_baselines
from crosspool.evaluation.findings import AccuracyFindings
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.report import MethodResult
from crosspool.evaluation.run import report_of, result_of
from crosspool.features import Features
from crosspool.methods import Method
from crosspool.ui.comparison.plan import NetworkPass, Plan
from crosspool.ui.comparison.result import Comparison, server_disk, train_on
from crosspool.ui.runtime.background import BackgroundJob, Step
from crosspool.ui.runtime.gate import Ticket
from crosspool.ui.runtime.quota import Reservation
from crosspool.ui.runtime.server import Server

WAITING = "Waiting for its turn"
OTHERS_COMPUTE = "Waiting for a computation under way; one that was cancelled ends with its present step"
ADVICE = "take fewer images, or methods of fewer dimensions"
SLICE_SECONDS = 60.0  # after which a training lets others train that wait


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` images in this stage; the `share` of all work; seconds that may be left.

    Nothing is said of the seconds left while the plan has learning whose time cannot be foreseen.
    """

    stage: str
    done: int
    total: int
    share: float
    seconds_left: float | None


class Job(BackgroundJob):
    """A comparison under way; its results so far can be read at any time."""

    def __init__(self, plan: Plan, server: Server) -> None:
        """Begin. Raises SettingError where the server has no room for it, and FullError where too many wait."""
        plan.check_room()
        place = server.training_jobs.take(server.account())
        try:  # what is reserved is held by the thread and by the comparison
            reservation = plan.reserve_memory(server.classifier_memory, place.account)
        except CrosspoolError:
            place.give_back()
            raise
        self.work = ComparisonWork(plan, server)
        super().__init__(partial(_run, self.work, reservation), place, task="the comparison", advice=ADVICE)


class ComparisonWork:
    """The work of a job's thread. It holds no session, and no `Job`.

    `findings` are those of all tests, once all methods are tested; `comparison` comes when their classifiers are
    trained.
    """

    def __init__(self, plan: Plan, server: Server) -> None:
        self.plan, self.server = plan, server
        self.tested: dict[str, MethodResult] = {}
        self.findings: AccuracyFindings | None = None
        self.comparison: Comparison | None = None
        self._total_cost, self._is_foreseeable = plan.total_cost(), plan.is_foreseeable
        self._earlier_cost = 0.0
        self._stage, self._cost, self._done, self._total = WAITING, 0.0, 0, 1
        self._earlier_seconds, self._came_in = 0.0, math.nan  # in its places, and when it took the one that it has
        self._place_in_queue = 0
        self._check: Step = lambda: None
        self._place: Ticket | None = None  # among the trainings at a time
        self._turn: Ticket | None = None  # to compute

    def begin(self, stage: str, cost: float, total: int) -> None:
        """Go on to the next stage, of `total` images, and of this cost."""
        self._earlier_cost += self._cost
        self._stage, self._cost, self._done, self._total = stage, cost, 0, total
        self.step()

    def go_on(self, costs: Mapping[str, float], stage: str, done: int, total: int | None) -> None:
        """Go on to so many images of a stage, and to the stage itself if it is another one; `costs` has the slow ones.

        A stage of which it is not known how many images it has counts as one.
        """
        if stage != self._stage:
            self.begin(stage, costs.get(stage, 0.0), total or 1)
        self.advance(done, total)

    def advance(self, done: int, total: int | None = None) -> None:
        """Go on to so many images of this stage, which may only now be known to have `total`."""
        self._done, self._total = done, total or self._total
        self.step()

    @contextmanager
    def turn(self, check: Step) -> Iterator[None]:
        """Wait until few enough are training, and for a first turn to compute; `check` is the background job's."""
        self._check, server = check, self.server
        with (
            server.begun_trainings.turn(lambda place: self._wait(place and place + server.trainings.waiting)),
            server.trainings.turn(self._wait) as self._place,
        ):
            self._came_in, self._stage = time.monotonic(), OTHERS_COMPUTE
            try:
                with server.compute.turn(lambda place: check()) as self._turn:
                    yield
            finally:
                self._leave_place()

    def step(self) -> None:
        """Let others compute first, between any two steps, and after a while let others train.

        Raises StoppedError where the job was cancelled, and SettingError where it takes too long.
        """
        self._check()
        assert self._turn is not None
        if time.monotonic() - self._came_in > SLICE_SECONDS and self.server.trainings.waiting:
            self._let_others_train(self._turn)
        else:
            self._turn.yield_turn()
        minutes = self.server.settings.training_minutes
        if self.seconds > 60 * minutes:
            raise SettingError(
                f"The training was ended after {minutes:g} minutes, the most that this server allows; take fewer "
                "images, splits or methods, or go on with crosspool evaluate on your own machine."
            )

    def _let_others_train(self, turn: Ticket) -> None:
        """Give the place among the trainings up, and wait for another one, without a turn to compute meanwhile."""
        assert self._place is not None
        with turn.given_up():
            self._leave_place()
            self._place.yield_turn()
            self._came_in = time.monotonic()

    def _leave_place(self) -> None:
        """Count the seconds of the place that it has, if it has one."""
        self._earlier_seconds, self._came_in = self.seconds, math.nan

    @property
    def seconds(self) -> float:
        """How long it has had a place among the trainings."""
        came_in = self._came_in
        return self._earlier_seconds + (0.0 if math.isnan(came_in) else time.monotonic() - came_in)

    def _wait(self, place: int) -> None:
        self._place_in_queue = place
        self._check()

    @property
    def results(self) -> dict[str, MethodResult]:
        """The results of the methods that are tested, by name, in the order of the plan."""
        tested = dict(self.tested)
        return {method.name: tested[method.name] for method in self.plan.methods if method.name in tested}

    @property
    def progress(self) -> Progress:
        stage, cost, done, total = self._stage, self._cost, self._done, self._total
        share = min((self._earlier_cost + cost * done / total) / self._total_cost, 1.0)
        if place := self._place_in_queue:
            return Progress(f"Place {place} in the queue of trainings", 0, 1, share, None)
        is_known = self._is_foreseeable and share > 0.03
        return Progress(stage, done, total, share, self.seconds * (1 - share) / share if is_known else None)


def _run(work: ComparisonWork, reservation: Reservation, check: Step) -> None:
    plan = work.plan
    try:
        with work.turn(check), server_disk():
            work.comparison = _compare(work, reservation)
    finally:
        images, ms = len(plan.labelled.dataset), 1000 * work.seconds
        work.server.log.record("training_ended", network=plan.network.name, images=images, ms=ms)


def _compare(work: ComparisonWork, reservation: Reservation) -> Comparison:
    plan = work.plan
    dataset, cache = plan.labelled.dataset, plan.labelled.cache
    features_of = partial(Features, dataset, plan.network.beside(plan.networks), cache=cache, at_once=False)
    everything = features_of(plan.sources)
    protocol = plan.protocol()
    for method, passes in plan.stages():
        for network_pass, sources in passes.items():
            _compute(work, features_of(sources), network_pass)
        inner = INNER_SPLITS if method.name in needing_choice(plan.names) else 0
        work.tested[method.name] = result_of(
            method, everything, protocol, scratch=cache.folder, inner=inner,
            progress=partial(work.go_on, plan.test_costs(method)), step=work.step,
        )  # fmt: skip
    work.findings = findings = _findings(plan, work.results, protocol)
    classifiers = {method.name: _trained(work, everything, method) for method in plan.methods}
    return Comparison(plan.labelled, plan.network, findings, classifiers, reservation, work.server.compute)


def _trained(work: ComparisonWork, everything: Features, method: Method) -> TrainedClassifier:
    """The method's classifier, trained on all images."""
    count, cost = len(everything.dataset), work.plan.encoding_cost
    learning, encoding = f"Learning {method.name} from all images", f"Encoding all images with {method.name}"
    go_on = partial(work.go_on, {learning: cost, encoding: cost})

    def encoded(done: int) -> None:
        go_on(encoding, done, count)
        if done == count:
            go_on(f"Training support vector machines on {method.name}", 0, None)

    if method.learns:
        go_on(learning, 0, None)
    return train_on(everything, method, work.plan.seed, encoded, work.step, partial(go_on, learning))


def _findings(plan: Plan, results: Mapping[str, MethodResult], protocol: Protocol) -> AccuracyFindings:
    dataset, network, framing = plan.labelled.dataset, plan.network, plan.methods[0].framing
    report = report_of(dataset, list(results.values()), protocol, usual_baselines(list(results)))
    return AccuracyFindings(
        report, network.name, plan.network_titles, network.weights, framing, protocol.C, plan.command, False, dataset
    )


def _compute(work: ComparisonWork, features: Features, network_pass: NetworkPass) -> None:
    """Compute the features that one pass of the network yields, for all images."""
    count = len(features.dataset)
    work.begin(f"Computing {count:,} images, {network_pass[0]} px", work.plan.pass_cost(network_pass) * count, count)
    features.compute(work.advance, skip_errors=False)
