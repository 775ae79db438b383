"""What is learned from a split's training images does not depend on its test images: leaks are planted, and caught."""

from dataclasses import replace

import numpy as np
import pytest

from crosspool.cache import ArrayCache
from crosspool.codebooks import FisherVector, SparseFisherVector, Vlad
from crosspool.datasets import Dataset
from crosspool.encoding import CrossLayerPooling, Encoder, Lessons
from crosspool.evaluation import run
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods
from crosspool.evaluation.splits import stratified_splits
from crosspool.features import Features
from crosspool.fine_tuning import FineTuning
from crosspool.guidance import GuidedPooling
from crosspool.methods import parse_methods
from crosspool.svm import DualLinearSVM, VectorFile
from crosspool.tail_training import Tuning
from tests.images import dataset_of, noise, png, tints

METHODS = (
    "cl/pca3,cl/pca3/ternary,cl+global,cl/pca2+sum,fv/gaussians2/pca2,vlad/centres2/pca2,scfv/atoms2/pca2/local,"
    "ft/epochs1+cl/pca2,guided/guides2/pca2"
)
TINTS = tints(each=6)
PROTOCOL = Protocol(stratified_splits(TINTS.targets, 1, 9, 0), official=False)
(SPLIT,) = PROTOCOL.splits


def with_noise_for(indices):
    """The data set with other images at some places."""
    files = [sample.read() for sample in TINTS.samples]
    for index in indices:
        files[index] = png(noise(1000 + index))
    return dataset_of(files, TINTS.targets)


@pytest.fixture
def learned_from(tiny, cache, monkeypatch, one_core):
    """Everything that is fitted while the methods are evaluated on a data set: components and the machines' numbers."""
    monkeypatch.setattr("crosspool.evaluation.report.RESAMPLES", 10)  # intervals do not matter here
    learned = []

    def record(kind, *names):
        fit = kind.fit

        def recorded(self, *args):
            fitted = fit(self, *args)
            learned.append({name: getattr(fitted, name).copy() for name in names if hasattr(fitted, name)})
            return fitted

        monkeypatch.setattr(kind, "fit", recorded)

    record(CrossLayerPooling, "mean_", "components_")
    record(GuidedPooling, "guides_")
    record(FisherVector, "mean_", "components_", "codebook_")
    record(SparseFisherVector, "mean_", "components_", "codebook_")
    record(Vlad, "mean_", "components_", "codebook_")
    record(FineTuning, "weights_")
    monkeypatch.setattr(
        Tuning, "_resume", lambda self, place, trial: (self.begin(trial), [])
    )  # learn anew, whatever the cache holds
    record(DualLinearSVM, "coef_", "intercept_")

    def run_on(dataset: Dataset):
        learned.clear()
        methods = parse_methods(METHODS, tiny.architecture)
        sources = sorted({source for method in methods for source in method.sources})
        report = evaluate_methods(methods, Features(dataset, tiny, sources, cache), PROTOCOL)
        return list(learned), report

    return run_on


def same(one, other):
    assert len(one) == len(other) > 0
    return all(
        first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
        for first, second in zip(one, other, strict=True)
    )


def test_the_split_leaves_nothing_out_and_nothing_is_on_both_sides():
    assert sorted([*SPLIT.train, *SPLIT.test]) == list(range(len(TINTS)))
    assert len(SPLIT.train) == 9


def test_learning_never_sees_test_images(learned_from):
    """With noise in place of every test image the same is learned, to the last bit; only the scores differ."""
    learned, report = learned_from(TINTS)
    again, other = learned_from(with_noise_for(SPLIT.test))
    components = [numbers["components_"] for numbers in learned if "components_" in numbers]
    assert len(components) == 8  # eight of the methods have a PCA, three of these a codebook, and one guides
    assert sum("codebook_" in numbers for numbers in learned) == 3
    assert sum("guides_" in numbers for numbers in learned) == 1
    assert sum("weights_" in numbers for numbers in learned) == 1
    assert sum("coef_" in numbers for numbers in learned) == 9 + 2 * 10  # two of a kind are judged on inner splits
    assert same(learned, again)
    for method, changed in zip(report.methods, other.methods, strict=True):
        assert not np.array_equal(method.outcomes[0].scores, changed.outcomes[0].scores)


def test_learning_sees_every_training_image(learned_from, monkeypatch):
    """Otherwise the test above would pass for something that learns nothing."""
    learned, _ = learned_from(TINTS)
    again, _ = learned_from(with_noise_for(SPLIT.train[:1]))
    for name in ("components_", "codebook_", "guides_"):
        pairs = [(one[name], other[name]) for one, other in zip(learned, again, strict=True) if name in one]
        assert not any(np.array_equal(one, other) for one, other in pairs)
    monkeypatch.setattr(f"{__name__}.METHODS", "cl/pca3")
    learned, _ = learned_from(TINTS)
    for index in SPLIT.train:
        assert not same(learned, learned_from(with_noise_for([index]))[0])


def test_a_planted_leak_of_the_encoder_is_caught(learned_from, monkeypatch):
    """Here the encoder is fitted on all images of the data set."""
    fit = Encoder.fit

    def leaky(self, X, y=None, **params):
        features = getattr(X, "_features", None)
        if features is not None:
            X, y = features.records_of(np.arange(len(TINTS)), X._sources), Lessons(TINTS.targets)
        return fit(self, X, y, **params)

    monkeypatch.setattr(Encoder, "fit", leaky)
    learned, _ = learned_from(TINTS)
    again, _ = learned_from(with_noise_for(SPLIT.test))
    assert not same(learned, again)
    ((one, other),) = [pair for pair in zip(learned, again, strict=True) if "guides_" in pair[0]]
    assert not np.array_equal(one["guides_"], other["guides_"])


def test_a_planted_leak_of_fine_tuning_is_caught(learned_from, monkeypatch):
    """Here the layers are trained on all images of the data set."""
    fit = FineTuning.fit

    def leaky(self, X, y):
        everything = X._features.records_of(np.arange(len(TINTS)), X._sources)
        return fit(self, everything, replace(y, targets=TINTS.targets))

    monkeypatch.setattr(f"{__name__}.METHODS", "ft/epochs1+cl")
    monkeypatch.setattr(FineTuning, "fit", leaky)
    learned, _ = learned_from(TINTS)
    again, _ = learned_from(with_noise_for(SPLIT.test))
    assert not same(learned, again)


def test_a_planted_leak_of_the_classifier_is_caught(learned_from, monkeypatch):
    """Here the vectors are centred by the mean of all of them, as a careless normalisation would."""

    class Centred(VectorFile):
        def kernel(self, step=lambda: None):
            kernel = super().kernel(step)
            rows = kernel - kernel.mean(axis=0)
            return rows - rows.mean(axis=1, keepdims=True)

    monkeypatch.setattr(f"{__name__}.METHODS", "cl/pca3,cl+global")
    monkeypatch.setattr(run, "VectorFile", Centred)
    learned, _ = learned_from(TINTS)
    again, _ = learned_from(with_noise_for(SPLIT.test))
    assert not same(learned, again)
    machines = [numbers["coef_"] for numbers in learned if "coef_" in numbers]
    others = [numbers["coef_"] for numbers in again if "coef_" in numbers]
    assert not any(np.array_equal(one, other) for one, other in zip(machines, others, strict=True))


def test_fitting_reads_no_test_image(tiny, tmp_path, monkeypatch):
    """Their records raise when they are read."""
    features = Features(TINTS, tiny, [], ArrayCache(tmp_path))
    record = features.record

    def guarded(index, sources):
        assert index in SPLIT.train, f"image {index} is a test image"
        return record(index, sources)

    monkeypatch.setattr(features, "record", guarded)
    (method,) = parse_methods("cl-c@256/pca2+cl/pca3+global", tiny.architecture)
    method.encoder().fit(features.records_of(SPLIT.train, method.sources))
    with pytest.raises(AssertionError, match="is a test image"):
        method.encoder().fit(features.records_of(np.arange(len(TINTS)), method.sources))


def test_copies_of_an_image_stay_on_one_side(tiny, tmp_path):
    """By their content: no test image is a training image under another name."""
    files = [sample.read() for sample in TINTS.samples]
    dataset = dataset_of([*files, *files], np.concatenate([TINTS.targets, TINTS.targets]))
    features = Features(dataset, tiny, [], ArrayCache(tmp_path))
    images = np.array([features.image_key(index) for index in range(len(dataset))])

    def overlaps(splits):
        return [len(set(images[split.train]) & set(images[split.test])) for split in splits]

    assert overlaps(stratified_splits(dataset.targets, 5, 0.5, 0, groups=images)) == [0] * 5
    assert min(overlaps(stratified_splits(dataset.targets, 5, 0.5, 0))) > 0  # without looking at the content
