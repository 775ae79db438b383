"""The results of an evaluation: measures with intervals, paired differences, confusion matrices and costs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspool.datasets import UNKNOWN, Dataset, Split
from crosspool.evaluation.intervals import Interval, McNemar, bootstrap, majority, mcnemar, resampled_t
from crosspool.evaluation.metrics import accuracy, confusion_matrix, mean_average_precision, mean_class_accuracy

Scores = NDArray[np.float64]
Measure = Callable[[NDArray[Any], Scores], float]
RESAMPLES = 1000


def _top1(measure: Callable[..., float]) -> Measure:
    return lambda targets, scores: measure(targets, scores.argmax(axis=1))


# Methods are compared by the first one of each.
SINGLE_LABEL: dict[str, Measure] = {"accuracy": _top1(accuracy), "mean_class_accuracy": _top1(mean_class_accuracy)}
MULTI_LABEL: dict[str, Measure] = {
    "mean_average_precision": mean_average_precision,
    "mean_average_precision_11": lambda targets, scores: mean_average_precision(targets, scores, eleven_points=True),
    "accuracy": lambda targets, scores: float(((scores > 0) == targets)[targets != UNKNOWN].mean()),
}


def measures_of(dataset: Dataset) -> dict[str, Measure]:
    return MULTI_LABEL if dataset.multi_label else SINGLE_LABEL


@dataclass(frozen=True)
class Outcome:
    """The scores of one split's test images, (n_test, L).

    `inner` is the first measure within its training images, or None where it was not asked for.
    """

    split: Split
    scores: Scores
    inner: float | None = None


@dataclass(frozen=True)
class Measured:
    """A measure's mean over the splits; the first measure has an interval where there can be one."""

    value: float
    interval: Interval | None
    by_split: tuple[float, ...]


@dataclass(frozen=True)
class MethodResult:
    """One method: its measures, its costs, and which test images it got right.

    `confusion` is (L, L), rows being the true classes, summed over the splits; None with several labels. `correct` is
    (splits, n): 1 or 0 where an image was tested, NaN where not; None with several labels. `localised` is in which
    share of the test images that show a part it is found, by the names of parts; empty where none is looked for.
    `untuned` is in how many splits fine-tuning left the network as it was.
    `seconds_per_image` are None where vectors were computed before.
    """

    name: str
    measures: dict[str, Measured]
    dimensions: int
    bytes_per_image: int
    seconds_per_image: float | None
    confusion: NDArray[np.int64] | None
    correct: NDArray[np.float64] | None
    outcomes: tuple[Outcome, ...]
    localised: Mapping[str, float] = field(default_factory=dict)
    untuned: int = 0


@dataclass(frozen=True)
class Paired:
    """How much better `method` is than `baseline` on the same splits, by the data set's first measure."""

    method: str
    baseline: str
    difference: float
    interval: Interval | None
    mcnemar: McNemar | None


@dataclass(frozen=True)
class Choice:
    """Of several methods of one kind, for each split the best one within its training images.

    `kind` is that of `rivals`, or empty for methods of all kinds; `result` is that of the chosen ones, with the costs
    of the method that was chosen most often.
    """

    kind: str
    candidates: tuple[str, ...]
    picks: tuple[str, ...]
    result: MethodResult

    @property
    def favourite(self) -> str:
        """The method that was chosen most often."""
        return Counter(self.picks).most_common(1)[0][0]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How often each method was chosen, the favourite first."""
        return Counter(self.picks).most_common()


@dataclass(frozen=True)
class Report:
    """All results of an evaluation."""

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
    choices: tuple[Choice, ...] = ()
    chosen_paired: tuple[Paired, ...] = ()
    """The differences between the choices, and of methods that learn parts from cross-layer pooling."""
    recommended: str | None = None
    """The method that does best within the training images of all splits, where that was asked for."""

    @property
    def measure(self) -> str:
        """The measure that the methods are compared by."""
        return next(iter(self.methods[0].measures))

    @property
    def split_count(self) -> int:
        return len(self.methods[0].outcomes)


def most_predicted(result: MethodResult, images: int) -> NDArray[np.intp]:
    """The class that most splits predicted for an image that they tested, (n,); UNKNOWN without a single winner."""
    votes = np.zeros((images, result.outcomes[0].scores.shape[1]), np.intp)
    for outcome in result.outcomes:
        votes[outcome.split.test, outcome.scores.argmax(axis=1)] += 1
    most = votes.max(axis=1, keepdims=True)
    is_clear = (most[:, 0] > 0) & ((votes == most).sum(axis=1) == 1)
    return np.where(is_clear, votes.argmax(axis=1), UNKNOWN)


def summarised(
    dataset: Dataset, name: str, outcomes: Sequence[Outcome], dimensions: int, row_bytes: int, seconds: float | None,
    seed: int,
) -> MethodResult:  # fmt: skip
    """The measures, confusion matrix and costs of one method."""
    measures: dict[str, Measured] = {}
    for kind, measure in measures_of(dataset).items():
        values = [measure(dataset.targets[outcome.split.test], outcome.scores) for outcome in outcomes]
        interval = None if measures else _interval(dataset, values, outcomes, measure, seed)  # of the first alone
        measures[kind] = Measured(float(np.mean(values)), interval, tuple(values))
    confusion = correct = None
    if not dataset.multi_label:
        confusion = np.zeros((len(dataset.classes), len(dataset.classes)), np.int64)
        correct = np.full((len(outcomes), len(dataset)), np.nan)
        for number, outcome in enumerate(outcomes):
            targets, predicted = dataset.targets[outcome.split.test], outcome.scores.argmax(axis=1)
            confusion += confusion_matrix(targets, predicted, len(dataset.classes))
            correct[number, outcome.split.test] = targets == predicted
    return MethodResult(name, measures, dimensions, row_bytes, seconds, confusion, correct, tuple(outcomes))


def _interval(
    dataset: Dataset, values: list[float], outcomes: Sequence[Outcome], measure: Measure, seed: int, *others: Outcome
) -> Interval | None:
    """The corrected t interval over repeated splits, or a bootstrap over the test images of a single one."""
    if len(outcomes) > 1:  # sizes may vary a little, as copies of an image stay together
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
    """Compare every method with every baseline, and two baselines with each other once."""
    kind, measure = next(iter(measures_of(dataset).items()))
    by_name = {result.name: result for result in results}
    for number, baseline in enumerate(by_name[name] for name in baselines):
        for result in results:
            if result.name in baselines[: number + 1]:
                continue
            ours, theirs = result.measures[kind].by_split, baseline.measures[kind].by_split
            differences = np.subtract(ours, theirs).tolist()
            interval = _interval(dataset, differences, result.outcomes, measure, seed, baseline.outcomes[0])
            yield Paired(result.name, baseline.name, float(np.mean(differences)), interval, _mcnemar(result, baseline))


def _mcnemar(result: MethodResult, baseline: MethodResult) -> McNemar | None:
    if result.correct is None or baseline.correct is None:
        return None
    return mcnemar(majority(result.correct), majority(baseline.correct))
