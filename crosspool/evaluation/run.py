"""Run representations through the same splits of a data set, and compare them."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosspool.datasets import Dataset, Split
from crosspool.encoding import Encoder, Record
from crosspool.errors import SettingError
from crosspool.evaluation.choice import choices_of, inner_count, inner_splits, needing_choice, recommended
from crosspool.evaluation.part_detection import found_parts, mean_shares
from crosspool.evaluation.protocol import Protocol, file_keys
from crosspool.evaluation.report import Choice, MethodResult, Outcome, Paired, Report, compared, measures_of, summarised
from crosspool.features import Features
from crosspool.fine_tuning import leaves_network
from crosspool.methods import Method
from crosspool.methods.wording import CROSS_LAYER_KIND, learns_parts, rivals
from crosspool.records import compute_record
from crosspool.svm import DualLinearSVM, VectorFile
from crosspool.text import plural
from crosspool.training import encode_into

TIMED_IMAGES = 8
Progress = Callable[[str, int, int | None], None]
"""Called as a stage begins and goes on: its name, how many of its images are done, and how many it has, if known."""


class Stages(NamedTuple):
    """What testing a method does on a split, in words; on all of them, where its encoder learns nothing."""

    learning: str
    encoding: str
    training: str
    finding: str
    learning_anew: str

    @classmethod
    def of(cls, method: Method, splits: int) -> "list[Stages]":
        """They come one after the other."""
        name = method.name
        places = [f", split {number + 1} of {splits}" for number in range(splits)] if method.learns else [""]
        return [
            cls(
                f"Learning {name}{place}",
                f"Encoding with {name}{place}",
                f"Training support vector machines on {name}{place}",
                f"Finding parts in test images with {name}{place}",
                f"Learning {name} anew within the training images{place}",
            )
            for place in places
        ]


def timing_stage(method: Method) -> str:
    """What comes last."""
    return f"Timing {method.name}"


def evaluate_methods(
    methods: Sequence[Method],
    features: Features,
    protocol: Protocol,
    baselines: Sequence[str] = (),
    *,
    scratch: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
    recommend: bool = False,
) -> Report:
    """Train and test every method on every split, and compare each with each of `baselines`.

    Of the methods of one kind, and of all of them to `recommend` one, the best is chosen within training images.

    Encoders that learn (principal components, codebooks) are fitted on each split's training images alone, and so are
    the classifiers. `features` must offer what the methods need; vectors lie in files in `scratch` while their kernel
    is computed.

    Raises SettingError for a baseline that is not among the methods.
    """
    names = [method.name for method in methods]
    for name in baselines:
        if name not in names:
            raise SettingError(f"The baseline {name!r} is not among the methods {', '.join(names)}; add it to them.")
    wanted = names if recommend else needing_choice(names)
    inner = inner_count([method for method in methods if method.name in wanted])
    results = [
        result_of(
            method, features, protocol, scratch=scratch, progress=progress, inner=inner if method.name in wanted else 0
        )
        for method in methods
    ]
    return report_of(features.dataset, results, protocol, baselines, recommend=recommend)


def report_of(
    dataset: Dataset, results: Sequence[MethodResult], protocol: Protocol, baselines: Sequence[str] = (), *,
    recommend: bool = False,
) -> Report:  # fmt: skip
    """The methods' results under the same protocol, their comparison with the baselines, and choices among them."""
    official, seed, split = protocol.official, protocol.seed, protocol.splits[0]
    train, test = len(split.train), len(split.test)
    paired = tuple(compared(dataset, results, baselines, seed))
    problems = (*dataset.problems, *_label_problems(dataset, protocol.splits), *_untuned_problems(results))
    choices = tuple(choices_of(dataset, results, seed, of_all=recommend))
    chosen = [choice.result for choice in choices]
    last = [chosen[-1].name] if chosen else []  # the fully-connected methods' choice, where there is one
    chosen_paired = [*compared(dataset, chosen, last, seed), *_parts_compared(dataset, results, choices, seed)]
    return Report(
        dataset.name, dataset.classes, len(dataset), official, train, test, seed, tuple(results), paired, problems,
        choices, tuple(chosen_paired), recommended(results) if recommend else None,
    )  # fmt: skip


def _parts_compared(
    dataset: Dataset, results: Sequence[MethodResult], choices: Sequence[Choice], seed: int
) -> Iterator[Paired]:
    """Methods that learn from annotated parts against cross-layer pooling, which needs none: the best of its kind."""
    of_parts = [result for result in results if learns_parts(result.name)]
    pooled = [choice.result for choice in choices if choice.kind == CROSS_LAYER_KIND]
    single = rivals(result.name for result in results).get(CROSS_LAYER_KIND, [])
    pooled = pooled or [result for result in results if result.name in single]
    pooled.sort(key=lambda result: -next(iter(result.measures.values())).value)
    if of_parts and pooled:
        yield from compared(dataset, [*of_parts, pooled[0]], [pooled[0].name], seed)


def result_of(
    method: Method,
    features: Features,
    protocol: Protocol,
    *,
    scratch: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
    step: Callable[[], None] = lambda: None,
    inner: int = 0,
) -> MethodResult:
    """Train and test one method on every split; the other arguments are those of `evaluate_methods`.

    It is judged on at most `inner` splits of each split's training images as well, so that a method can be chosen.
    `step` is called between the steps that `progress` does not count. Either may raise, which ends the run.
    """

    def encoded(stage: str, done: int) -> None:
        progress(stage, done, count)

    dataset, count = features.dataset, len(features.dataset)
    # An encoder that learns nothing serves all splits.
    groups = [[split] for split in protocol.splits] if method.learns else [protocol.splits]
    encoder, row_bytes = method.encoder(protocol.seed), 0
    outcomes, found, untuned = [], [], 0
    for stages, splits in zip(Stages.of(method, len(protocol.splits)), groups, strict=True):
        if method.learns:
            progress(stages.learning, 0, None)
            records = features.records_of(splits[0].train, method.sources_to_fit, step)
            lessons = features.lessons(method, splits[0].train, partial(progress, stages.learning))
            encoder = method.encoder(protocol.seed).fit(records, lessons)
            untuned += leaves_network(encoder)
        with VectorFile(scratch) as file:
            encode_into(file, method, encoder, features, partial(encoded, stages.encoding))
            progress(stages.training, 0, None)
            kernel, row_bytes = file.unit_kernel(step), file.row_bytes
        for split in splits:
            outcomes.append(Outcome(split, scores_of(dataset, split, kernel, protocol.C)))
            if method.needs_parts and method.learns:
                progress(stages.finding, 0, None)
            found.append(found_parts(method, encoder, features, split, step))
            step()
            if inner:
                within = inner_splits(dataset, split, protocol.seed, file_keys(features))[:inner]
                of_kernel = None if method.is_taught else kernel
                anew = partial(progress, stages.learning_anew)
                value = _judged(method, features, within, of_kernel, protocol, scratch, step, anew)
                outcomes[-1] = replace(outcomes[-1], inner=value)
    progress(timing_stage(method), 0, None)
    seconds = seconds_per_image(method, encoder, features, step)
    result = summarised(dataset, method.name, outcomes, method.length, row_bytes, seconds, protocol.seed)
    return replace(result, localised=mean_shares(found), untuned=untuned)


def _judged(
    method: Method, features: Features, inner: Sequence[Split], kernel: NDArray[np.float64] | None, protocol: Protocol,
    scratch: Path | None, step: Callable[[], None], learning: Callable[[int, int | None], None],
) -> float | None:  # fmt: skip
    """The mean of the first measure over inner splits; None without any.

    Without a kernel, the encoder learns anew on each: it would know the classes of the other images.
    """
    dataset, values = features.dataset, []
    measure = next(iter(measures_of(dataset).values()))
    for split in inner:
        each = _learned_anew(method, features, split, protocol, scratch, step, learning) if kernel is None else kernel
        values.append(measure(dataset.targets[split.test], scores_of(dataset, split, each, protocol.C)))
        step()
    return float(np.mean(values)) if values else None


def _learned_anew(
    method: Method, features: Features, split: Split, protocol: Protocol, scratch: Path | None,
    step: Callable[[], None], learning: Callable[[int, int | None], None],
) -> NDArray[np.float64]:  # fmt: skip
    """The kernel of a split's images, with zeros for all others, by an encoder that learned from its training side."""
    dataset, both = features.dataset, np.sort(np.concatenate([split.train, split.test]))
    learning(0, None)
    records = features.records_of(split.train, method.sources_to_fit, step)
    lessons = features.lessons(method, split.train, learning)
    encoder = method.encoder(protocol.seed).fit(records, lessons)
    with VectorFile(scratch) as file:
        encode_into(file, method, encoder, features.restricted_to(dataset.subset(both)), lambda done: step())
        some = file.unit_kernel(step)
    kernel = np.zeros((len(dataset), len(dataset)))
    kernel[np.ix_(both, both)] = some
    return kernel


def scores_of(dataset: Dataset, split: Split, kernel: NDArray[np.float64], C: float) -> NDArray[np.float64]:
    """Train on a split's training images, and score its test images: (n_test, L).

    A class without training images never wins; a label that the split cannot teach gets the same score everywhere.
    """
    train, test, targets = split.train, split.test, dataset.targets[split.train]
    taught = np.setdiff1d(np.arange(len(dataset.classes)), _not_taught(dataset, split))
    machine = DualLinearSVM(C, dataset.classes)
    machine.fit(kernel[np.ix_(train, train)], targets[:, taught] if dataset.multi_label else targets)
    scores = np.full((len(test), len(dataset.classes)), 0.0 if dataset.multi_label else -np.inf)
    learned = taught if dataset.multi_label else machine.classes_
    scores[:, learned] = machine.decision_function(kernel[np.ix_(test, train)])
    return scores


def _not_taught(dataset: Dataset, split: Split) -> NDArray[np.intp]:
    """The labels without examples, or without counterexamples, among a split's training images."""
    if not dataset.multi_label:
        return np.array([], np.intp)
    targets = dataset.targets[split.train]
    return np.flatnonzero(~(targets == 1).any(axis=0) | ~(targets == 0).any(axis=0))


def _label_problems(dataset: Dataset, splits: Sequence[Split]) -> tuple[str, ...]:
    missed = Counter(dataset.classes[label] for split in splits for label in _not_taught(dataset, split))
    return tuple(
        f"The label {name} has no examples or no counterexamples to train on in {count} of {len(splits)} splits; "
        "there all images rank equal."
        for name, count in missed.items()
    )


def _untuned_problems(results: Sequence[MethodResult]) -> tuple[str, ...]:
    return tuple(
        f"{result.name} is {result.name.partition('+')[2]} in {result.untuned} of "
        f"{plural(len(result.outcomes), 'split')}: there, no tuning of the network helped on held-out training images."
        for result in results
        if result.untuned
    )


def seconds_per_image(
    method: Method, encoder: Encoder, features: Features, step: Callable[[], None] = lambda: None
) -> float:
    """The median time from a file's bytes to its vector, one image at a time and nothing taken from the cache."""
    samples = features.dataset.samples[: TIMED_IMAGES + 1]
    sources, count = features.in_whole_passes(method.sources), len(features.dataset)  # as all images are computed
    times = []
    for sample in samples:
        data = sample.read()
        start = time.perf_counter()
        image = sample.decode(data)
        record = compute_record(features.backbone, image, sources, count)
        told: Record = {**record, **features.true_boxes(method, sample)}
        encoder.transform([told])
        times.append(time.perf_counter() - start)
        step()
    return float(np.median(times[1:] or times))  # the first one is slow, as nothing is warm
