"""The best of several methods, chosen within training images alone: test images have no part in it.

A split's training images are split again. Each method is trained on the larger side and judged on the smaller one, and
the method that is best there stands for the split. The accuracy of such a choice is not flattered by having looked.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from crosspool.datasets import Dataset, Split
from crosspool.errors import DatasetError
from crosspool.evaluation.report import Choice, MethodResult, summarised
from crosspool.evaluation.splits import stratified_splits
from crosspool.methods import Method
from crosspool.methods.wording import CROSS_LAYER_KIND, FULLY_CONNECTED_KIND, rivals

INNER_SPLITS = 10  # at most
INNER_IMAGES = 5000  # in all of them: of many images, few splits tell as much, and training on them takes long
TITLES = {"": "best of all"} | {kind: f"best {kind}" for kind in (CROSS_LAYER_KIND, FULLY_CONNECTED_KIND)}


def inner_splits(dataset: Dataset, split: Split, seed: int, keys: Sequence[str]) -> list[Split]:
    """Splits of a split's training images, by their indices in the data set; equal `keys` stay together.

    There are none where a class has a single training image.
    """
    train, count = split.train, max(1, min(INNER_SPLITS, INNER_IMAGES // len(split.train)))
    targets = dataset.targets[train]
    taught = None if dataset.multi_label else np.unique(targets, return_inverse=True)[1]
    groups = [keys[index] for index in train]
    try:
        inner = stratified_splits(targets if taught is None else taught, count, None, seed, groups)
    except DatasetError:
        return []
    return [Split(train[each.train], train[each.test]) for each in inner]


def inner_count(methods: Sequence[Method]) -> int:
    """On how many inner splits methods are judged: all on the same, and on one where any has to be taught anew."""
    return 1 if any(method.is_taught for method in methods) else INNER_SPLITS


def needing_choice(names: Sequence[str]) -> list[str]:
    """The methods of a kind of which there are several."""
    return [name for each in rivals(names).values() if len(each) > 1 for name in each]


def choices_of(
    dataset: Dataset, results: Sequence[MethodResult], seed: int, *, of_all: bool = False
) -> Iterator[Choice]:
    """The choice of each kind, where one has several methods, and that of all methods if it is asked for."""
    by_name = {result.name: result for result in results}
    of_kinds = rivals(by_name)
    by_kind = {kind: [by_name[name] for name in of_kinds[kind]] for kind in TITLES if kind in of_kinds}
    kinds = {kind: candidates for kind, candidates in by_kind.items() if _are_judged(candidates)}
    if of_all and _are_judged(results):
        kinds = {"": list(results)} | kinds
    if any(len(candidates) > 1 for candidates in kinds.values()):
        for kind, candidates in kinds.items():
            yield _choice(dataset, kind, candidates, seed)


def _are_judged(results: Sequence[MethodResult]) -> bool:
    """Whether one of them can be chosen."""
    return len(results) == 1 or all(outcome.inner is not None for each in results for outcome in each.outcomes)


def _choice(dataset: Dataset, kind: str, candidates: Sequence[MethodResult], seed: int) -> Choice:
    """Of equally good methods, the one with the shortest vectors."""

    def merit(result: MethodResult, number: int) -> tuple[float, int]:
        return result.outcomes[number].inner or 0.0, -result.bytes_per_image

    numbers = range(len(candidates[0].outcomes))
    picked = [max(candidates, key=lambda result: merit(result, number)) for number in numbers]
    outcomes = [result.outcomes[number] for number, result in enumerate(picked)]
    usual = Counter(result.name for result in picked).most_common(1)[0][0]
    costs = next(result for result in candidates if result.name == usual)
    result = summarised(
        dataset, TITLES[kind], outcomes, costs.dimensions, costs.bytes_per_image, costs.seconds_per_image, seed
    )
    return Choice(kind, tuple(each.name for each in candidates), tuple(each.name for each in picked), result)


def recommended(results: Sequence[MethodResult]) -> str | None:
    """The method that does best within the training images of all splits together; None where that is not known."""
    if not _are_judged(results):
        return None

    def merit(result: MethodResult) -> tuple[float, int]:
        return float(np.mean([outcome.inner or 0.0 for outcome in result.outcomes])), -result.bytes_per_image

    return max(results, key=merit).name
