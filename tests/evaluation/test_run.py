"""Evaluation runs all methods on the same splits, and its numbers can be recomputed by hand."""

import numpy as np
import pytest
from torch import nn

from crosspool.backbones import load
from crosspool.datasets import UNKNOWN, Split
from crosspool.errors import SettingError
from crosspool.evaluation.metrics import mean_average_precision
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods, seconds_per_image
from crosspool.evaluation.splits import stratified_splits
from crosspool.features import Features
from crosspool.methods import parse_methods
from crosspool.svm import DualLinearSVM
from tests.images import dataset_of, noise, png, tints
from tests.networks import spec_for

METHODS = "cl,cl/pca2,cl/ternary,global,sum,cl+global"
COUNT = 24


def small():
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=8), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip


@pytest.fixture(scope="module")
def backbone():
    return load(spec_for(small), "untrained", "cpu")


def ready(dataset, backbone, cache, names=METHODS):
    methods = parse_methods(names, backbone.architecture)
    sources = sorted({source for method in methods for source in method.sources})
    return methods, Features(dataset, backbone, sources, cache)


@pytest.fixture(scope="module")
def report(backbone, cache):
    dataset = tints(each=8)
    methods, features = ready(dataset, backbone, cache)
    protocol = Protocol(stratified_splits(dataset.targets, 3, 12, 0), official=False)
    return evaluate_methods(methods, features, protocol, ["global"])


def test_every_method_is_measured_on_every_split(report):
    assert [result.name for result in report.methods] == METHODS.split(",")
    assert (report.measure, report.train_images, report.test_images) == ("accuracy", 12, 12)
    for result in report.methods:
        assert set(result.measures) == {"accuracy", "mean_class_accuracy"}
        accuracy = result.measures["accuracy"]
        assert len(accuracy.by_split) == 3
        assert accuracy.value == pytest.approx(np.mean(accuracy.by_split))
        assert result.confusion.sum() == 3 * 12
        assert np.trace(result.confusion) == pytest.approx(36 * accuracy.value)
        assert np.nansum(result.correct) == np.trace(result.confusion)
        assert (~np.isnan(result.correct)).sum(axis=1).tolist() == [12, 12, 12]
        assert result.seconds_per_image > 0


def test_costs_are_those_of_the_vectors(report):
    costs = {result.name: (result.dimensions, result.bytes_per_image) for result in report.methods}
    length = 8 * 6 * 9  # maps times patches of 3 x 3 x 6
    assert costs == {
        "cl": (length, 4 * length),
        "cl/pca2": (16, 64),
        "cl/ternary": (length, 4 * length // 16),
        "global": (8, 32),
        "sum": (8, 32),
        "cl+global": (length + 8, 4 * (length + 8)),
    }


def test_each_method_is_compared_with_the_baseline_on_the_same_splits(report):
    assert [paired.method for paired in report.paired] == ["cl", "cl/pca2", "cl/ternary", "sum", "cl+global"]
    by_name = {result.name: result.measures["accuracy"].by_split for result in report.methods}
    for paired in report.paired:
        differences = np.subtract(by_name[paired.method], by_name["global"])
        assert paired.baseline == "global"
        assert paired.difference == pytest.approx(differences.mean())
        assert paired.interval is not None
        assert paired.interval.low <= paired.difference <= paired.interval.high
        assert paired.interval.method == "corrected resampled t"


def test_a_linear_encoding_gives_the_scores_of_its_vectors(report, backbone, cache):
    """Training on the kernel and on the vectors themselves gives the same scores."""
    dataset = tints(each=8)
    (method, *_), features = ready(dataset, backbone, cache, "cl")
    vectors = method.encoder().transform(features.records_of(np.arange(COUNT), method.sources))
    outcome = report.methods[0].outcomes[1]
    train, test = vectors[outcome.split.train], vectors[outcome.split.test]
    machine = DualLinearSVM().fit(train @ train.T, dataset.targets[outcome.split.train])
    assert outcome.scores == pytest.approx(machine.decision_function(test @ train.T), abs=1e-4)


def test_two_baselines_are_compared_once(backbone, cache):
    dataset = tints(each=8)
    methods, features = ready(dataset, backbone, cache, "cl,global,sum")
    protocol = Protocol(stratified_splits(dataset.targets, 2, 12, 0), official=False)
    report = evaluate_methods(methods, features, protocol, ["global", "sum"])
    assert [(paired.method, paired.baseline) for paired in report.paired] == [
        ("cl", "global"), ("sum", "global"), ("cl", "sum")
    ]  # fmt: skip


def test_an_unknown_baseline_is_an_error(backbone, cache):
    dataset = tints(each=8)
    methods, features = ready(dataset, backbone, cache, "cl")
    protocol = Protocol(stratified_splits(dataset.targets, 2, 12, 0), official=False)
    with pytest.raises(SettingError, match="'global' is not among the methods cl"):
        evaluate_methods(methods, features, protocol, ["global"])


def test_one_official_split_is_bootstrapped(backbone, cache):
    dataset = tints(each=8)
    methods, features = ready(dataset, backbone, cache, "cl,global")
    split = Split(np.arange(0, 12), np.arange(12, COUNT))
    report = evaluate_methods(methods, features, Protocol([split], official=True), ["global"])
    (paired,) = report.paired
    intervals = [paired.interval, *(result.measures["accuracy"].interval for result in report.methods)]
    assert {interval and interval.method for interval in intervals} == {"percentile bootstrap"}
    targets = dataset.targets[split.test]
    cl, vector = (result.outcomes[0].scores.argmax(axis=1) == targets for result in report.methods)
    assert paired.difference == pytest.approx(cl.mean() - vector.mean())
    assert paired.mcnemar is not None
    assert paired.mcnemar.only_a == np.sum(cl & ~vector)


def test_a_class_without_training_images_is_never_predicted(backbone, cache):
    dataset = tints(each=8)
    methods, features = ready(dataset, backbone, cache, "cl")
    train = np.flatnonzero(dataset.targets != 2)[:10]
    split = Split(train, np.setdiff1d(np.arange(COUNT), train))
    (result,) = evaluate_methods(methods, features, Protocol([split], official=True)).methods
    assert result.confusion is not None
    assert result.confusion[:, 2].sum() == 0
    assert result.confusion[2].sum() == 8


def test_several_labels_and_unknown_ones(backbone, cache):
    targets = np.array(
        [[i % 2, i % 3 == 0, UNKNOWN if i % 5 == 0 else i % 4 == 1] for i in range(COUNT)], dtype=np.int64
    )
    dataset = dataset_of([png(noise(i)) for i in range(COUNT)], targets)
    methods, features = ready(dataset, backbone, cache, "cl,global")
    protocol = Protocol(stratified_splits(targets, 2, 12, 0), official=False)
    report = evaluate_methods(methods, features, protocol, ["global"])
    assert report.measure == "mean_average_precision"
    result = report.methods[0]
    assert result.confusion is None
    assert report.paired[0].mcnemar is None
    outcome = result.outcomes[0]
    expected = mean_average_precision(targets[outcome.split.test], outcome.scores)
    assert result.measures["mean_average_precision"].by_split[0] == expected
    labelled = targets[outcome.split.test] != UNKNOWN
    right = ((outcome.scores > 0) == targets[outcome.split.test])[labelled]
    assert result.measures["accuracy"].by_split[0] == pytest.approx(right.mean())


def test_a_label_without_training_examples_ranks_all_images_equally(backbone, cache):
    targets = np.stack([np.arange(COUNT) % 2, np.arange(COUNT) >= 20], axis=1)
    dataset = dataset_of([png(noise(i)) for i in range(COUNT)], targets, ("even", "late"))
    methods, features = ready(dataset, backbone, cache, "global")
    splits = [Split(np.arange(12), np.arange(12, COUNT)), Split(np.arange(12, COUNT), np.arange(12))]
    report = evaluate_methods(methods, features, Protocol(splits, official=False))
    assert set(report.methods[0].outcomes[0].scores[:, 1]) == {0}
    assert len(set(report.methods[0].outcomes[0].scores[:, 0])) > 1
    (problem,) = report.problems
    assert problem.startswith("The label late has no examples or no counterexamples to train on in 1 of 2 splits")


def test_a_single_test_image_has_no_interval(backbone, cache):
    dataset = tints(each=8)
    methods, features = ready(dataset, backbone, cache, "cl,global")
    split = Split(np.arange(COUNT - 1), np.array([COUNT - 1]))
    report = evaluate_methods(methods, features, Protocol([split], official=True), ["global"])
    assert report.methods[0].measures["accuracy"].interval is None
    assert report.paired[0].interval is None


def test_progress_names_each_stage_as_it_begins_and_counts_every_encoded_image(backbone, cache):
    dataset = tints(each=8)
    methods, features = ready(dataset, backbone, cache, "cl/pca2,global")
    progress_by_stage: dict[str, list[tuple[int, int | None]]] = {}
    protocol = Protocol(stratified_splits(dataset.targets, 2, 12, 0), official=False)
    evaluate_methods(
        methods, features, protocol,
        progress=lambda stage, done, total: progress_by_stage.setdefault(stage, []).append((done, total)),
    )  # fmt: skip
    begun, whole = [(0, None)], [(done, COUNT) for done in range(1, COUNT + 1)]
    assert progress_by_stage == {
        "Learning cl/pca2, split 1 of 2": begun,
        "Encoding with cl/pca2, split 1 of 2": whole,
        "Training support vector machines on cl/pca2, split 1 of 2": begun,
        "Learning cl/pca2, split 2 of 2": begun,
        "Encoding with cl/pca2, split 2 of 2": whole,
        "Training support vector machines on cl/pca2, split 2 of 2": begun,
        "Timing cl/pca2": begun,
        "Encoding with global": whole,
        "Training support vector machines on global": begun,
        "Timing global": begun,
    }


def test_seconds_are_measured_on_whole_passes(backbone, cache, monkeypatch):
    dataset = tints(each=8)
    (method,), features = ready(dataset, backbone, cache, "cl")
    features.compute()
    passes = []
    outputs = type(backbone).outputs

    def counted(*given):
        passes.append(given)
        return outputs(*given)

    monkeypatch.setattr(type(backbone), "outputs", counted)
    monkeypatch.setattr("crosspool.evaluation.run.TIMED_IMAGES", 8)
    assert seconds_per_image(method, method.encoder(), features) > 0
    assert len(passes) == 9  # nothing comes from the cache
