"""Every number of docs/results.md, on a tiny network, against tests/plain_numbers.py, which shares nothing with the
package; and a list that fails where the page gains a column or a method that has no such test."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from crosspool.backbones import UNTRAINED, load
from crosspool.cache import ArrayCache
from crosspool.contributions import explanation_of
from crosspool.datasets import Split
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods
from crosspool.evaluation.tables import difference_verdict
from crosspool.faithfulness.curves import ACCURACY, ENERGY_LEFT, MARGIN, UNCHANGED
from crosspool.faithfulness.orders import ExplainedImage, channel_orders, position_orders
from crosspool.faithfulness.study import CHANNEL_DRAWS, POSITION_DRAWS, Question, study
from crosspool.features import Features
from crosspool.localisation import find_best_channels
from crosspool.methods import parse_method, parse_methods
from crosspool.methods.grammar import parse_parts
from crosspool.training import train_classifier
from tests import plain_numbers as plain
from tests.images import dataset_of, png
from tests.networks import Net, spec_for

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results.md"
METHODS = (
    "cl@128", "cl@192", "cl-f@256", "cl-c@256", "cl@128/pca5", "cl@128/ternary", "cl@128/ternary0",
    "cl@128+global@128", "global@128", "global:last@128", "jitter@128", "cnnaug-svm@128", "sum@128", "max@128",
    "pyramid@128", "cnn-svm@128", "gem@128",
)  # fmt: skip
BASELINES = ("global@128", "sum@128")
COUNT, CLASSES = 21, 3
SPLITS = (
    (range(12), range(12, 21)),
    (range(9, 21), range(9)),
    ([*range(6), *range(12, 18)], [*range(6, 12), 18, 19, 20]),
)  # of training and of test images
TARGETS = np.arange(COUNT) % CLASSES


def network():
    return Net(
        lambda net, x: net.last(net.second(net.first(x).relu()).relu().mean((2, 3))),
        first=nn.Conv2d(3, 4, 5, stride=24),
        second=nn.Conv2d(4, 5, 3, padding=1),
        last=nn.Linear(5, 7, bias=False),
    )


@pytest.fixture(scope="module")
def backbone():
    return load(spec_for(network, classes=tuple("abcdefg")), UNTRAINED, "cpu")


@pytest.fixture(scope="module")
def plain_network(backbone):
    state = {name: value.numpy().astype(float) for name, value in backbone.model.state_dict().items()}
    first, second = ((state[f"{name}.weight"], state[f"{name}.bias"]) for name in ("first", "second"))
    return plain.Network(first, second, state["last.weight"], stride=24)


@pytest.fixture(scope="module")
def images():
    """Patches of random colours, of which one is a little stronger, so that not every image is recognised."""
    draw = np.random.default_rng(0)
    patches = draw.integers(0, 200, (COUNT, 6, 6, 3))
    for index, each in enumerate(patches):
        each[..., index % CLASSES] += 55
    return [Image.fromarray(each.astype(np.uint8)).resize((90, 70), Image.Resampling.BICUBIC) for each in patches]


@pytest.fixture(scope="module")
def dataset(images):
    return dataset_of([png(image) for image in images], TARGETS)


@pytest.fixture(scope="module")
def features(dataset, backbone, tmp_path_factory):
    methods = parse_methods(",".join(METHODS), backbone.architecture)
    sources = sorted({source for method in methods for source in (*method.sources, *method.sources_to_explain)})
    return Features(dataset, backbone, sources, ArrayCache(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def splits():
    return [Split(np.array(train), np.array(test)) for train, test in SPLITS]


@pytest.fixture(scope="module")
def report(features, splits, backbone):
    methods = parse_methods(",".join(METHODS), backbone.architecture)
    return evaluate_methods(methods, features, Protocol(splits, official=False), BASELINES)


@pytest.fixture(scope="module")
def vectors(images, plain_network):
    """The vectors of all images by a method's name; where it learns, for some training images."""
    cache = {}

    def encode(name, train):
        components, key = None, name
        if "/pca" in name:
            lowers = [plain_network.maps(plain.views_of(images[i], 128, "whole")[0])[0] for i in train]
            local = np.concatenate([plain.patches_of(lower) for lower in lowers])
            components, key = plain.principal_components(local, int(name.split("/pca")[1])), (name, tuple(train))
        if key not in cache:
            cache[key] = np.array([plain.vector_of(name, plain_network, image, components) for image in images])
        return cache[key]

    return encode


@pytest.fixture(scope="module")
def plain_scores(vectors):
    """The scores of each method's test images, (n, classes), split by split."""

    def scores(name, train, test):
        of = vectors(name, train)
        return plain.machine_scores(of[list(train)], TARGETS[list(train)], of[list(test)])

    return {name: [scores(name, *split) for split in SPLITS] for name in METHODS}


@pytest.fixture(scope="module")
def right(plain_scores):
    """Which test images each method gets right, split by split: {image: whether}."""
    return {
        name: [
            dict(zip(test, (each.argmax(axis=1) == TARGETS[list(test)]).tolist(), strict=True))
            for each, (_, test) in zip(scores, SPLITS, strict=True)
        ]
        for name, scores in plain_scores.items()
    }


def result_of(report, name):
    """The result of one of METHODS, whose order is the report's."""
    return report.methods[METHODS.index(name)]


def accuracies(right_of_split):
    return [sum(right.values()) / len(right) for right in right_of_split]


# --- the tables of methods


@pytest.mark.parametrize("name", METHODS)
def test_predictions_and_accuracies(report, plain_scores, right, name):
    result = result_of(report, name)
    for outcome, scores in zip(result.outcomes, plain_scores[name], strict=True):
        assert outcome.scores == pytest.approx(scores, abs=0.02)  # machines stop at a tolerance
        assert outcome.scores.argmax(axis=1).tolist() == scores.argmax(axis=1).tolist()
    expected = accuracies(right[name])
    assert result.measures["accuracy"].by_split == pytest.approx(expected)
    assert result.measures["accuracy"].value == pytest.approx(sum(expected) / len(SPLITS))


@pytest.mark.parametrize("name", METHODS)
def test_accuracies_of_classes(report, plain_scores, name):
    expected = [
        plain.class_mean(TARGETS[list(test)], scores.argmax(axis=1))
        for scores, (_, test) in zip(plain_scores[name], SPLITS, strict=True)
    ]
    assert result_of(report, name).measures["mean_class_accuracy"].by_split == pytest.approx(expected)


@pytest.mark.parametrize("name", METHODS)
def test_intervals_of_accuracies(report, right, name):
    interval = result_of(report, name).measures["accuracy"].interval
    assert (interval.low, interval.high) == pytest.approx(plain.corrected_interval(accuracies(right[name]), 12, 9))


@pytest.mark.parametrize("name", METHODS)
def test_dimensions_and_storage(report, vectors, name):
    length = len(vectors(name, SPLITS[0][0])[0])
    result = result_of(report, name)
    assert result.dimensions == length
    assert result.bytes_per_image == (length // 4 if "ternary" in name else 4 * length)  # 2 bits, or 32, a number


# --- the tables of differences


def paired_of(report, name, baseline):
    position = METHODS.index(baseline)
    return next(
        pair for pair in report.paired
        if (pair.method, pair.baseline) == (result_of(report, name).name, report.methods[position].name)
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name in METHODS if name not in BASELINES])
@pytest.mark.parametrize("baseline", BASELINES)
def test_differences(report, right, name, baseline):
    pair = paired_of(report, name, baseline)
    differences = [
        ours - theirs for ours, theirs in zip(accuracies(right[name]), accuracies(right[baseline]), strict=True)
    ]
    low, high = plain.corrected_interval(differences, 12, 9)
    assert pair.difference == pytest.approx(sum(differences) / len(differences))
    assert (pair.interval.low, pair.interval.high) == pytest.approx((low, high))
    verdict = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    assert difference_verdict(pair) == ("no clear difference" if high - low < 1e-9 else verdict)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in BASELINES])
@pytest.mark.parametrize("baseline", BASELINES)
def test_images_that_only_one_gets_right(report, right, name, baseline):
    votes = [(plain.majority_right(right[name], i), plain.majority_right(right[baseline], i)) for i in range(COUNT)]
    only_ours, only_theirs = votes.count((True, False)), votes.count((False, True))
    mcnemar = paired_of(report, name, baseline).mcnemar
    assert (mcnemar.only_a, mcnemar.only_b) == (only_ours, only_theirs)
    assert mcnemar.p_value == pytest.approx(plain.mcnemar_p(only_ours, only_theirs))


# --- the tables of what is taken away


SHARES = tuple(step / 10 for step in range(11))
CHANNEL_SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
MEASURES = (ACCURACY, UNCHANGED, MARGIN)


@pytest.fixture(scope="module")
def question(backbone):
    own, baseline = (parse_method(name, backbone.architecture) for name in ("cl@128", "global@128"))
    return Question(own, baseline, fraction=0.4, pixels=1)


@pytest.fixture(scope="module")
def answer(dataset, question, features, splits):
    return study(dataset, question, features, splits[:2])


@pytest.fixture(scope="module")
def removed(images, dataset, question, features, splits, plain_network):
    """The measures of the same study, (splits, shares, measures), by table and order.

    Classifiers, whose training is compared above, and what is drawn at random are the package's.
    """
    tables: dict[tuple[str, str], list[np.ndarray]] = {}
    for number, split in enumerate(splits[:2]):
        subset = dataset.subset(split.train)
        own, baseline = (
            train_classifier(subset, features.restricted_to(subset), method)
            for method in (question.method, question.baseline)
        )
        hidden = np.random.default_rng([0, number]).permutation(split.test)[0]
        of_images: dict[tuple[str, str], list[np.ndarray]] = {}
        for index in split.test.tolist():
            view = plain.views_of(images[index], 128, "whole")[0]
            image = plain.Removal(plain_network, view, own.weights.astype(float), own.intercept)
            record = features.record(index, question.sources)
            explained = ExplainedImage(explanation_of(own, record), explanation_of(baseline, record))
            draw = np.random.default_rng([0, number, index])
            drawn = channel_orders(explained, draw, CHANNEL_DRAWS), position_orders(explained, draw, POSITION_DRAWS)
            measures = without_channels(image, TARGETS[index], drawn[0])
            orders = orders_of_positions(image, baseline) | {"random": drawn[1]["random"]}
            measures |= both_ways(image.keeping_positions, image, TARGETS[index], orders, "")
            if index == hidden:
                orders["random"] = orders["random"][:1]
                measures |= both_ways(image.keeping_pixels, image, TARGETS[index], orders, "pixel_")
            for key, values in measures.items():
                of_images.setdefault(key, []).append(values)
        for key, values in of_images.items():
            tables.setdefault(key, []).append(np.mean(values, axis=0))
    return {key: np.array(values) for key, values in tables.items()}


def without_channels(image, target, drawn):
    """The measures and the energy that is left, for the mean of an order's rankings."""
    added, energy = image.by_channel(image.weights[image.predicted]), image.by_channel(image.vector)
    orders = {name: rankings for name, rankings in drawn.items() if name.startswith("random")}
    orders |= {"most": [plain.largest_first(added)], "least": [plain.largest_first(-added)]}
    orders["energy"] = [plain.largest_first(energy)]

    def measured(ranking, count):
        kept = ranking[count:]
        scores = image.keeping_channels(kept)
        return *image.measured(scores, target), energy[list(kept)].sum() / energy.sum()

    counts = plain.removed_counts(CHANNEL_SHARES, len(energy))
    return {
        ("channels", name): np.mean([[measured(ranking, count) for count in counts] for ranking in rankings], axis=0)
        for name, rankings in orders.items()
    }


def orders_of_positions(image, baseline):
    """The rankings of positions that nothing is drawn for; the baseline's by its class activation maps."""
    mean = image.upper.mean((1, 2))
    scores = baseline.weights @ plain.unit(mean) + baseline.intercept
    by_name = {
        "most": image.by_position(image.weights[image.predicted]),
        "baseline": baseline.weights[scores.argmax()].astype(float) @ image.maps,
        "baseline, same class": baseline.weights[image.predicted].astype(float) @ image.maps,
        "energy": image.by_position(image.vector),
        "centre": [-distance for distance in plain.from_centre(*image.upper.shape[1:])],
    }
    return {name: [plain.largest_first(values)] for name, values in by_name.items()}


def both_ways(keeping, image, target, orders, kind):
    """The measures when the first positions are left out, and when they alone are put in."""
    counts = plain.removed_counts(SHARES, image.maps.shape[1])
    ways = {"deletion": lambda ranking, count: ranking[count:], "insertion": lambda ranking, count: ranking[:count]}
    return {
        (kind + way, name): np.mean(
            [[image.measured(keeping(list(kept(ranking, count))), target) for count in counts] for ranking in rankings],
            axis=0,
        )
        for way, kept in ways.items()
        for name, rankings in orders.items()
    }


TABLES = ("channels", "deletion", "insertion", "pixel_deletion", "pixel_insertion")


@pytest.mark.parametrize("table", TABLES)
def test_measures_of_what_remains(answer, removed, table):
    curves = getattr(answer, table)
    assert curves.fractions == (CHANNEL_SHARES if table == "channels" else SHARES)
    assert {(table, order) for order in curves.orders} == {key for key in removed if key[0] == table}
    names = (*MEASURES, ENERGY_LEFT) if table == "channels" else MEASURES
    for place, order in enumerate(curves.orders):
        for number, measure in enumerate(names):
            expected = removed[table, order][..., number]
            assert curves.values[measure][:, place] == pytest.approx(expected, abs=2e-5), (order, measure)


@pytest.mark.parametrize("table", TABLES[1:])
@pytest.mark.parametrize("number", [0, 2], ids=["accuracy", "margin"])
def test_areas_under_curves(answer, removed, table, number):
    curves = getattr(answer, table)
    areas = {
        order: [plain.area_under(values) for values in removed[table, order][..., number]] for order in curves.orders
    }
    expect_measured(partial(curves.area, MEASURES[number]), areas, curves.sizes)


@pytest.mark.parametrize("number", [0, 1, 2], ids=MEASURES)
def test_measures_without_some_channels(answer, removed, number):
    curves = answer.channels
    last = {order: removed["channels", order][:, -1, number] for order in curves.orders}
    expect_measured(partial(curves.at, MEASURES[number], fraction=0.4), last, curves.sizes)
    for order in curves.orders:
        change = last[order] - removed["channels", order][:, 0, number]
        assert curves.change(MEASURES[number], order, 0.4).by_split == pytest.approx(change, abs=2e-5)


def expect_measured(measured, by_order, sizes):
    """Each order's mean and interval, and those of the lead of "most" over it."""
    for order, values in by_order.items():
        lead = np.subtract(by_order["most"], values)
        for found, expected in ((measured(order=order), values), (measured(order="most", against=order), lead)):
            assert found.value == pytest.approx(np.mean(expected), abs=2e-5)
            ends = plain.corrected_interval(list(expected), sizes.train, sizes.test)
            assert (found.interval.low, found.interval.high) == pytest.approx(ends, abs=1e-3)


# --- the table of parts


def test_localisation():
    """The channel with the best precision on training images, and its means on others, with the bootstrap's ends."""
    draw = np.random.default_rng(0)

    def examples(count):
        for _ in range(count):
            mask = np.zeros((12, 12), bool)
            row, column = draw.integers(0, 3, 2) * 4
            mask[row : row + 4, column : column + 4] = True
            maps = np.minimum(draw.random((6, 3, 3)) * 2, 1)  # a ceiling, so that peaks are tied
            maps[4, row // 4, column // 4] += 0.5
            yield {"upper": torch.tensor(maps)}, {"part": mask}

    training, test = list(examples(8)), list(examples(9))

    def scores_of(example, channel):
        weights, mask = example[0]["upper"][channel].numpy(), example[1]["part"]
        share = mask.reshape(3, 4, 3, 4).mean((1, 3))
        return plain.precision_of(weights, share), share[weights == weights.max()].mean(), share.mean()

    (result,) = find_best_channels(training, test)
    means = [np.mean([scores_of(example, channel)[0] for example in training]) for channel in range(6)]
    assert result.channel == max(range(6), key=means.__getitem__) == 4
    assert result.images == 9
    precision, pointing, chance = zip(*(scores_of(example, 4) for example in test), strict=True)
    assert (result.precision, result.pointing) == pytest.approx((np.mean(precision), np.mean(pointing)))
    assert result.chance == pytest.approx(np.mean(chance))
    for interval, values in ((result.precision_interval, precision), (result.pointing_interval, pointing)):
        draws = np.random.default_rng(0)
        resampled = [np.mean([values[i] for i in draws.integers(9, size=9)]) for _ in range(2000)]
        assert interval is not None
        assert interval.ends == pytest.approx(np.percentile(resampled, [2.5, 97.5]).tolist())


# --- nothing is left out

BY_HAND = "tests/faithfulness/test_faithfulness.py::test_shares_by_hand"
SERIES = r"\d+ %"
COLUMNS = {
    "accuracy": "test_predictions_and_accuracies",
    "per class": "test_accuracies_of_classes",
    "95 % interval": "test_intervals_of_accuracies",  # of differences: test_differences
    "dimensions": "test_dimensions_and_storage",
    "storage": "test_dimensions_and_storage",
    "points": "test_differences",
    "against cl@448": "test_differences",
    "difference": "test_differences",
    "only right": "test_images_that_only_one_gets_right",
    "p": "test_images_that_only_one_gets_right",
    "accuracy %": "test_areas_under_curves",  # without some channels: test_measures_without_some_channels
    "“most” against it": "test_areas_under_curves",
    "unchanged %": "test_measures_without_some_channels",
    "margin": "test_measures_without_some_channels",
    "energy gone %": "test_measures_of_what_remains",
    SERIES: "test_measures_of_what_remains",
    "in the parts %": BY_HAND,
    "“evidence” against it": BY_HAND,
    "in the bird %": BY_HAND,
    "of that, in the parts %": BY_HAND,
    "chosen": "tests/evaluation/test_choice.py::test_each_split_has_the_method_that_is_best_within_its_training_images",
    "AP %": "test_localisation",
    "pointing %": "test_localisation",
    "chance %": "test_localisation",
    "channel": "test_localisation",
    "images": "test_localisation",
}
NAMES = {"", "choice", "method", "against", "first", "first taken", "map", "part", "layer", "splits"}
MEASURED_ON_A_CLOCK = {"time", "in all", "memory"}
# Of methods that are learned, or too long for a plain twin.
REFERENCES = {
    "bilinear": "tests/test_second_order.py::test_bilinear_by_hand",
    "compact": "tests/test_second_order.py::test_a_sketch_adds_each_product_to_its_place",
    "compact-cl": "tests/test_second_order.py::test_a_sketch_adds_each_product_to_its_place",
    "dpd": "tests/test_star_model.py::test_scores_are_those_of_every_displacement",
    "dpd-cnn": "tests/test_star_model.py::test_scores_are_those_of_every_displacement",
    "ft": "tests/test_fine_tuning.py::test_a_step_is_that_of_a_slow_reference",
    "fv": "tests/test_codebooks.py::test_fisher_vectors_are_scaled_gradients_of_the_likelihood",
    "guided": "tests/test_guidance.py::test_pooled_vectors_against_a_slow_loop",
    "isqrt": "tests/test_second_order.py::test_few_iterations_are_newtons_of_each_eigenvalue",
    "parts-rcnn": "tests/parts/test_parts_rcnn.py::test_the_best_boxes_are_those_of_all_configurations",
    "scda": "tests/test_baselines.py::test_the_selected_region_is_the_largest_connected_one",
    "scfv": "tests/test_codebooks.py::test_sparse_fisher_vectors_are_gradients_by_the_dictionary",
    "vlad": "tests/test_codebooks.py::test_vlad_sums_the_differences_from_the_nearest_centre",
}
OF_TWO_NETWORKS = "tests/test_two_networks.py::test_the_vector_is_both_vectors_side_by_side"


def titles(page):
    """The titles of the columns of all tables: of Markdown, and of those that a command printed with a rule below."""
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^(\|.*\|)\n\| -", page, re.MULTILINE)]
    rows += [re.split(r" {2,}", row) for row in re.findall(r"^(\w.*)\n─+$", page, re.MULTILINE)]
    return {SERIES if re.fullmatch(SERIES, title) else title for row in rows for title in row}


def expect_test(test):
    """A test of this name is there: in this file, or path::name."""
    path, _, name = test.rpartition("::")
    text = (Path(__file__).parent.parent / path if path else Path(__file__)).read_text(encoding="utf-8")
    assert f"\ndef {name}(" in text


def test_every_column_has_a_test():
    published = titles(RESULTS.read_text(encoding="utf-8"))
    assert published - NAMES - MEASURED_ON_A_CLOCK == set(COLUMNS)
    for test in COLUMNS.values():
        expect_test(test)


def test_every_method_has_a_test():
    """Whatever its size, or the number of its components."""
    tested = {part.name for name in METHODS for part in parse_parts(name)[0]}
    page = RESULTS.read_text(encoding="utf-8")
    published = set(re.findall(r"^\| (?:\d+ \| )?`?([a-z-]+(?:/\w+)?[@+][^ |`]+)`? \| ", page, re.MULTILINE))
    assert len(published) > 30
    for part in (part for name in published for part in parse_parts(name)[0]):
        assert part.name in tested | REFERENCES.keys(), part
        if part.name in REFERENCES:
            expect_test(REFERENCES[part.name])
    expect_test(OF_TWO_NETWORKS)
