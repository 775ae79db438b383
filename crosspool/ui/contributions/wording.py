"""Contributions in words and tables, and which channels to name or to leave out. Arrays in, text out."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crosspool.contributions import ABOUT_EXACT, TOLERANCE, Contributions
from crosspool.grids import Size
from crosspool.pooled_parts import Vector
from crosspool.text import amounts, plural, share_text
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import as_it_is, signed

Side = Literal["for", "against"]
Ablation = Literal["most", "least", "random"]
NONE_FITS = "None of the classes fits: all scores are negative."
SCORED_CLASSES = 6  # with the highest scores, shown beside those in question


def score_or_lead(scores: Vector, classes: Sequence[str], positive: str, against: str) -> float:
    """A class's score, or with a rival its lead over that."""
    score = scores[classes.index(positive)]
    return float(score - scores[classes.index(against)] if against else score)


def answer_sentence(
    scores: Vector,
    classes: Sequence[str],
    positive: str,
    against: str,
    contributions: Contributions,
    probabilities: Vector | None = None,
) -> str:
    """The answer in a sentence of Markdown: the score or the lead, and the rank; with the probability if it is known.

    Without probabilities the classes are those of trained machines, each of which says by a negative score that the
    image is not of its class.
    """
    order = np.argsort(-scores, kind="stable")
    rank = int(np.flatnonzero(order == classes.index(positive))[0]) + 1
    name, value = as_it_is(positive), signed(contributions.score)
    if against:
        ahead = "ahead of" if contributions.score >= 0 else "behind"
        points = signed(abs(contributions.score)).lstrip("+")
        lead = f"The score of **{name}** is **{points}** {ahead} that of **{as_it_is(against)}**."
        return f"{lead} {NONE_FITS}" if probabilities is None and scores.max() < 0 else lead
    if probabilities is not None:
        value += f"**, probability **{probability_text(probabilities[classes.index(positive)])}"
    elif scores.max() < 0:
        fits = f"{NONE_FITS} The closest is **{as_it_is(classes[order[0]])}**"
        return f"{fits} (score **{signed(scores[order[0]])}**)" + ("" if rank == 1 else f"; **{name}**: **{value}**")
    if rank == 1:
        return f"Top class: **{name}** (score **{value}**)"
    return (
        f"**{name}**: score **{value}**, rank {rank:,} of {len(classes):,}. "
        f"Top class: {as_it_is(classes[order[0]])} (score {signed(scores[order[0]])})"
    )


def probability_text(probability: float) -> str:
    """71 %, and less than 0.1 % for what is smaller."""
    if probability < 0.001:
        return "less than 0.1 %"
    digits = 0 if 0.1 <= probability < 0.995 else 1
    return f"{100 * probability:.{digits}f} %"


def balance_sentence(channels: Vector, intercept: float = 0.0) -> str:
    """A sentence: the evidence for a class and against it, and how many channels give half of that for it.

    The intercept is named where it is more than a hundredth of all evidence.
    """
    ahead, behind = channels[channels > 0], channels[channels < 0]
    if not len(ahead):
        return "No channel is evidence for it."
    half = int(np.searchsorted(np.sort(ahead)[::-1].cumsum(), ahead.sum() / 2)) + 1
    both = "Evidence for: {}; against: {}".format(*amounts([ahead.sum(), abs(behind.sum())], 4))
    if abs(intercept) > np.abs(channels).sum() / 100:
        both += f"; the {term('intercept')}, the same for every image, adds {signed(intercept)}"
    return f"{both}. Half of the evidence for it comes from {half:,} of {len(channels):,} channels."


def check_sentence(contributions: Contributions, total: str = "score") -> str:
    """The completeness check of a score, or of another sum that `total` names, in one line of Markdown."""
    check = contributions.check
    sums = [f"{len(contributions.channels):,} channels {signed(check.by_channel - check.intercept, 6)}"]
    positions = contributions.positions
    if positions is not None and check.by_position is not None:
        rows, columns = positions.shape
        sums.append(f"{rows}×{columns} positions {signed(check.by_position - check.intercept, 6)}")
    mark = ":green[:material/check_circle:]" if check.holds else ":red[:material/error:]"
    relation = "within" if check.holds else "**not** within"
    intercept = f"with the {term('intercept')} {signed(check.intercept)} " if check.intercept else ""
    return (
        f"{mark} **Adds up:** {', '.join(sums)}; {intercept}that is the {total} "
        f"{signed(check.score, 6)}, off by {share_text(check.error)} of its size, {relation} {share_text(TOLERANCE)}."
    )


def caution_sentence(*, normalises: bool, positions: bool) -> str:
    """Sentences about what is frozen, and what therefore cannot be concluded."""
    frozen = (
        "The normalisation after pooling is frozen at what it does to this image. So a contribution is what a channel "
        "adds to this score as it stands, not what the score would lose without the channel: for that, untick it below."
        if normalises
        else ABOUT_EXACT
    )
    if not positions:
        return frozen
    return (
        f"{frozen} A position summarises its whole {term('receptive field')}, often much of the image: its evidence "
        "does not prove that what lies under it decided, nor that painting over it would change the answer."
    )


# --- channels


def side_title(side: Side, positive: str, against: str) -> str:
    """The title of the channels on one side of a question, in Markdown; a rival is what the other side speaks for."""
    if side == "for":
        return f"Speaks for {as_it_is(positive)}" + (f" over {as_it_is(against)}" if against else "")
    return (
        f"Speaks for {as_it_is(against)} over {as_it_is(positive)}"
        if against
        else f"Speaks against {as_it_is(positive)}"
    )


def strongest_channels(channels: Vector, count: int) -> tuple[list[int], list[int]]:
    """The channels with the most evidence for the class, and those with the most against it, at most `count` each."""
    order = np.argsort(-channels, kind="stable")
    ahead = [int(k) for k in order[:count] if channels[k] > 0]
    behind = [int(k) for k in order[::-1][:count] if channels[k] < 0]
    return ahead, behind


def channels_to_leave_out(channels: Vector, ablation: Ablation, count: int, seed: int = 0) -> frozenset[int]:
    """The `count` channels with the largest or smallest contributions, or chosen at random."""
    if ablation == "random":
        chosen = np.random.default_rng(seed).choice(len(channels), count, replace=False)
    else:
        chosen = np.argsort(-channels if ablation == "most" else channels, kind="stable")[:count]
    return frozenset(int(k) for k in chosen)


def contribution_table(contributions: Contributions) -> pd.DataFrame:
    """All channels as numbers: contribution, share of energy, and where the largest evidence is."""
    table = pd.DataFrame(
        {
            "part": [part.name for part in contributions.parts for _ in part.channels],
            "channel": [k for part in contributions.parts for k in range(len(part.channels))],
            "contribution": contributions.channels,
            "energy_share": np.concatenate([part.energy for part in contributions.parts]),
        }
    )
    if contributions.positions is not None:
        strongest_cells = [_strongest(part.evidence) for part in contributions.parts if part.evidence is not None]
        for column, name in enumerate(("row", "column", "evidence_there")):
            table[name] = np.concatenate([cells[column] for cells in strongest_cells])
    return table


def _strongest(evidence: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp], Vector]:
    flat = evidence.reshape(len(evidence), -1)
    best = np.abs(flat).argmax(axis=1)
    rows, columns = np.unravel_index(best, evidence.shape[1:])
    return rows, columns, flat[np.arange(len(flat)), best]


# --- classes


def classes_to_show(before: Vector, after: Vector | None, always: Sequence[int]) -> list[int]:
    """The classes with the highest scores, before and after, and those in question."""
    best = [np.argsort(-scores, kind="stable")[:SCORED_CLASSES] for scores in (before, after) if scores is not None]
    wanted = {int(k) for k in np.concatenate([*best, np.asarray(always, np.intp)])}
    return sorted(wanted, key=lambda k: -before[k])


def change_sentence(
    before: Vector, after: Vector, classes: Sequence[str], question: tuple[str, str], frozen: float, count: int
) -> str:
    """In Markdown: what leaving channels out does to the score in question and to the predicted class."""
    positive, against = question
    start, end = (score_or_lead(scores, classes, positive, against) for scores in (before, after))
    name, change = as_it_is(positive) + (f" against {as_it_is(against)}" if against else ""), end - start
    is_same = abs(change + frozen) <= 1e-3 * max(abs(change), abs(frozen), 1e-9)
    comparison = ", exactly what the score lost." if is_same else ": not the same, as the rest is normalised again."
    text = (
        f"Without {plural(count, 'channel')}, **{name}** goes from {signed(start)} to **{signed(end)}**, a change of "
        f"**{signed(change)}**. {'This channel' if count == 1 else 'These channels'} contributed {signed(frozen)}"
        f"{comparison}"
    )
    first, last = classes[int(before.argmax())], classes[int(after.argmax())]
    if first == last:
        return f"{text} The top class is still {as_it_is(first)}."
    return f"{text} The top class is now **{as_it_is(last)}**, no longer {as_it_is(first)}."


# --- positions


def cell_of_other_grid(cell: Cell, size: Size, other: Size) -> Cell:
    """The cell of another grid over the same image that lies under the centre of this grid's `cell`."""
    row, column = (int((at + 0.5) * new / old) for at, old, new in zip(cell, size, other, strict=True))
    return row, column
