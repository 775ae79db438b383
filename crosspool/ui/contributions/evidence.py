"""Evidence over the image: of all channels together, of a fully-connected layer, and of one channel; the scores."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from crosspool.classifiers import TRAINED_ON
from crosspool.drawing.rendering import PATCH_COLOUR, SIGNED_COLOUR_MAP, cell_box, colour_range_of, with_boxes
from crosspool.grids import largest_cells
from crosspool.pooled_parts import Vector
from crosspool.text import rough_percent
from crosspool.ui.comparison.wording import method_markdown, method_title
from crosspool.ui.contributions import wording
from crosspool.ui.contributions.explaining import Explained, ExplainedClassifier
from crosspool.ui.contributions.question import ContributionState
from crosspool.ui.contributions.wording import cell_of_other_grid
from crosspool.ui.maps.large_images import LARGE, overlay_image
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import visit_state
from crosspool.ui.widgets.bars import Bar, bars
from crosspool.ui.widgets.cell_image import Cell, cell_image
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import as_it_is, cells_name, signed

CHANNELS_AT_A_POSITION = 10
PROBABILITIES = f"Beside the score: its probability, by {term('softmax')} over all classes."
NO_PROBABILITIES = (
    "There are no probabilities: a support vector machine learns which side of a boundary an image is on, each class "
    "by itself, and not how likely that is."
)


def columns_that_wrap(key: str, count: int) -> Sequence[DeltaGenerator]:
    """Columns for large images, which the styles let wrap in a narrow window."""
    with st.container(key=f"large-{key}"):
        return st.columns(count, gap="medium")


def evidence_overlay(
    view: ContributionState, evidence: np.ndarray, *, key: str, whose: str, photo: Image.Image | None = None
) -> None:
    """Evidence over the image, in colours that are centred at zero; clicks select a position."""
    total, strongest = signed(evidence.sum()), largest_cells(evidence)
    alt = (
        f"Evidence of {whose} over the image, {total} in total; the strongest, {signed(evidence[strongest[0]])}, is at "
        f"{cells_name(strongest)}."
    )
    label = f"evidence at each position; {total} in total"
    _overlay(view, photo or view.explained.photo, evidence, mixed=True, alt=alt, label=label, key=key)


def _overlay(
    view: ContributionState, photo: Image.Image, values: np.ndarray, *, mixed: bool, alt: str, label: str, key: str
) -> None:
    """Values over a photo, in signed colours where they are `mixed`; clicks select a position."""
    assert view.selected is not None
    size, shape = view.selected.size, (values.shape[0], values.shape[1])
    position, colours = cell_of_other_grid(view.selected.cell, size, shape), colour_range_of(values, signed=mixed)
    look = replace(view.look, colour_map=SIGNED_COLOUR_MAP) if mixed else view.look
    choices = view.choices  # callbacks outlive the run, so they must not hold the view with its explanation

    def choose(cell: Cell) -> None:
        choices.choose_cell(cell_of_other_grid(cell, shape, size))

    overlay_image(photo, values, colours, look, position=position, choose=choose, alt=alt, label=label, key=key)


def channel_bar(view: ContributionState, channel: int, value: float, detail: str, **parts: Any) -> Bar:
    """A channel as a bar; `detail` ends the sentence for those who cannot see it."""
    name, amount = view.names[channel], signed(value)
    return Bar(str(channel), name, value, amount, f"channel {name} adds {amount}{detail}", **parts)


def channel_bars(view: ContributionState, rows: Sequence[Bar], *, key: str, stay: bool = False, **options: Any) -> None:
    """Show channels as bars; a press selects one, at the selected position if `stay`."""
    choices = view.choices

    def choose(row: str) -> None:
        choices.choose_channel(int(row), stay=stay)

    bars(rows, key=key, choose=choose, selected=str(view.channel), look=view.look, **options)


# --- the image as a whole


def answer_headline(view: ContributionState) -> None:
    """The answer, its balance of evidence, and exactly what was asked."""
    classifier, contributions = view.classifier, view.contributions
    positions = term("position", "positions")
    grid = f"{positions} unknown" if view.selected is None else f"{'×'.join(map(str, view.selected.size))} {positions}"
    classes = list(view.titles.values())
    answer = wording.answer_sentence(
        view.explained.scores, classes, *view.titled_question, contributions, view.probabilities
    )
    st.markdown(f"## {answer}")
    st.markdown(wording.balance_sentence(contributions.channels, contributions.intercept))
    method = method_markdown(classifier.model.method.name) if classifier.is_trained else as_it_is(classifier.name)
    channels = term("channel", "channels")
    counts = f"{len(view.classes):,} classes · {len(contributions.channels):,} {channels} · {grid}"
    st.markdown(" · ".join([as_it_is(view.image.title), as_it_is(classifier.network.title), method, counts]))
    if classifier.labels:
        labels = " and ".join(as_it_is(view.titles.get(label, label)) for label in classifier.labels)
        answer = as_it_is(view.titles[view.explained.explanation.predicted])
        st.info(
            f"Labelled **{labels}**; this classifier says **{answer}**. It was trained again without this image "
            "and its copies.",
            icon=":material/person_off:",
        )
    elif classifier.model.was_trained_on(view.image.key):
        st.warning(TRAINED_ON, icon=":material/school:")


def whole_image(view: ContributionState, baseline: ExplainedClassifier | None, explained: Explained | None) -> None:
    """The network's input, all evidence over it, the evidence of the baseline as `explained`, and the scores."""
    positions = view.contributions.positions
    columns = iter(columns_that_wrap("whole", 2 if positions is None else 3 + (baseline is not None)))
    with next(columns):
        _input_image(view)
    if positions is not None:
        with next(columns):
            st.markdown("**Evidence of all channels**")
            evidence_overlay(view, positions, key="total", whose="all channels together")
        if baseline is not None and explained is not None:
            with next(columns):
                _baseline_overlay(view, baseline, explained)
    with next(columns):
        st.markdown("**Highest scores**")
        scores_chart(view, None, "scores")
        st.caption(f"Click a class to explain it. {NO_PROBABILITIES if view.probabilities is None else PROBABILITIES}")


def _input_image(view: ContributionState) -> None:
    """The network's input, with the selected position marked."""
    st.markdown("**What the network saw**")
    photo = view.explained.photo
    if view.selected is None:
        st.image(photo, alt="The image as the network saw it.", width="stretch")
        st.caption("It is not known where in the image these numbers come from, as there are views or layers between.")
        return
    (row, column), size = view.selected.cell, view.selected.size
    marked = with_boxes(photo, [(cell_box(row, column, size, LARGE), PATCH_COLOUR)])
    alt = f"The image as the network saw it; position row {row}, column {column} is marked."
    cell_image(marked, alt=alt, map_size=size, cell=(row, column), choose=view.choices.choose_cell, key="seen")
    st.caption("Click in any image, or use the arrow keys, to see which channels contribute at that position.")


def _baseline_overlay(view: ContributionState, classifier: ExplainedClassifier, explained: Explained) -> None:
    """The evidence of a fully-connected layer: for the same classes, or for the network's own best class."""
    if classifier.is_trained:
        asked = view.question
        st.markdown(f"**{method_title(classifier.model.method.name)}**")
        note = f"The same question to it: class activation map for {view.wording}"
    else:
        asked = (explained.explanation.predicted, "")
        st.markdown("**The network's own answer**")
        note = f"Class activation map of its top class, {as_it_is(asked[0])}"
    contributions = explained.contributions(asked)
    assert contributions.positions is not None
    whose = "the fully-connected layer"
    evidence_overlay(view, contributions.positions, key="baseline", whose=whose, photo=explained.photo)
    st.caption(f"{note}, score {signed(contributions.score)}.")


def scores_chart(view: ContributionState, after: Vector | None, key: str) -> None:
    """The highest scores as bars, before and after; a click explains that class."""
    classes = view.classes
    asked = [classes.index(name) for name in view.question if name]
    rows = []
    for k in wording.classes_to_show(view.explained.scores, after, asked):
        before, then = float(view.explained.scores[k]), None if after is None else float(after[k])
        text = signed(before) if then is None else f"{signed(before)} → {signed(then)}"
        if then is None and view.probabilities is not None:
            text += f" · {wording.probability_text(view.probabilities[k])}"
        title = view.titles[classes[k]]
        rows.append(Bar(str(k), title, before, text, f"{title}: score {text}", after=then))

    def ask_for(row: str) -> None:
        visit_state(LinkState).positive = classes[int(row)]

    bars(rows, key=key, choose=ask_for, selected=str(asked[0]))
    if any(row.value < 0 or (row.after or 0) < 0 for row in rows):
        st.caption("Bars start at zero, the thin line. Blue bars are negative: the shorter, the higher the score.")


# --- one channel


def one_channel(view: ContributionState) -> None:
    """Where the selected channel contributes, and which channels contribute at the selected position."""
    part, k = view.contributions.channel(view.channel)
    name, value = view.names[view.channel], signed(view.contributions.channels[view.channel])
    st.header(f"Channel {as_it_is(name)} adds {value}", anchor=False)
    if view.selected is None:
        st.caption(f"It holds {rough_percent(part.energy[k])} of the {term('energy')}.")
        return
    left, middle, right = columns_that_wrap("channel", 3)
    with left:
        st.markdown(f"**Its {term('weighting map')}**")
        weights = view.weights(view.channel)
        alt = f"Weighting map {name} over the image, peak {weights.max():.3g}."
        mixed, label = bool(weights.min() < 0), "weight, on the scale of this map"
        _overlay(view, view.explained.photo, weights, mixed=mixed, alt=alt, label=label, key="weights-map")
    with middle:
        st.markdown("**Its evidence**")
        evidence_overlay(view, view.evidence(view.channel), key="evidence", whose=f"channel {name}")
    with right:
        _channels_at_position(view, *view.selected.cell)


def _channels_at_position(view: ContributionState, row: int, column: int) -> None:
    """The channels that contribute most at a position, for or against; a click selects one."""
    amounts = view.contributions.channels_at(row, column)
    strongest = [int(k) for k in np.argsort(-np.abs(amounts), kind="stable")[:CHANNELS_AT_A_POSITION] if amounts[k]]
    st.markdown(f"**Strongest channels at row {row}, column {column}**")
    strongest.sort(key=lambda k: -amounts[k])
    rows = [channel_bar(view, k, float(amounts[k]), " at this position") for k in strongest]
    channel_bars(view, rows, key="speakers", stay=True)
    st.caption(f"All {len(amounts):,} channels together add {signed(amounts.sum())} here.")
