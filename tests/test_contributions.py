"""Contributions: they add up for every method, equal the slow sums of the definition, and say what taking away does."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import Normalizer

from crosspool.backbones import load_backbone
from crosspool.backbones.structure import architecture_of
from crosspool.classifiers import LinearClassifier, own_classifier
from crosspool.contributions import TOLERANCE, Completeness, explain, explanation_of
from crosspool.encoding import CrossLayerPooling, Lessons, SignedPower
from crosspool.errors import ModelError, SettingError
from crosspool.framing import VIEW_COUNTS, Source
from crosspool.methods import Method, Part, parse_method
from crosspool.pooling import local_features
from tests.networks import BY_HAND, sample, small_network, spec_for

TINY = architecture_of(spec_for(small_network), 2)  # a 3x3 pair of 4 channels under 5, 8x8 positions at 128 pixels
SPLIT_BY_POSITION = [
    "cl", "cl/power1", "cl/power0.3", "cl/blocks", "cl/pca5", "cl/pca5/blocks", "cl/ternary", "cl/pca3/ternary0",
    "cl-f@256", "cl-f@256/pca3", "cl-c@256", "cl-c@256/pca3", "global", "global/power0.5", "cnn-svm", "sum",
    "sum/lower/power1", "max", "pyramid", "pyramid/lower", "gem", "gem/p2/lower/power0.5", "scda", "cl+global",
    "cl@160/pca3+max+global@192/ternary", "guided/guides3/pca3", "guided/guides2/pca3/power1+cl",
]  # fmt: skip
BY_CHANNEL_ALONE = [
    "global:last", "jitter", "cnnaug-svm", "cl+jitter", "bilinear", "isqrt", "compact/d64", "compact-cl/d64",
    "fv/gaussians2/pca3", "vlad/centres2/pca3",
    "scfv/atoms3/pca2", "scfv/atoms3/pca2/local",
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Sums so small that threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def random_maps(method, generator):
    """Maps of the shapes that the tiny network has, rectified where it rectifies, with some dead channels."""
    record = {}
    for source in method.sources_to_explain:
        layout = TINY.layout(source.side)
        views = VIEW_COUNTS[source.views]
        values = generator.standard_normal((views, *layout.shapes[source.node][1:])).astype(np.float32)
        if values.ndim == 4:
            values *= generator.random(values.shape[1])[:, None, None] > 0.2
        record[source] = values.clip(0) if source.node == TINY.default_pair.upper else values
    for part in method.parts:
        if part.averaged is not None:
            record[part.sources[0]] = record[part.averaged].mean(axis=(2, 3))
    return record


@cache
def encoded_by(name):
    """A method by name, and its encoder, fitted once."""
    method = parse_method(name, TINY)
    lessons = Lessons(np.zeros(1, np.intp))
    return method, method.encoder().fit([random_maps(method, np.random.default_rng(0))], lessons)


def random_classifier(name, seed, classes=3):
    """A classifier with random weights, and the maps of an image and of another one."""
    generator = np.random.default_rng(seed)
    method, encoder = encoded_by(name)
    records = [random_maps(method, generator) for _ in range(2)]
    unnamed = LinearClassifier(method, encoder, (), np.zeros((0, 0), np.float32), np.zeros(0), BY_HAND)
    weights = generator.standard_normal((classes, unnamed.vectors(records).shape[1])).astype(np.float32)
    names = tuple(f"class {k}" for k in range(classes))
    return replace(unnamed, classes=names, weights=weights, intercept=generator.standard_normal(classes)), records


def explained(classifier, record):
    return explanation_of(classifier, record)


# --- completeness


@settings(max_examples=300)
@given(st.sampled_from(SPLIT_BY_POSITION + BY_CHANNEL_ALONE), st.integers(0, 2**32 - 1), st.booleans())
def test_the_parts_add_up_to_the_score(name, seed, is_lead):
    """In every method, for a class and for one class against another; the score being that of single precision."""
    classifier, (record, _) = random_classifier(name, seed)
    explanation = explained(classifier, record)
    contributions = explanation.contributions("class 1", "class 0" if is_lead else None)
    weights = classifier.weights[1] - classifier.weights[0] * is_lead
    assume(abs(contributions.score - contributions.intercept) > 0.01 * np.linalg.norm(weights))  # not cancelled away
    check = contributions.check
    assert check.holds
    assert check.error <= TOLERANCE
    assert check.by_channel == pytest.approx(check.score, abs=TOLERANCE * abs(check.score - check.intercept))
    if name in BY_CHANNEL_ALONE:
        assert check.by_position is None
    else:
        assert check.by_position == pytest.approx(check.by_channel, abs=1e-9)
        for part in contributions.parts:
            np.testing.assert_allclose(part.evidence.sum(axis=(1, 2)), part.channels, atol=1e-9)


@pytest.mark.parametrize("name", ["cl", "cl-c@256", "global"])
def test_a_lead_that_is_a_ten_thousandth_of_the_scores_adds_up_too(name):
    classifier, (record, _) = random_classifier(name, 5)
    classifier.weights[1] = classifier.weights[0] + 1e-4 * classifier.weights[1]
    lead = explained(classifier, record).contributions("class 1", "class 0")
    assert abs(lead.score - lead.intercept) < 1e-3
    assert lead.check.holds


@pytest.mark.parametrize("name", SPLIT_BY_POSITION)
def test_the_similarity_of_two_images_adds_up_and_is_symmetric(name):
    classifier, records = random_classifier(name, 3)
    first, second = (explained(classifier, record) for record in records)
    there, back = first.similarity(second), second.similarity(first)
    assert there.check.holds
    assert there.score == pytest.approx(float(first.encoded @ second.encoded), abs=1e-6)
    np.testing.assert_allclose(there.channels, back.channels, atol=1e-9)  # but the positions are each image's own
    assert first.similarity(first).score == pytest.approx(1, abs=1e-5)


def test_a_check_that_does_not_hold():
    assert not Completeness(score=3.0, intercept=1.0, by_channel=3.0, by_position=2.999).holds
    assert Completeness(3.0, 1.0, 3.0, 2.999).error == pytest.approx(0.0005)
    assert not Completeness(1.0, 1.0, 1.1, None).holds  # a score of the intercept alone allows no difference at all
    assert Completeness(1.0, 1.0, 1.0, None).holds


# --- by hand


def two_channels():
    """Two positions, one lower channel with x = 4 and 9, two maps a = (1, 0) and (1, 1): P = (4, 13)."""
    x, a = (Source(node, 128, "whole", "squash") for node in "xa")
    pool = CrossLayerPooling(x, a, TINY.default_pair.geometry | {"kernel_size": (1, 1), "padding": (0, 0)})
    steps = (("pool", pool), ("power", SignedPower(0.5)), ("unit", Normalizer()))
    method = Method("by hand", (Part("cl", (x, a), steps, 2),), None)
    record = {x: np.array([[[[4, 9]]]], np.float32), a: np.array([[[[1, 0]], [[1, 1]]]], np.float32)}
    weights = np.array([[1, 0], [0, 1], [2, -1]], np.float32)
    return LinearClassifier(method, method.encoder(), ("p", "q", "r"), weights, np.array([0.5, 0, 0]), BY_HAND), record


def test_by_hand():
    """phi(P) = (2, sqrt 13) / sqrt 17."""
    classifier, record = two_channels()
    explanation = explained(classifier, record)
    norm = np.sqrt(17)
    np.testing.assert_allclose(explanation.scores, [0.5 + 2 / norm, np.sqrt(13) / norm, (4 - np.sqrt(13)) / norm], 1e-6)
    assert explanation.predicted == "p"
    found = explanation.contributions("r")
    np.testing.assert_allclose(found.channels, [4 / norm, -np.sqrt(13) / norm])
    (part,) = found.parts
    np.testing.assert_allclose(part.energy, [16 / 185, 169 / 185])
    assert part.maps.tolist() == [[[1, 0]], [[1, 1]]]
    share = np.sqrt(13) / norm / 13  # of the second channel, for each unit of x
    np.testing.assert_allclose(part.evidence, [[[4 / norm, 0]], [[-4 * share, -9 * share]]])
    np.testing.assert_allclose(found.positions, [[4 / norm - 4 * share, -9 * share]])
    lead = explanation.contributions("r", "p")
    np.testing.assert_allclose(lead.channels, [2 / norm, -np.sqrt(13) / norm])
    assert lead.intercept == -0.5


def test_taking_away_by_hand():
    """Without the first map phi(P) is (0, 1); without the second position P is (4, 4)."""
    classifier, record = two_channels()
    explanation = explained(classifier, record)
    np.testing.assert_allclose(explanation.without_channels([0]), [0.5, 1, -1], rtol=1e-6)
    np.testing.assert_allclose(explanation.without_channels([]), explanation.scores, rtol=1e-6)
    np.testing.assert_allclose(explanation.without_channels([0, 1]), [0.5, 0, 0])  # nothing is left but intercepts
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        explanation.without_positions(np.array([[False, True]])), [0.5 + half, half, half], rtol=1e-6
    )


def test_a_dead_channel_adds_nothing():
    classifier, record = two_channels()
    record[classifier.encoder[0].upper][0, 0] = 0
    part = explained(classifier, record).contributions("r").parts[0]
    assert part.channels[0] == 0
    assert not part.evidence[0].any()


def test_an_image_without_activations_has_the_intercept_as_its_score():
    classifier, record = two_channels()
    record[classifier.encoder[0].upper][:] = 0
    contributions = explained(classifier, record).contributions("p")
    assert contributions.score == 0.5
    assert contributions.check.holds
    assert not contributions.positions.any()
    assert not contributions.parts[0].energy.any()


# --- slow references


@pytest.mark.parametrize("name", ["cl", "cl/pca5", "cl/blocks"])
def test_the_evidence_of_cross_layer_pooling_is_the_weight_times_the_patch(name):
    """e_ik = a_ik (V_k . x_i) with V = w phi(P) / P; with principal components W (x_i - mu) for x_i."""
    classifier, (record, _) = random_classifier(name, 7)
    pool, pair = classifier.encoder[0], TINY.default_pair
    lower, upper = (torch.from_numpy(record[source].astype(np.float64)) for source in (pool.lower, pool.upper))
    x = local_features(lower, **pair.geometry)[0].T.numpy()  # (N, D*m*n)
    if pool.n_components is not None:
        x = (x - pool.mean_) @ pool.components_.T
    a = upper[0].flatten(1).numpy()  # (K, N)
    P = np.stack([sum(a[k, i] * x[i] for i in range(len(x))) for k in range(len(a))])
    explanation = explained(classifier, record)
    products = (classifier.weights[2] * explanation.vector).reshape(P.shape)
    V = np.where(P == 0, 0, products / np.where(P == 0, 1, P))
    expected = [[a[k, i] * (V[k] @ x[i]) for i in range(len(x))] for k in range(len(a))]
    (part,) = explanation.contributions("class 2").parts
    np.testing.assert_allclose(part.evidence.reshape(len(a), -1), expected, atol=1e-9)


def test_the_evidence_of_an_averaged_map_is_the_class_activation_map():
    """w_k a_ik / N of the vector before it gets unit length."""
    classifier, (record, _) = random_classifier("global", 8)
    (averaged,) = (part.averaged for part in classifier.method.parts)
    maps = record[averaged][0].astype(np.float64)
    expected = classifier.weights[0][:, None, None] * maps / 64 / np.linalg.norm(maps.mean(axis=(1, 2)))
    part = explained(classifier, record).contributions("class 0").parts[0]
    np.testing.assert_allclose(part.evidence, expected, atol=1e-7)


def test_the_evidence_of_a_maximum_is_at_its_position():
    classifier, (record, _) = random_classifier("max", 9)
    (source,) = classifier.method.sources
    evidence = explained(classifier, record).contributions("class 0").parts[0].evidence
    for k, values in enumerate(record[source][0]):
        peak = np.unravel_index(values.argmax(), values.shape)
        assert [tuple(place) for place in np.argwhere(evidence[k])] == ([peak] if values.any() else [])


# --- where evidence lies


def test_the_evidence_of_tiles_is_where_they_were_cut():
    """A weight in the lower left tile alone is evidence in the lower left quarter alone."""
    classifier, (record, _) = random_classifier("cl-f@256", 10)
    upper = classifier.encoder[0].upper
    record[upper][[0, 1, 3]] = 0
    evidence = explained(classifier, record).contributions("class 0").positions
    assert evidence.shape == (16, 16)
    assert evidence[8:, :8].any()
    evidence[8:, :8] = 0
    assert not evidence.any()


def test_parts_on_several_grids_are_brought_to_the_finest():
    classifier, (record, _) = random_classifier("cl-c@256", 11)
    contributions = explained(classifier, record).contributions("class 0")
    coarse, fine = (part.evidence.sum(axis=0) for part in contributions.parts)
    assert (coarse.shape, fine.shape) == ((8, 8), (16, 16))
    np.testing.assert_allclose(contributions.positions, fine + np.kron(coarse, np.full((2, 2), 0.25)), atol=1e-12)


# --- taking away


@pytest.mark.parametrize("name", ["cl", "cl/pca5/blocks", "cl-f@256", "sum", "max", "cl+sum/ternary"])
def test_taking_channels_away_is_encoding_the_image_without_their_maps(name):
    """The channels of the pair's upper map, here those of every part."""
    classifier, (record, _) = random_classifier(name, 12)
    gone = np.array([0, 3])
    bare = {source: maps.copy() for source, maps in record.items()}
    for source, maps in bare.items():
        if source.node == TINY.default_pair.upper:
            maps[:, gone] = 0
    expected = classifier.weights @ classifier.vectors([bare])[0] + classifier.intercept
    channels = np.concatenate([gone + 5 * part for part in range(len(classifier.method.parts))])
    np.testing.assert_allclose(explained(classifier, record).without_channels(channels), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["cl", "cl/pca5", "global", "cl-f@256", "cl+sum"])
def test_taking_positions_away_is_encoding_the_image_with_zeros_there(name):
    classifier, (record, _) = random_classifier(name, 13)
    gone = np.zeros((16, 16) if name == "cl-f@256" else (8, 8), bool)
    gone[:3, 2:] = True
    bare = {source: maps.copy() for source, maps in record.items()}
    for source, maps in bare.items():
        if maps.ndim == 4 and source.node == TINY.default_pair.upper:
            if len(maps) == 4:  # all that is taken away lies in the two upper tiles
                maps[0][:, gone[:8, :8]] = 0
                maps[1][:, gone[:8, 8:]] = 0
            else:
                maps[:, :, gone] = 0
    for part in classifier.method.parts:
        if part.averaged is not None:
            bare[part.sources[0]] = bare[part.averaged].mean(axis=(2, 3))
    expected = classifier.weights @ classifier.vectors([bare])[0] + classifier.intercept
    np.testing.assert_allclose(explained(classifier, record).without_positions(gone), expected, atol=1e-4)


def test_methods_without_positions_refuse_to_leave_some_out():
    classifier, (record, _) = random_classifier("jitter", 14)
    with pytest.raises(SettingError, match=r"The positions behind the contributions of jitter@128 are not known"):
        explained(classifier, record).without_positions(np.zeros((8, 8), bool))


# --- the network's own classes, and what cannot be asked


def own_explanation(backbone):
    return explain(own_classifier(backbone), backbone, sample("cat"))


def test_a_networks_own_classes_need_no_training():
    backbone = load_backbone(device="cpu")
    explanation = own_explanation(backbone)
    (((label, _),),) = backbone.predict(sample("cat"), top=1)
    assert explanation.predicted == label
    contributions = explanation.contributions()
    assert contributions.check.holds
    assert contributions.positions.shape == (7, 7)
    assert len(contributions.channels) == 1280


def test_own_classes_where_the_last_layer_is_a_convolution():
    """SqueezeNet's scores are the means of its last maps, so that each class is spoken for by its own map alone."""
    backbone = load_backbone("squeezenet1_1", "untrained", "cpu")
    contributions = own_explanation(backbone).contributions(backbone.classes[3])
    assert contributions.check.holds
    assert np.flatnonzero(contributions.channels).tolist() in ([], [3])


def test_own_classes_after_several_layers_cannot_be_split():
    backbone = load_backbone("alexnet", "untrained", "cpu")
    with pytest.raises(ModelError, match="train a classifier, or choose another network"):
        own_classifier(backbone)


def test_impossible_requests():
    classifier, (record, _) = random_classifier("cl", 15)
    explanation = explained(classifier, record)
    with pytest.raises(SettingError, match="knows no class 'auklet'; choose one of class 0, class 1, class 2"):
        explanation.contributions("auklet")
    with pytest.raises(SettingError, match="cannot be set against itself"):
        explanation.contributions("class 1", "class 1")
    other, (another, _) = random_classifier("cl", 16)
    with pytest.raises(SettingError, match="same classifier"):
        explanation.similarity(explained(other, another))


@pytest.mark.parametrize(
    ("channels", "sentence"),
    [
        ([-1], "There is no channel -1: the channels are 0 to 1"),
        ([0, 2], "There is no channel 2: the channels are 0 to 1"),
        (np.array([True, False]), "Channels are whole numbers; of a mask, give"),
        ([0.5], "Channels are whole numbers"),
    ],
    ids=["from the end", "beyond", "mask", "fraction"],
)
def test_channels_that_there_are_not_cannot_be_removed(channels, sentence):
    with pytest.raises(SettingError, match=sentence):
        explained(*two_channels()).without_channels(channels)


def test_channels_and_positions_are_not_counted_from_the_end():
    contributions = explained(*two_channels()).contributions()
    for index in (-1, 2):
        with pytest.raises(IndexError):
            contributions.channel(index)
    for position in ((-1, 0), (0, -1), (1, 0), (0, 2)):
        with pytest.raises(SettingError, match=r"There is no position .*: the grid has 1×2 cells"):
            contributions.channels_at(*position)


def test_leaves_the_maps_alone():
    classifier, (record, _) = random_classifier("cl+max", 17)
    before = {source: maps.copy() for source, maps in record.items()}
    explanation = explained(classifier, record)
    explanation.contributions()
    explanation.without_channels([1])
    for source, maps in before.items():
        np.testing.assert_array_equal(record[source], maps)
