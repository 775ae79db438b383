"""What an evaluation found: measures with intervals, paired differences, confusion matrices and costs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspool.datasets import UNKNOWN, Dataset, Split
from crosspool.evaluation.intervals import Interval, McNemar, bootstrap, majority, mcnemar, resampled_t
from crosspool.evaluation.metrics import accuracy, confusion_matrix, mean_average_precision, mean_class_accuracy

Scores = NDArray[np.float64]
Measure = Callable[[NDArray[Any], Scores], float]
RESAMPLES = 1000


def _chosen(measure: Callable[..., float]) -> Measure:
    return lambda targets, scores: measure(targets, scores.argmax(axis=1))


# The first one of each is what methods are compared by.
SINGLE_LABEL: dict[str, Measure] = {"accuracy": _chosen(accuracy), "mean_class_accuracy": _chosen(mean_class_accuracy)}
MULTI_LABEL: dict[str, Measure] = {
    "mean_average_precision": mean_average_precision,
    "mean_average_precision_11": lambda targets, scores: mean_average_precision(targets, scores, eleven_points=True),
    "accuracy": lambda targets, scores: float(((scores > 0) == targets)[targets != UNKNOWN].mean()),
}


def measures_of(dataset: Dataset) -> dict[str, Measure]:
    return MULTI_LABEL if dataset.multi_label else SINGLE_LABEL


@dataclass(frozen=True)
class Outcome:
    """The scores (n_test, L) of one split's test images."""

    split: Split
    scores: Scores


@dataclass(frozen=True)
class Measured:
    """A measure's mean over the splits; with an interval for the first measure, where there can be one."""

    value: float
    interval: Interval | None
    by_split: tuple[float, ...]


@dataclass(frozen=True)
class MethodResult:
    """One method: how well it did, what it costs, and which test images it got right.

    `confusion` is (L, L), rows being the true classes, summed over the splits; None with several labels. `correct` is
    (splits, n): 1 or 0 where an image was tested, NaN where not; None with several labels.
    """

    name: str
    measures: dict[str, Measured]
    dimensions: int
    bytes_per_image: int
    seconds_per_image: float
    confusion: NDArray[np.int64] | None
    correct: NDArray[np.float64] | None
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Paired:
    """How much better `method` is than `baseline` on the same splits, by the data set's first measure."""

    method: str
    baseline: str
    difference: float
    interval: Interval | None
    mcnemar: McNemar | None


@dataclass(frozen=True)
class Report:
    """Everything that an evaluation found."""

    dataset: str
    classes: tuple[str, ...]
    images: int
    official: bool
    train_images: int
    test_images: int
    seed: int
    methods: tuple[MethodResult, ...]
    paired: tuple[Paired, ...]
    problems: tuple[str, ...]

    @property
    def measure(self) -> str:
        """What the methods are compared by."""
        return next(iter(self.methods[0].measures))


def most_predicted(result: MethodResult, images: int) -> NDArray[np.intp]:
    """The class that most of the splits that tested an image gave it, (n,); UNKNOWN where none did, or none leads."""
    votes = np.zeros((images, result.outcomes[0].scores.shape[1]), np.intp)
    for outcome in result.outcomes:
        votes[outcome.split.test, outcome.scores.argmax(axis=1)] += 1
    most = votes.max(axis=1, keepdims=True)
    is_clear = (most[:, 0] > 0) & ((votes == most).sum(axis=1) == 1)
    return np.where(is_clear, votes.argmax(axis=1), UNKNOWN)


def summarised(
    dataset: Dataset,
    name: str,
    outcomes: Sequence[Outcome],
    dimensions: int,
    bytes_per_image: int,
    seconds: float,
    seed: int,
) -> MethodResult:
    """Measures, confusion matrix and costs of one method."""
    main, *_ = measures_of(dataset)
    measures = {
        kind: _measured(dataset, measure, outcomes, seed, with_interval=kind == main)
        for kind, measure in measures_of(dataset).items()
    }
    confusion = correct = None
    if not dataset.multi_label:
        confusion = np.zeros((len(dataset.classes), len(dataset.classes)), np.int64)
        correct = np.full((len(outcomes), len(dataset)), np.nan)
        for number, outcome in enumerate(outcomes):
            targets, predicted = dataset.targets[outcome.split.test], outcome.scores.argmax(axis=1)
            confusion += confusion_matrix(targets, predicted, len(dataset.classes))
            correct[number, outcome.split.test] = targets == predicted
    return MethodResult(name, measures, dimensions, bytes_per_image, seconds, confusion, correct, tuple(outcomes))


def _measured(
    dataset: Dataset, measure: Measure, outcomes: Sequence[Outcome], seed: int, *, with_interval: bool
) -> Measured:
    values = [measure(dataset.targets[outcome.split.test], outcome.scores) for outcome in outcomes]
    interval = _interval(dataset, values, outcomes, measure, seed) if with_interval else None
    return Measured(float(np.mean(values)), interval, tuple(values))


def _interval(
    dataset: Dataset,
    values: Sequence[float],
    outcomes: Sequence[Outcome],
    measure: Measure,
    seed: int,
    *others: Outcome,
) -> Interval | None:
    """Over repeated splits a corrected t interval; of a single split, a bootstrap over its test images."""
    if len(outcomes) > 1:  # copies of an image stay together, so that sizes may vary a little
        train, test = ([len(getattr(outcome.split, side)) for outcome in outcomes] for side in ("train", "test"))
        return resampled_t(values, float(np.mean(train)), float(np.mean(test)))
    targets = dataset.targets[outcomes[0].split.test]
    if len(targets) < 2:
        return None

    def statistic(drawn: NDArray[np.intp]) -> float:
        value = measure(targets[drawn], outcomes[0].scores[drawn])
        return value - sum(measure(targets[drawn], other.scores[drawn]) for other in others)

    return bootstrap(statistic, len(targets), resamples=RESAMPLES, seed=seed)


def compared(
    dataset: Dataset, results: Sequence[MethodResult], baselines: Sequence[str], seed: int
) -> Iterator[Paired]:
    """Every method with every baseline; two baselines with each other once."""
    kind, measure = next(iter(measures_of(dataset).items()))
    by_name = {result.name: result for result in results}
    done: set[frozenset[str]] = set()
    for baseline in (by_name[name] for name in baselines):
        for result in results:
            pair = frozenset((result.name, baseline.name))
            if len(pair) < 2 or pair in done:
                continue
            done.add(pair)
            ours, theirs = result.measures[kind].by_split, baseline.measures[kind].by_split
            differences = [a - b for a, b in zip(ours, theirs, strict=True)]
            interval = _interval(dataset, differences, result.outcomes, measure, seed, baseline.outcomes[0])
            yield Paired(result.name, baseline.name, float(np.mean(differences)), interval, _mcnemar(result, baseline))


def _mcnemar(result: MethodResult, baseline: MethodResult) -> McNemar | None:
    if result.correct is None or baseline.correct is None:
        return None
    return mcnemar(majority(result.correct), majority(baseline.correct))
