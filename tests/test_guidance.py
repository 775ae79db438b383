"""Learned weighting maps: what they are, that they find the channel on which labels depend, and what refuses them."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from crosspool.encoding import CrossLayerPooling, Lessons
from crosspool.errors import SettingError
from crosspool.guidance import GuidedPooling, learned_guides
from crosspool.layer_pairs import Geometry
from tests.images import random_record

ONE_BY_ONE: Geometry = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
RECORDS = [random_record(seed) for seed in range(8)]
LESSONS = Lessons(np.array([0, 1] * 4))
TELLING = 2  # the channel on which the labels below depend


def told_by_one_channel(seed):
    """300 images of 16 positions, half with one local feature and half with the other.

    Five channels mark four positions each, the others at random; the telling one marks the feature of the class.
    """
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 2, 300)
    kinds = np.stack([generator.permutation(np.repeat([0, 1], 8)) for _ in targets])  # (300, 16)
    maps = np.stack([[generator.permutation(np.repeat([0, 1], [12, 4])) for _ in range(5)] for _ in targets])
    maps = maps.astype(np.float32)
    maps[:, TELLING] = kinds == targets[:, None]
    return np.eye(2, dtype=np.float32)[kinds].transpose(0, 2, 1), maps, targets


def learned(features, maps, targets):
    return learned_guides(torch.from_numpy(features), torch.from_numpy(maps.copy()), targets, 4, 0)


def test_guides_look_at_the_channel_on_which_the_label_depends():
    features, maps, targets = told_by_one_channel(0)
    guides = learned(features, maps, targets).numpy()
    assert np.square(guides[:, :-1]).sum(axis=0).argmax() == TELLING
    features, maps, targets = told_by_one_channel(1)  # other images
    weights = np.maximum(guides[:, :-1] @ maps + guides[:, -1:], 0)
    pooled = weights @ features.transpose(0, 2, 1)  # (300, 4, 2)
    apart = pooled[..., 1] - pooled[..., 0]
    right = [np.mean((column > 0) == targets) for column in apart.T]
    assert max(*right, *(1 - share for share in right)) > 0.9


def test_without_what_tells_classes_apart_no_channel_stands_out():
    """Otherwise the test above would pass for the first guides."""
    features, maps, targets = told_by_one_channel(0)
    shuffled = np.random.default_rng(0).permutation(targets)
    guides = learned(features, maps, shuffled).numpy()
    energy = np.square(guides[:, :-1]).sum(axis=0)
    assert energy.max() < 4 * np.median(energy)


@pytest.mark.parametrize("views", [1, 4])
def test_identity_guides_are_plain_cross_layer_pooling(views):
    record = random_record(0, views=views)
    channels = record["upper"].shape[1]
    step = GuidedPooling("lower", "upper", ONE_BY_ONE, 2, guides=channels)
    plain = CrossLayerPooling("lower", "upper", ONE_BY_ONE, 2).fit(RECORDS)
    step.mean_, step.components_ = plain.mean_, plain.components_
    step.guides_ = np.eye(channels, channels + 1, dtype=np.float32)
    np.testing.assert_allclose(step.transform([record]), plain.transform([record]), rtol=1e-5, atol=1e-6)


def test_pooled_vectors_against_a_slow_loop():
    step = GuidedPooling("lower", "upper", ONE_BY_ONE, 2, guides=3).fit(RECORDS, LESSONS)
    lower, upper = (RECORDS[0][name][0] for name in ("lower", "upper"))
    expected = np.zeros((3, 2))
    for row in range(upper.shape[1]):
        for column in range(upper.shape[2]):
            projected = step.components_ @ (lower[:, row, column] - step.mean_)
            for k, guide in enumerate(step.guides_):
                expected[k] += max(0, guide[:-1] @ upper[:, row, column] + guide[-1]) * projected
    np.testing.assert_allclose(step.transform(RECORDS[:1])[0], expected.ravel(), rtol=1e-4, atol=1e-5)


def test_the_same_seed_learns_the_same_and_another_does_not():
    def learned(seed):
        return GuidedPooling("lower", "upper", ONE_BY_ONE, 2, 3, random_state=seed).fit(RECORDS, LESSONS).guides_

    np.testing.assert_array_equal(learned(0), learned(0))
    assert not np.array_equal(learned(0), learned(1))


def test_several_labels_of_which_one_is_unknown():
    """An unknown label counts as if it were not there: what stands in its place changes nothing."""
    features, maps, targets = told_by_one_channel(0)
    labels = np.column_stack([targets, 1 - targets])
    labels[::3, 1] = -1

    assert learned(features, maps, labels).equal(learned(features, maps, np.where(labels < 0, -7, labels)))
    assert not learned(features, maps, labels).equal(learned(features, maps, np.abs(labels)))
    assert learned(features, maps, labels)[:, :-1].square().sum(0).argmax() == TELLING


def test_batches_in_which_no_label_is_known_teach_nothing(monkeypatch):
    monkeypatch.setattr("crosspool.guidance.BATCH", 2)
    features, maps, targets = (numbers[:60] for numbers in told_by_one_channel(0))
    labels = np.column_stack([targets, 1 - targets])
    labels[::2] = -1
    assert learned(features, maps, labels)[:, :-1].square().sum(0).argmax() == TELLING


def test_a_loss_that_is_not_finite_is_refused():
    features, maps, targets = told_by_one_channel(0)
    maps[0] = np.nan
    with pytest.raises(SettingError, match="the loss is not finite"):
        learned(features, maps, targets)


def test_only_as_many_images_as_fit_in_memory_are_learned_from(monkeypatch):
    monkeypatch.setattr("crosspool.guidance.MOST_NUMBERS", 0)
    seen = []

    def recorded(features, maps, targets, count, seed, **kwargs):
        seen.append(len(maps))
        return torch.zeros(count, maps.shape[1] + 1)

    monkeypatch.setattr("crosspool.guidance.learned_guides", recorded)
    GuidedPooling("lower", "upper", ONE_BY_ONE, 2, 3).fit(RECORDS, LESSONS)
    assert seen == [1]


def test_records_stay_as_they_are_and_it_can_be_cloned():
    copies = [record["upper"].copy() for record in RECORDS]
    step = clone(GuidedPooling("lower", "upper", ONE_BY_ONE, 2, 3)).fit(RECORDS, LESSONS)
    assert step.is_taught
    assert step.learned().keys() == {"mean_", "components_", "guides_"}
    for record, copy in zip(RECORDS, copies, strict=True):
        np.testing.assert_array_equal(record["upper"], copy)


def test_without_classes_nothing_can_be_learned():
    with pytest.raises(SettingError, match="Guides are learned from the classes of training images"):
        GuidedPooling("lower", "upper", ONE_BY_ONE, 2, 3).fit(RECORDS)
