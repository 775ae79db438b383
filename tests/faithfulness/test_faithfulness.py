"""Is the explanation true: removal by hand, fast paths against slow ones, orders, curves, pixels, parts."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from crosspool.backbones import UNTRAINED, load
from crosspool.cache import ArrayCache
from crosspool.classifiers import LinearClassifier
from crosspool.contributions import explanation_of
from crosspool.datasets import Dataset, Split
from crosspool.datasets.fieldguide.guide import image_and_masks
from crosspool.datasets.fieldguide.species import SPECIES, differing_parts, relatives_of
from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.intervals import resampled_t
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods
from crosspool.evaluation.splits import stratified_splits
from crosspool.faithfulness import orders, parts, removal
from crosspool.faithfulness.curves import (
    ACCURACY,
    MARGIN,
    UNCHANGED,
    Curves,
    ImageMeans,
    Sizes,
    joined,
    remainder_measures,
)
from crosspool.faithfulness.files import faithfulness_files, faithfulness_json
from crosspool.faithfulness.orders import ExplainedImage, channel_orders, largest_first, position_orders
from crosspool.faithfulness.parts import Regions, regions_of, shares_of
from crosspool.faithfulness.removal import Positions, keeping_channels
from crosspool.faithfulness.study import CHANNEL_DRAWS, POSITION_DRAWS, Question, study
from crosspool.faithfulness.tables import FaithfulnessFindings, faithfulness_markdown
from crosspool.features import Features
from crosspool.methods import parse_method
from tests.images import tints
from tests.networks import BY_HAND, small_network, spec_for
from tests.test_contributions import BY_CHANNEL_ALONE, SPLIT_BY_POSITION, random_classifier, two_channels

# --- removal


@pytest.mark.parametrize("name", SPLIT_BY_POSITION + BY_CHANNEL_ALONE)
def test_many_remainders_of_channels_equal_those_one_by_one(name):
    classifier, (record, _) = random_classifier(name, 5)
    explanation = explanation_of(classifier, record)
    remaining = np.random.default_rng(0).random((5, len(explanation.contributions().channels))) < 0.6
    remaining[0], remaining[1] = True, False
    expected = [explanation.without_channels(np.flatnonzero(~channels)) for channels in remaining]
    np.testing.assert_allclose(keeping_channels(explanation, remaining), expected, atol=1e-5)


@pytest.mark.parametrize("name", SPLIT_BY_POSITION)
def test_positions_step_by_step_equal_all_at_once(name):
    classifier, (record, _) = random_classifier(name, 5)
    explanation = explanation_of(classifier, record)
    positions = explanation.contributions().positions
    assert positions is not None
    ranking = np.random.default_rng(1).permutation(positions.size)
    counts = np.array([0, 1, 5, positions.size // 2, positions.size - 1, positions.size])
    first = [np.isin(np.arange(positions.size), ranking[:count]).reshape(positions.shape) for count in counts]
    put_in, left = Positions(explanation).both_ways(ranking, counts)
    np.testing.assert_allclose(put_in, [explanation.without_positions(~mask) for mask in first], atol=1e-5)
    np.testing.assert_allclose(left, [explanation.without_positions(mask) for mask in first], atol=1e-5)


@pytest.mark.parametrize("name", ["cl", "cl/pca5", "cl@160+global@192", "max"])
def test_without_positions_only_the_intercepts_remain(name):
    """No rounding error may be left, which a root and a normaliser would make large."""
    classifier, (record, _) = random_classifier(name, 6)
    explanation = explanation_of(classifier, record)
    shape = Positions(explanation).grid
    np.testing.assert_allclose(explanation.without_positions(np.ones(shape, bool)), classifier.intercept)
    count = shape[0] * shape[1]
    put_in, left = Positions(explanation).both_ways(np.arange(count), np.array([0, count]))
    np.testing.assert_allclose([put_in[0], left[1]], [classifier.intercept] * 2)
    np.testing.assert_allclose([put_in[1], left[0]], [explanation.scores] * 2, atol=1e-5)


def test_without_a_map_positions_cannot_be_put_in():
    classifier, (record, _) = random_classifier("jitter", 7)
    with pytest.raises(SettingError, match="positions behind the contributions of jitter@128 are not known"):
        Positions(explanation_of(classifier, record))


# --- orders, by hand


def explained_by_hand(weights):
    """Positions 0 and 1, channels 0 and 1 (tests/test_contributions.py): P = (4, 13), phi(P) = (2, sqrt 13) / sqrt 17;
    channel 0 is at position 0 alone, 4 and 9 of channel 1 are at positions 0 and 1."""
    classifier, record = two_channels()
    classifier = replace(classifier, classes=("p", "q"), weights=np.array(weights, np.float32), intercept=np.zeros(2))
    explanation = explanation_of(classifier, record)
    return ExplainedImage(explanation, explanation)


def test_one_channel_that_carries_everything():
    """Channel 0 alone speaks for p. Without it the image is q's; without channel 1, which speaks for q, still p's."""
    explained = explained_by_hand([[3, 0], [0, 1]])
    assert explained.own.predicted == "p"
    rankings = channel_orders(explained, np.random.default_rng(0), 2)
    assert rankings[orders.MOST_FIRST][0].tolist() == [0, 1]
    assert rankings[orders.LEAST_FIRST][0].tolist() == [1, 0]
    assert rankings[orders.ENERGY][0].tolist() == [1, 0]  # 13 of 17
    scores = keeping_channels(explained.own, np.array([[True, True], [False, True], [True, False]]))
    np.testing.assert_allclose(scores, [[6 / 17**0.5, (13 / 17) ** 0.5], [0, 1], [3, 0]], rtol=1e-6)
    judged = remainder_measures(scores, predicted=0, target=0)
    assert judged[ACCURACY].tolist() == judged[UNCHANGED].tolist() == [1, 0, 1]
    np.testing.assert_allclose(judged[MARGIN], [(6 - 13**0.5) / 17**0.5, -1, 3], rtol=1e-6)


def test_evidence_that_lies_in_one_cell():
    """All evidence for p is at position 0, and the curve falls when that is left out, the first step of all."""
    explained = explained_by_hand([[3, 0], [0, 1]])
    assert explained.contributions.positions.tolist() == [[pytest.approx(6 / 17**0.5), 0]]
    rankings = position_orders(explained, np.random.default_rng(0), 1)
    assert rankings[orders.MOST_FIRST][0].tolist() == [0, 1]
    assert rankings[orders.ENERGY][0].tolist() == [1, 0]  # 4 + 4 of 17 at position 0, and 9 at position 1
    put_in, left = Positions(explained.own).both_ways(rankings[orders.MOST_FIRST][0], np.array([0, 1, 2]))
    half = 0.5**0.5
    np.testing.assert_allclose(left, [explained.own.scores, [0, 1], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(put_in, [[0, 0], [3 * half, half], explained.own.scores], atol=1e-6)


def test_equal_values_stay_in_order():
    assert largest_first(np.array([[0.0, 2.0], [0.0, -1.0]])).tolist() == [1, 0, 2, 3]


def many_channels(count=64, dead=16):
    """An image with one position, where channel k has the weight k + 1, but for the last, which are dead."""
    classifier, _ = two_channels()
    weights = np.arange(1, count + 1, dtype=np.float32) * (np.arange(count) < count - dead)
    lower, upper = classifier.encoder[0].lower, classifier.encoder[0].upper
    record = {lower: np.ones((1, 1, 1, 1), np.float32), upper: weights.reshape(1, -1, 1, 1)}
    directions = np.random.default_rng(3).standard_normal((2, count)).astype(np.float32)
    explanation = explanation_of(LinearClassifier(classifier.method, classifier.encoder, ("p", "q"), directions,
                                                  np.zeros(2), BY_HAND), record)  # fmt: skip
    return ExplainedImage(explanation, explanation)


def test_random_channels_are_alive_or_of_similar_energy():
    explained = many_channels()
    rankings = channel_orders(explained, np.random.default_rng(4), 3)
    assert {name: len(draws) for name, draws in rankings.items()} == {
        "most": 1, "random matched": 3, "energy": 1, "random alive": 3, "random": 3, "least": 1,
    }  # fmt: skip
    for draws in rankings.values():
        for ranking in draws:
            assert sorted(ranking) == list(range(64))
    for ranking in rankings[orders.ALIVE]:
        assert (ranking[:48] < 48).all()
    assert any((ranking[:48] >= 48).any() for ranking in rankings[orders.RANDOM])
    assert rankings[orders.ENERGY][0][:48].tolist() == list(range(47, -1, -1))
    most = (
        rankings[orders.MOST_FIRST][0][:10] // orders.EXCHANGED_CHANNELS
    )  # channels 0 to 15 have neighbouring energies, and so on
    for ranking in rankings[orders.MATCHED]:
        assert (np.sort(ranking[:10] // orders.EXCHANGED_CHANNELS) == np.sort(most)).all()
        assert ranking[:10].tolist() != rankings[orders.MOST_FIRST][0][:10].tolist()


def test_the_same_seed_draws_the_same():
    explained = many_channels()
    first, again, other = (channel_orders(explained, np.random.default_rng(seed), 2) for seed in (5, 5, 6))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first[orders.RANDOM], other[orders.RANDOM])


def test_positions_by_a_baseline_and_from_the_centre():
    classifier, (record, _) = random_classifier("cl", 8)
    baseline, (other, _) = random_classifier("global", 8)
    own, set_beside = explanation_of(classifier, record), explanation_of(baseline, other)
    rankings = position_orders(ExplainedImage(own, set_beside), np.random.default_rng(0), 2)
    for name, label in ((orders.BASELINE, set_beside.predicted), (orders.BASELINE_SAME, own.predicted)):
        expected = set_beside.contributions(label).positions
        assert expected is not None
        assert (np.diff(expected.ravel()[rankings[name][0]]) <= 0).all()
    assert sorted(rankings[orders.CENTRE][0][:4]) == [27, 28, 35, 36]  # of 8 x 8
    assert sorted(rankings[orders.CENTRE][0][-4:]) == [0, 7, 56, 63]
    nowhere, (crops, _) = random_classifier("jitter", 8)
    without = position_orders(ExplainedImage(own, explanation_of(nowhere, crops)), np.random.default_rng(0), 2)
    assert set(rankings) - set(without) == {orders.BASELINE, orders.BASELINE_SAME}
    with pytest.raises(
        SettingError, match="jitter has no map of where in the image its numbers come from; choose cl, global or sum"
    ):
        position_orders(ExplainedImage(explanation_of(nowhere, crops), own), np.random.default_rng(0), 2)


# --- curves


def test_curves_by_hand():
    """Two splits, the orders a and b, three fractions."""
    values = np.array([[[1, 0.5, 0], [1, 1, 0]], [[0.8, 0.4, 0.2], [0.8, 0.6, 0.2]]])
    curves = Curves(("a", "b"), (0.0, 0.5, 1.0), {ACCURACY: values}, Sizes(30, 10))
    at = curves.at(ACCURACY, "a", 0.5)
    assert at.value == pytest.approx(0.45)
    assert at.by_split == (0.5, 0.4)
    assert at.interval == resampled_t([0.5, 0.4], 30, 10)
    assert curves.change(ACCURACY, "a", 0.5).by_split == pytest.approx((-0.5, -0.4))
    assert curves.area(ACCURACY, "a").by_split == pytest.approx((0.5, 0.45))
    assert curves.area(ACCURACY, "a", against="b").by_split == pytest.approx((-0.25, -0.1))


def test_draws_count_as_one_and_images_equally():
    gathering = ImageMeans()
    gathering.add({"a": [{ACCURACY: np.array([1.0, 1.0])}, {ACCURACY: np.array([1.0, 0.0])}]})
    gathering.add({"a": [{ACCURACY: np.array([1.0, 0.0])}]})
    assert gathering.images == 2
    curves = joined([gathering], (0.0, 1.0), 5)
    assert curves.values[ACCURACY].tolist() == [[[1.0, 0.25]]]
    assert curves.sizes == Sizes(5, 2)
    assert curves.at(ACCURACY, "a", 1.0).interval is None


# --- pixels


def test_hidden_cells():
    image = Image.fromarray(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3))
    cells = np.array([[True, False], [False, True]])
    mask = np.asarray(removal.mask_of(cells, (4, 6))) > 0
    assert mask.tolist() == np.kron(cells, np.ones((2, 3), bool)).tolist()
    hidden = removal.filled(image, "mean")
    assert len(np.unique(np.asarray(hidden).reshape(-1, 3), axis=0)) == 1
    shown = np.asarray(removal.showing(image, hidden, cells))
    np.testing.assert_array_equal(shown[mask], np.asarray(image)[mask])
    np.testing.assert_array_equal(shown[~mask], np.asarray(hidden)[~mask])
    assert np.asarray(removal.filled(image, "blur")).shape == (4, 6, 3)


def test_a_hidden_image_equals_its_replacement(tiny):
    dataset, _, question, features, splits = tiny
    answer = study(dataset, replace(question, pixels=1, fill="mean"), features, splits)
    hidden, shown = answer.pixel_deletion, answer.pixel_insertion
    assert hidden is not None
    assert shown is not None
    for measure in (ACCURACY, MARGIN):
        first, last = hidden.values[measure][0, :, 0], hidden.values[measure][0, :, -1]
        np.testing.assert_allclose(shown.values[measure][0, :, -1], first)
        np.testing.assert_allclose(shown.values[measure][0, :, 0], last)
        assert (first == first[0]).all()  # the whole image, in any order
    assert hidden.sizes == Sizes(len(splits[0].train), 1)


def test_pixels_are_not_hidden_from_a_crop(tiny):
    _, backbone, question, _, _ = tiny
    method = parse_method(question.method.name, backbone.architecture, "crop")
    classifier = LinearClassifier(method, method.encoder(), (), np.zeros((0, 0), np.float32), np.zeros(0), BY_HAND)
    with pytest.raises(SettingError, match="the whole image"):
        removal.Pixels(classifier, backbone, Image.new("RGB", (8, 8)), (2, 2), "blur")


# --- parts


def test_shares_by_hand():
    regions = Regions(parts=np.array([[0.5, 0.0]]), bird=np.array([[1.0, 0.5]]))
    shares = regions.shares(np.array([[3.0, 1.0]]))
    assert (shares.parts, shares.bird) == (0.375, 0.875)
    assert shares.parts_of_bird == pytest.approx(3 / 7)
    assert regions.shares(np.array([[3.0, -8.0]])).parts == 0.5  # what speaks against the class does not count
    assert np.isnan(regions.shares(np.array([[-1.0, 0.0]])).parts)
    assert regions.best.tolist() == [[1, 0]]


def test_sisters_differ_in_the_fewest_parts():
    for species in SPECIES:
        sisters = relatives_of(species)
        fewest = {len(differing_parts(species, sister)) for sister in sisters}
        assert len(fewest) == 1
        assert species not in sisters
        others = [other for other in SPECIES if other not in (species, *sisters)]
        assert all(len(differing_parts(species, other)) > min(fewest) for other in others)


def test_regions_of_a_drawing_are_the_masks_on_the_grid():
    drawing = image_and_masks(0, 1, 64)
    regions = regions_of(drawing, SPECIES[0], (64, 64))
    assert set(regions) <= {SPECIES[0].name, *(sister.name for sister in relatives_of(SPECIES[0]))}
    own = regions[SPECIES[0].name]
    assert ((own.bird == 1) == drawing.masks["body"]).all()
    (sister,) = [name for name in regions if name != SPECIES[0].name][:1]
    told_apart = differing_parts(SPECIES[0], next(species for species in SPECIES if species.name == sister))
    expected = np.logical_or.reduce([drawing.masks[part] for part in told_apart])
    assert ((regions[sister].parts == 1) == expected).all()
    assert regions_of(drawing, SPECIES[0], (4, 4))[sister].parts.mean() == pytest.approx(expected.mean())


def test_evidence_in_the_parts_alone_has_the_share_1():
    classifier, (record, _) = random_classifier("cl", 9)
    named = replace(classifier, classes=tuple(species.name for species in SPECIES[:3]))
    explained = ExplainedImage(explanation_of(named, record), explanation_of(named, record))
    everywhere = Regions(np.ones((8, 8)), np.ones((8, 8)))
    by_question = shares_of(explained, {SPECIES[0].name: everywhere, SPECIES[1].name: everywhere}, SPECIES[0])
    for question in (parts.CLASS, parts.LEAD):
        assert list(by_question[question]) == [parts.OWN, parts.BASELINE, parts.ENERGY, parts.AREA, parts.BEST]
        for (shares,) in by_question[question].values():
            assert (shares.parts, shares.bird, shares.parts_of_bird) == pytest.approx((1, 1, 1))


def test_an_image_counts_once_whatever_the_number_of_sisters():
    def lead(*shares):
        return {parts.CLASS: {}, parts.LEAD: {parts.OWN: [parts.Shares(share, 1.0, share) for share in shares]}}

    joined_shares = parts.joined([[lead(0.2, 0.4), lead(0.9), lead(float("nan")), {parts.CLASS: {}, parts.LEAD: {}}]],
                         Sizes(4, 4))  # fmt: skip
    assert joined_shares.of(parts.LEAD, parts.OWN, "parts").value == pytest.approx(0.6)
    with pytest.raises(DatasetError, match="show none of the defining parts"):
        parts.joined([[lead(0.2)], [lead(float("nan"))]], Sizes(4, 4))


# --- a study


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Tinted images, an untrained network, and two splits."""
    backbone = load(spec_for(small_network), UNTRAINED, "cpu")
    dataset = tints(each=6)
    own, baseline = (parse_method(name, backbone.architecture) for name in ("cl@128", "global@128"))
    question = Question(own, baseline, seed=2)
    features = Features(dataset, backbone, question.sources, ArrayCache(tmp_path_factory.mktemp("cache")))
    return dataset, backbone, question, features, stratified_splits(dataset.targets, 2, 9, 0)


@pytest.fixture(scope="module")
def answer(tiny):
    dataset, _, question, features, splits = tiny
    return study(dataset, question, features, splits)


def test_a_study_has_the_accuracy_that_evaluate_finds(tiny, answer):
    _, _, question, features, splits = tiny
    report = evaluate_methods([question.method, question.baseline], features, Protocol(splits, False, 2))
    for accuracy, result in zip((answer.accuracy, answer.baseline_accuracy), report.methods, strict=True):
        assert accuracy.by_split == pytest.approx(result.measures["accuracy"].by_split)
    for curves in (answer.channels, answer.deletion):
        for order in curves.orders:
            assert curves.at(ACCURACY, order, 0.0).by_split == pytest.approx(answer.accuracy.by_split)
            assert curves.at(UNCHANGED, order, 0.0).value == 1
    assert answer.insertion.at(ACCURACY, orders.MOST_FIRST, 1.0).by_split == pytest.approx(answer.accuracy.by_split)


def test_taking_what_contributes_most_costs_more_margin_than_anything_else(answer):
    for fraction in answer.channels.fractions[1:]:
        lost = {order: answer.channels.change(MARGIN, order, fraction).value for order in answer.channels.orders}
        assert min(lost, key=lost.__getitem__) == orders.MOST_FIRST
        assert max(lost, key=lost.__getitem__) == orders.LEAST_FIRST


def test_a_study_can_be_repeated(tiny, answer):
    dataset, _, question, features, splits = tiny
    stages = []
    again = study(dataset, question, features, splits, progress=lambda *done: stages.append(done))
    assert stages[:2] == [("Split 1 of 2", 0, 9), ("Split 1 of 2", 1, 9)]
    assert stages[-1] == ("Split 2 of 2", 9, 9)
    other = study(dataset, replace(question, seed=3), features, splits)
    for name in ("channels", "deletion", "insertion"):
        first, second, third = (getattr(one, name).values[MARGIN] for one in (answer, again, other))
        np.testing.assert_array_equal(first, second)
        place = getattr(answer, name).orders.index(orders.RANDOM)
        assert not np.array_equal(first[:, place], third[:, place])


def test_findings_for_people_and_programs(answer):
    command, layout = ("crosspool", "faithfulness", "a b"), "Read as 3 classes, a folder for each."
    findings = FaithfulnessFindings(answer, "tiny", "Tiny", "untrained", command, layout)
    page = faithfulness_markdown(findings)
    assert layout in page
    assert "crosspool faithfulness 'a b'" in page
    assert "## 5 % of the channels taken away" in page
    assert f"({CHANNEL_DRAWS} draws each)" in page
    assert f"Random: {POSITION_DRAWS} draws" in page
    document = faithfulness_json(findings)
    assert document["layout"] == layout
    assert (document["splits"], document["train_images"], document["test_images"]) == (2, 9, 9)
    assert {curve["what"] for curve in document["curves"]} == {
        "channels taken away", "positions left out", "positions put in",
    }  # fmt: skip
    assert document["parts"] is None
    files = faithfulness_files(findings)
    assert list(files) == ["faithfulness.json", "faithfulness.md", "curves.csv", "curves.png", "curves.svg"]
    assert json.loads(files["faithfulness.json"]()) == json.loads(json.dumps(document))
    rows = files["curves.csv"]().decode().splitlines()
    assert rows[0] == "what,first,measure,fraction,value,interval_low,interval_high"
    assert len(rows) == 1 + sum(len(curve["values"]) for curve in document["curves"])
    assert files["curves.png"]().startswith(b"\x89PNG")
    assert b"</svg>" in files["curves.svg"]()


def test_impossible_questions_are_refused(tiny):
    dataset, backbone, question, features, splits = tiny
    with pytest.raises(SettingError, match="between 0 and 1, not 1"):
        replace(question, fraction=1.0)
    labels = Dataset("labels", dataset.classes, dataset.samples, np.eye(3, dtype=int)[dataset.targets])
    with pytest.raises(DatasetError, match="labels has several labels per image"):
        study(labels, question, features, splits)
    jittered = replace(question, method=parse_method("jitter@128", backbone.architecture))
    with pytest.raises(
        SettingError, match=r"jitter@128 has no map of where in the image its numbers come from; choose cl"
    ):
        study(dataset, jittered, features, [Split(split.train, split.test[:1]) for split in splits])
    with pytest.raises(SettingError, match="at least 2 splits, not 1"):
        study(dataset, question, features, splits[:1])
