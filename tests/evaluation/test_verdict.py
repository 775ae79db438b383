"""The verdict on a comparison, in one sentence, from numbers written here."""

import pytest

from crosspool.errors import SettingError
from crosspool.evaluation.verdict import Contestant, Difference, Outcome
from crosspool.methods.wording import method_in_words, rivals


def outcome(shares, *differences, measure="accuracy"):
    return Outcome(measure, shares, [Difference(*each) for each in differences])


def test_a_clear_lead_is_more_than_chance():
    shares = {"global@224": 0.642, "cl@448": 0.738, "cl@224": 0.694, "global@448": 0.574}
    assert outcome(shares, ("cl@448", "global@224", 0.096, (0.025, 0.167))).verdict == (
        "Cross-layer pooling, 448 px, is right for 74 of 100 images; the fully-connected layer, 224 px, for 64. "
        "The difference of 9.6 points is more than chance explains (95 % interval +2.5 to +16.7)."
    )


def test_the_better_baseline_comes_first_and_the_sign_is_turned():
    text = outcome({"cl@448": 0.5, "global@224": 0.6}, ("cl@448", "global@224", -0.1, (-0.15, -0.05))).verdict
    assert text.startswith("The fully-connected layer, 224 px, is right for 60 of 100 images; cross-layer pooling,")
    assert "The difference of 10.0 points is more than chance explains (95 % interval +5.0 to +15.0)." in text


@pytest.mark.parametrize("interval", [(-0.02, 0.06), (0.0, 0.0)])
def test_an_interval_with_zero_is_no_clear_difference(interval):
    text = outcome({"cl@448": 0.62, "global@224": 0.6}, ("cl@448", "global@224", 0.02, interval)).verdict
    assert "There is no clear difference: +2.0 points" in text


def test_an_interval_goes_no_further_than_all_images():
    difference = ("cl@448", "global@224", 0.445, (-1.378, 2.267))
    assert "(95 % interval −100.0 to +100.0)" in outcome({"cl@448": 0.9, "global@224": 0.455}, difference).verdict


def test_a_method_of_another_kind_that_is_higher_is_named():
    shares = {"cl@448": 0.62, "sum@448": 0.8, "global@224": 0.6}
    end = " Better than both: the sum of a map, 448 px, right for 80."
    assert outcome(shares, ("cl@448", "global@224", 0.02, (-0.02, 0.06))).verdict.endswith(end)


def test_what_was_chosen_within_training_images_stands_for_its_kind():
    """Not the method that happens to be best on the test images."""
    shares = {"cl@448": 0.81, "global@224": 0.6, "global@320": 0.75, "global@448": 0.7}
    chosen = {
        "cross-layer": Contestant("best cross-layer", "cl@448", 0.8),
        "fully-connected": Contestant("best fully-connected", "global@448", 0.71, 3),
    }
    differences = [
        Difference("cl@448", "global@448", 0.1, (-0.1, 0.3)),
        Difference("best cross-layer", "best fully-connected", 0.09, (0.01, 0.17)),
    ]
    assert Outcome("accuracy", shares, differences, chosen).verdict == (
        "Cross-layer pooling, 448 px, is right for 80 of 100 images; "
        "the fully-connected layer, 448 px (chosen from 3), for 71. "
        "The difference of 9.0 points is more than chance explains (95 % interval +1.0 to +17.0)."
    )


PARTS = {"cl@448": 0.71, "global@224": 0.6, "parts-rcnn@448": 0.77}
FIRST = ("cl@448", "global@224", 0.11, (0.05, 0.17))
NEEDS_NONE = "cross-layer pooling needs no annotation."


@pytest.mark.parametrize(
    ("interval", "certainty"),
    [
        ((0.001, 0.118), "more than chance explains (95 % interval +0.1 to +11.8)"),
        ((-0.035, 0.155), "which is not a clear difference (95 % interval −3.5 to +15.5)"),
    ],
)
def test_what_annotated_parts_are_worth_stands_beside_that_pooling_needs_none(interval, certainty):
    text = outcome(PARTS, FIRST, ("parts-rcnn@448", "cl@448", 0.06, interval)).verdict
    assert text.endswith(
        " With annotated parts, a part-based R-CNN, 448 px, right for 77, "
        f"is ahead of cross-layer pooling by 6.0 points, {certainty}; {NEEDS_NONE}"
    )
    assert "Better than both" not in text  # that is said once


def test_a_lead_of_parts_that_was_not_tested_is_not_stated_in_points():
    text = outcome(PARTS, FIRST).verdict
    assert text.endswith(f"is ahead of cross-layer pooling, but how sure that is was not tested; {NEEDS_NONE}")


def test_parts_are_spoken_of_where_another_method_is_best_and_without_a_fully_connected_one():
    for shares in (PARTS | {"bilinear@448": 0.9}, {"cl@448": 0.71, "parts-rcnn@448": 0.77}):
        text = outcome(shares, ("parts-rcnn@448", "cl@448", 0.06, (0.01, 0.11))).verdict
        assert "With annotated parts, a part-based R-CNN, 448 px, right for 77, is ahead" in text
        assert text.endswith(NEEDS_NONE)
    assert "annotat" not in outcome(PARTS | {"parts-rcnn@448": 0.7}, FIRST).verdict  # it is behind


def test_true_parts_are_an_upper_bound_and_do_not_stand_for_detected_ones():
    shares = {"cl@448": 0.71, "parts-rcnn@448/true": 0.9}
    assert outcome(shares).verdict.endswith(" Its boxes of test images are the true ones: an upper bound.")
    assert "448 px, right for 77, is ahead" in outcome(PARTS | shares, FIRST).verdict
    assert "upper bound" not in outcome(PARTS | shares, FIRST).verdict


def test_without_a_comparison_nothing_is_said_of_chance():
    assert outcome({"cl@448": 0.62, "global@224": 0.6}).verdict.endswith("How sure that is was not tested.")
    assert outcome({"cl@448": 0.62}).verdict == "Cross-layer pooling, 448 px, is right for 62 of 100 images."


def test_a_data_set_with_several_labels_has_its_own_measure():
    text = outcome({"cl@448": 0.62, "max@448": 0.6}, measure="mean_average_precision").verdict
    assert text.startswith(
        "Cross-layer pooling, 448 px, mean average precision 62.0 %; the maximum of a map, 448 px, mean average"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cl@448", "cross-layer pooling, 448 px"),
        ("cl:features.10@448/pca64", "cross-layer pooling, layer features.10, 448 px, 64 components"),
        ("cl@448/ternary", "cross-layer pooling, 448 px, 2 bits per number"),
        ("cl@448+global@448", "cross-layer pooling, 448 px with fully-connected layer, 448 px"),
        ("sum@448/lower", "sum of a map, 448 px, lower layer"),
        ("CL-45", "cross-layer pooling, layer features.10, 500 components"),
    ],
)
def test_methods_in_words(name, words):
    assert method_in_words(name) == words


def test_rivals_are_of_one_kind_each():
    names = ["cl@448", "jitter@224", "max@448", "cl-c@448", "cl@448+global@448", "ft+cl@448"]
    assert rivals(names) == {"cross-layer": ["cl@448", "cl-c@448"], "fully-connected": ["jitter@224"]}
    assert rivals(["max@448", "gem@448"]) == {}
    with pytest.raises(SettingError, match="There is no method"):
        method_in_words("nothing@448")
