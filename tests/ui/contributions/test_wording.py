"""Contributions in words, and which channels are named and left out."""

import re

import numpy as np
import pytest

from crosspool.contributions import Contributions
from crosspool.pooled_parts import PartContributions
from crosspool.ui.contributions.wording import (
    answer_sentence,
    balance_sentence,
    cell_of_other_grid,
    change_sentence,
    channels_to_leave_out,
    check_sentence,
    classes_to_show,
    contribution_table,
    strongest_channels,
)
from crosspool.ui.widgets.text import signed

CLASSES = ("auk", "*tern*", "gull")
SCORES = np.array([2.0, 5.0, -1.0])
CHANNELS = np.array([3.0, -1.0, 2.5, 0.0, 1.5])
EVIDENCE = np.zeros((5, 2, 2))
EVIDENCE[:, 0, 1] = CHANNELS + 1
EVIDENCE[:, 1, 0] = -1
ONE = Contributions(6.5, 0.5, (PartContributions("cl", CHANNELS, np.full(5, 0.2), np.abs(EVIDENCE), EVIDENCE),))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9.1, "+9.10"),
        (-0.0123, "−0.0123"),
        (0.0, "0"),
        (1234.5, "+1,234"),
        (0.00012345, "+0.000123"),
        (-1.5e-9, "≈0"),
        (0.0000015, "+0.00000150"),
        (99.96, "+100.0"),
    ],
)
def test_numbers_with_their_sign(value, text):
    assert signed(value) == text


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (("*tern*", ""), r"Top class: **\*tern\*** (score **+6.50**)"),
        (("auk", ""), r"**auk**: score **+6.50**, rank 2 of 3. Top class: \*tern\* (score +5.00)"),
        (("*tern*", "auk"), r"The score of **\*tern\*** is **6.50** ahead of that of **auk**."),
    ],
)
def test_the_answer_names_score_rank_and_rival(question, sentence):
    positive, against = question
    assert answer_sentence(SCORES, CLASSES, positive, against, ONE) == sentence


def test_the_answer_of_a_network_has_a_probability():
    probabilities = np.array([0.0472, 0.9503, 0.0005])
    sentences = [answer_sentence(SCORES, CLASSES, name, "", ONE, probabilities) for name in CLASSES]
    assert sentences[1] == r"Top class: **\*tern\*** (score **+6.50**, probability **95 %**)"
    assert sentences[0].startswith("**auk**: score **+6.50**, probability **4.7 %**, rank 2 of 3.")
    assert "probability **less than 0.1 %**" in sentences[2]


def test_scores_that_are_all_negative_mean_that_no_class_fits():
    start = "None of the classes fits: all scores are negative. The closest is **auk** (score **−0.500**)"
    scores = np.array([-0.5, -1.0, -2.0])
    assert answer_sentence(scores, CLASSES, "auk", "", ONE) == start
    assert answer_sentence(scores, CLASSES, "gull", "", ONE) == f"{start}; **gull**: **+6.50**"
    assert answer_sentence(scores, CLASSES, "gull", "auk", ONE) == (
        "The score of **gull** is **6.50** ahead of that of **auk**. None of the classes fits: all scores are negative."
    )
    assert "fits" not in answer_sentence(scores, CLASSES, "auk", "", ONE, np.array([0.5, 0.3, 0.2]))


def test_a_negative_lead_is_behind():
    behind = Contributions(-6.5, 0.5, ONE.parts)
    assert (
        answer_sentence(SCORES, CLASSES, "gull", "auk", behind)
        == "The score of **gull** is **6.50** behind that of **auk**."
    )


def test_the_balance_counts_the_fewest_channels_that_give_half():
    half = "Half of the evidence for it comes from 2 of 5 channels."
    assert balance_sentence(CHANNELS) == f"Evidence for: 7.000; against: 1.000. {half}"
    assert balance_sentence(CHANNELS, 0.07) == f"Evidence for: 7.000; against: 1.000. {half}"
    amounts = (
        "Evidence for: 7.000; against: 1.000; the [intercept](#term-intercept), the same for every image, adds −0.500."
    )
    assert balance_sentence(CHANNELS, -0.5) == f"{amounts} {half}"
    assert balance_sentence(np.array([10.15, -1.045])).startswith("Evidence for: 10.15; against: 1.04.")
    assert balance_sentence(np.array([12.5])).startswith("Evidence for: 12.50; against: 0.00.")
    assert balance_sentence(-np.abs(CHANNELS)) == "No channel is evidence for it."


def test_the_check_says_whether_it_adds_up():
    assert (
        "5 channels +6.00000, 2×2 positions +6.00000; with the [intercept](#term-intercept) +0.500 that is the score"
        in (check_sentence(ONE))
    )
    assert "; that is the inner product +6.00000, off" in check_sentence(
        Contributions(6.0, 0.0, ONE.parts), "inner product"
    )
    assert "within 0.0001." in check_sentence(ONE)
    assert "**not** within 0.0001." in check_sentence(Contributions(6.6, 0.5, ONE.parts))


def test_the_strongest_channels_for_and_against():
    assert strongest_channels(CHANNELS, 2) == ([0, 2], [1])
    assert strongest_channels(CHANNELS, 9) == ([0, 2, 4], [1])


def test_the_channels_to_leave_out():
    assert channels_to_leave_out(CHANNELS, "most", 2) == {0, 2}
    assert channels_to_leave_out(CHANNELS, "least", 2) == {1, 3}
    chance = [channels_to_leave_out(CHANNELS, "random", 2, seed) for seed in (0, 0, *range(1, 9))]
    assert chance[0] == chance[1]
    assert len(set(chance)) > 1
    assert {len(chosen) for chosen in chance} == {2}


def test_the_table_has_the_strongest_evidence_of_each_channel():
    table = contribution_table(ONE)
    assert table["contribution"].tolist() == CHANNELS.tolist()
    assert table[["row", "column", "evidence_there"]].to_numpy()[:2].tolist() == [[0, 1, 4], [1, 0, -1]]
    unknown = Contributions(6.5, 0.5, (PartContributions("fc", CHANNELS, np.full(5, 0.2), None, None),))
    assert list(contribution_table(unknown).columns) == ["part", "channel", "contribution", "energy_share"]


def test_classes_whose_scores_rise_are_shown_too():
    before, after = np.arange(20.0), np.arange(20.0)[::-1]
    assert classes_to_show(before, None, [3]) == [19, 18, 17, 16, 15, 14, 3]
    assert set(classes_to_show(before, after, [])) == {*range(6), *range(14, 20)}


@pytest.mark.parametrize(
    ("after", "ending"),
    [
        (
            [2.0, 4.0, -1.0],
            "goes from +5.00 to **+4.00**, a change of **−1.00**. This channel contributed +1.00, exactly "
            r"what the score lost. The top class is still \*tern\*.",
        ),
        (
            [2.0, 1.0, -1.0],
            "goes from +5.00 to **+1.00**, a change of **−4.00**. This channel contributed +1.00: not the "
            r"same, as the rest is normalised again. The top class is now **auk**, no longer \*tern\*.",
        ),
    ],
)
def test_what_leaving_out_changes(after, ending):
    sentence = change_sentence(SCORES, np.array(after), CLASSES, ("*tern*", ""), 1.0, 1)
    assert sentence == rf"Without 1 channel, **\*tern\*** {ending}"


def test_a_change_of_a_lead():
    sentence = change_sentence(SCORES, np.array([3.0, 5.0, -1.0]), CLASSES, ("*tern*", "auk"), 0.5, 3)
    assert re.match(
        r"Without 3 channels, \*\*\\\*tern\\\* against auk\*\* goes from \+3\.00 to \*\*\+2\.00\*\*", sentence
    )


def test_cells_of_another_grid():
    assert cell_of_other_grid((0, 3), (7, 7), (14, 14)) == (1, 7)
    assert cell_of_other_grid((13, 13), (14, 14), (7, 7)) == (6, 6)
    assert [
        cell_of_other_grid(cell_of_other_grid((r, 0), (14, 14), (14, 14)), (14, 14), (14, 14)) for r in range(14)
    ] == [(r, 0) for r in range(14)]


def test_the_channels_at_a_position_add_up_to_it():
    coarse = PartContributions("coarse", np.array([4.0]), np.ones(1), np.ones((1, 1, 1)), np.full((1, 1, 1), 4.0))
    both = Contributions(10.5, 0.5, (ONE.parts[0], coarse))
    positions = np.asarray(both.positions)
    for row, column in np.ndindex(2, 2):
        amounts = both.channels_at(row, column)
        assert amounts[:5] == pytest.approx(EVIDENCE[:, row, column])
        assert amounts[5] == 1.0  # a quarter of the coarse cell
        assert amounts.sum() == pytest.approx(positions[row, column])
