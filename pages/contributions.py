"""Why this class: a score split by channel, by position and by both; and what leaving channels out does to it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from crosspool.classifiers import TRAINED_ON
from crosspool.contributions import Contributions, Vector
from crosspool.drawing.rendering import (
    PATCH_COLOUR,
    SIGNED_COLOUR_MAP,
    Limits,
    Look,
    cell_box,
    colour_limits,
    with_boxes,
)
from crosspool.errors import CrosspoolError
from crosspool.ui.contributions.choose_classifier import choose_subject, comparison_of_session
from crosspool.ui.contributions.explaining import Explained, ExplainedClassifier, Question, baseline_of, explained
from crosspool.ui.contributions.question import (
    ContributionState,
    choose_contributor,
    choose_spot,
    left_out,
    start_anew_for,
    tick,
    tick_all,
    view_of,
)
from crosspool.ui.contributions.wording import (
    Ablation,
    balance,
    caution,
    change_sentence,
    channel_table,
    check_sentence,
    classes_to_show,
    moved,
    ranked,
    to_leave_out,
    verdict,
)
from crosspool.ui.maps.controls import ask_for_picture, start_from_link, write_link
from crosspool.ui.maps.large_pictures import LARGE, colour_scale, overlay_picture
from crosspool.ui.maps.selection import shown_look
from crosspool.ui.visit.pictures import SourceImage, choose_picture, pictures_at_hand
from crosspool.ui.visit.waiting import refused, waiting
from crosspool.ui.widgets.bars import Bar, SmallMap, bars, small_map
from crosspool.ui.widgets.picture import picture
from crosspool.ui.widgets.text import as_it_is, file_stem, signed

SHOWN = (4, 8, 16, 32)  # channels listed for the class, and as many against it
SPEAKERS = 10  # channels listed at a position
ALIKE = 8  # channels listed of two pictures
ABLATIONS: dict[Ablation, str] = {"most": "Those most for it", "least": "Least", "random": "At random"}
HELP: dict[Ablation, str] = {
    "most": "The channels of the largest contributions.",
    "least": "The channels of the smallest contributions: those most against it.",
    "random": "As many channels by chance, to compare with.",
}

Baseline = tuple[ExplainedClassifier, Explained]


def headline(view: ContributionState) -> None:
    """The verdict, and how it was found."""
    subject, place = view.subject, view.place
    grid = "positions unknown" if place is None else f"{place.size[0]}×{place.size[1]} positions"
    st.markdown(f"## {verdict(view.seen.scores, view.classes, *view.question, view.found)}")
    st.markdown(balance(view.found.channels, view.found.intercept))
    st.markdown(
        f"{as_it_is(view.picture.title)} · {as_it_is(subject.network.title)} · {as_it_is(subject.name)} · "
        f"{len(view.classes):,} classes · {len(view.found.channels):,} channels · {grid}"
    )
    if subject.labels:
        labels, answer = " and ".join(map(as_it_is, subject.labels)), as_it_is(view.seen.explanation.predicted)
        st.info(
            f"Labelled: **{labels}**; this classifier says: **{answer}**. It was trained again without this picture "
            "and its copies.",
            icon=":material/person_off:",
        )
    elif subject.classifier.was_trained_on(view.picture.key):
        st.warning(TRAINED_ON, icon=":material/school:")


def columns_that_wrap(key: str, count: int) -> Sequence[DeltaGenerator]:
    with st.container(key=f"large-{key}"):
        return st.columns(count, gap="medium")


# --- the picture as a whole


def whole_picture(view: ContributionState, look: Look, baseline: Baseline | None) -> None:
    """What the network saw, all evidence over it, the fully-connected layer's, and the scores."""
    positions = view.found.positions
    baseline = baseline if positions is not None else None
    columns = iter(columns_that_wrap("whole", 2 + (positions is not None) + (baseline is not None)))
    with next(columns):
        seen_picture(view)
    if positions is not None:
        with next(columns):
            st.markdown(f"**All evidence for {view.wording}**")
            evidence_picture(view, positions, look, key="total", whose="all channels together")
    if baseline is not None:
        with next(columns):
            baseline_picture(view, baseline, look)
    with next(columns):
        st.markdown("**The highest scores**")
        scores_chart(view, None, "scores")
        st.caption("Press a class to ask for it.")


def seen_picture(view: ContributionState) -> None:
    """The network's input, with the place under study marked."""
    st.markdown("**What the network saw**")
    photo = view.seen.photo
    if view.place is None:
        st.image(photo, alt="The image as the network saw it.", width="stretch")
        st.caption("Where in the picture these numbers come from is not known: views or layers lie between.")
        return
    (row, column), size = view.place.cell, view.place.size
    picture(
        with_boxes(photo, [(cell_box(row, column, size, LARGE), PATCH_COLOUR)]),
        alt=f"The image as the network saw it; position row {row}, column {column} is marked.",
        map_size=size,
        cell=(row, column),
        choose=choose_spot,
        key="seen",
    )
    st.caption("Click into any picture, or use the arrow keys, to ask which channels speak at a place.")


def evidence_picture(
    view: ContributionState, evidence: np.ndarray, look: Look, *, key: str, whose: str, photo: Image.Image | None = None
) -> None:
    """Evidence over the picture in colours that are centred at zero; clicks move the place."""
    assert view.place is not None
    cell, size, shape = view.place.cell, view.place.size, (evidence.shape[0], evidence.shape[1])
    row, column = (int(at) for at in np.unravel_index(np.abs(evidence).argmax(), shape))
    total = signed(evidence.sum())
    overlay_picture(
        photo or view.seen.photo,
        evidence,
        colour_limits(evidence, signed=True),
        replace(look, colour_map=SIGNED_COLOUR_MAP),
        position=moved(cell, size, shape),
        choose=lambda chosen: choose_spot(moved(chosen, shape, size)),
        alt=f"Evidence of {whose} over the image, in all {total}; the strongest, {signed(evidence[row, column])}, "
        f"is at row {row}, column {column}.",
        label=f"evidence at each position; in all {total}",
        key=key,
    )


def baseline_picture(view: ContributionState, baseline: Baseline, look: Look) -> None:
    """The evidence of the fully-connected layer: for the same classes, or for the network's own best class."""
    subject, seen = baseline
    if subject.trained:
        question: Question = view.question
        st.markdown(f"**The same question to {as_it_is(subject.name)}, a fully-connected layer**")
        note = f"Class activation map for {view.wording}"
    else:
        question = (seen.explanation.predicted, "")
        st.markdown(f"**The network's own answer: {as_it_is(question[0])}**")
        note = "Class activation map of the network's own classes"
    found = seen.contributions(question)
    assert found.positions is not None
    evidence_picture(view, found.positions, look, key="baseline", whose="the fully-connected layer", photo=seen.photo)
    st.caption(f"{note}, score {signed(found.score)}.")


def scores_chart(view: ContributionState, after: Vector | None, key: str) -> None:
    """The highest scores as bars, before and after; a press asks for that class."""
    asked = [view.classes.index(name) for name in view.question if name]
    rows = []
    for k in classes_to_show(view.seen.scores, after, asked):
        before, then = float(view.seen.scores[k]), None if after is None else float(after[k])
        text = signed(before) if then is None else f"{signed(before)} → {signed(then)}"
        rows.append(Bar(str(k), view.classes[k], before, text, f"{view.classes[k]}: score {text}", after=then))

    def ask_for(row: str) -> None:
        st.session_state.positive = view.classes[int(row)]

    bars(rows, key=key, choose=ask_for, selected=str(asked[0]))
    if any(row.value < 0 or (row.after or 0) < 0 for row in rows):
        st.caption("Bars start at zero, the thin line. Blue ones are below it: of these, the shorter, the higher.")


# --- one channel, one place


def one_channel(view: ContributionState, look: Look) -> None:
    """Where the chosen channel speaks, and which channels speak at the place under study."""
    found, channel = view.found, view.channel
    name, value = as_it_is(view.names[channel]), signed(found.channels[channel])
    part, k = found.channel(channel)
    st.header(f"Channel {name} adds {value}", anchor=False)
    if view.place is None:
        st.caption(f"It holds {100 * part.energy[k]:.2g} % of the energy.")
        return
    weights, over, speakers = columns_that_wrap("channel", 3)
    with weights:
        st.markdown("**Its weighting map**")
        weights_picture(view, look)
    with over:
        st.markdown(f"**Its evidence for {view.wording}**")
        evidence_picture(view, view.evidence(channel), look, key="evidence", whose=f"channel {view.names[channel]}")
    with speakers:
        speakers_here(view)


def weights_picture(view: ContributionState, look: Look) -> None:
    """The chosen channel's weighting map; clicks move the place."""
    assert view.place is not None
    values, cell, size = view.weights(view.channel), view.place.cell, view.place.size
    mixed, shape = bool(values.min() < 0), (values.shape[0], values.shape[1])
    overlay_picture(
        view.seen.photo,
        values,
        colour_limits(values, signed=mixed),
        replace(look, colour_map=SIGNED_COLOUR_MAP) if mixed else look,
        position=moved(cell, size, shape),
        choose=lambda chosen: choose_spot(moved(chosen, shape, size)),
        alt=f"Weighting map {view.names[view.channel]} over the image, peak {values.max():.3g}.",
        label="weight, on the scale of this map",
        key="weights-map",
    )


def speakers_here(view: ContributionState) -> None:
    """The channels that say most at the place, either way; a press studies one."""
    assert view.place is not None
    (row, column), found = view.place.cell, view.found
    said = found.at(row, column)
    loudest = [int(k) for k in np.argsort(-np.abs(said), kind="stable")[:SPEAKERS] if said[k]]
    st.markdown(f"**Who speaks at row {row}, column {column}**")
    rows = [
        Bar(
            str(k), view.names[k], float(said[k]), signed(said[k]),
            f"channel {view.names[k]} adds {signed(said[k])} at this position",
        )
        for k in sorted(loudest, key=lambda k: -said[k])
    ]  # fmt: skip
    bars(rows, key="speakers", choose=lambda k: choose_contributor(int(k), stay=True), selected=str(view.channel))
    st.caption(f"All {len(said):,} channels together add {signed(said.sum())} here.")


# --- all channels


def channels(view: ContributionState, look: Look) -> None:
    """The channels that say most for the class and against it, each to be unticked, and what that changes."""
    found = view.found
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.header("Channels, ranked", anchor=False, width="content")
        st.segmented_control("Shown of each", SHOWN, required=True, key="ranked")
    ahead, behind = ranked(found.channels, st.session_state.ranked)
    limits = None
    if view.place is not None and (ahead or behind):
        limits = colour_limits(np.stack([np.abs(view.evidence(k)).max() for k in ahead + behind]), signed=True)
        colour_scale(
            limits,
            SIGNED_COLOUR_MAP,
            "evidence at a position, one scale for all the small maps on the right; those on the left are the "
            "weighting maps, each from 0 to its own peak",
        )
    left, middle, right = columns_that_wrap("ranked", 3)
    widest = float(np.abs(found.channels).max(initial=0)) or 1.0
    for column, title, shown in ((left, "for", ahead), (middle, "against", behind)):
        with column:
            st.markdown(f"**Most {title} {view.wording}**")
            if not shown:
                st.caption(f"No channel speaks {title} it.")
                continue
            ends = (0.0, widest) if title == "for" else (-widest, 0.0)
            channel_bars(view, shown, look, limits, key=f"ranked-{title}", ends=ends)
    with right:
        leaving_out(view)


def channel_bars(
    view: ContributionState, shown: list[int], look: Look, limits: Limits | None, *, key: str, ends: Limits
) -> None:
    """Channels with their weighting maps, their evidence and their contribution."""
    found = view.found
    rows = []
    for channel in shown:
        part, k = found.channel(channel)
        maps: tuple[SmallMap, ...] = ()
        if limits is not None:
            weights = view.weights(channel)
            mixed = bool(weights.min() < 0)
            maps = (
                small_map(weights, colour_limits(weights, signed=mixed), table=int(mixed)),
                small_map(view.evidence(channel), limits, table=1),
            )
        name, value = view.names[channel], float(found.channels[channel])
        note = f"{100 * part.energy[k]:.2g} % of the energy"
        label = f"channel {name}: contribution {signed(value)}, {note}"
        counted = channel not in left_out()
        rows.append(Bar(str(channel), name, value, signed(value), label, note, ticked=counted, maps=maps))
    bars(
        rows,
        key=key,
        choose=lambda k: choose_contributor(int(k)),
        tick=lambda k, counted: tick(int(k), counted),
        selected=str(view.channel),
        photos=[view.seen.photo] if limits is not None else [],
        colour_maps=(look.colour_map, SIGNED_COLOUR_MAP),
        opacity=look.opacity,
        smooth=look.smooth,
        limits=ends,
    )


def leaving_out(view: ContributionState) -> None:
    """Untick many channels at once; the scores without those that are unticked."""
    found, gone = view.found, sorted(left_out())
    st.markdown("**Without the unticked channels**")
    if gone:
        before, after = view.seen.scores, view.seen.explanation.without_channels(gone)
        frozen = float(found.channels[gone].sum())
        st.markdown(change_sentence(before, after, view.classes, view.question, frozen, len(gone)))
        scores_chart(view, after, "scores-after")
        st.caption("Pale: with all channels. Solid: without the unticked ones.")
        st.button("Tick all again", on_click=tick_all, icon=":material/check_box:")
    else:
        st.caption("Untick a channel in the lists, or many at once here, and see the scores move.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=130):
            st.number_input("Untick", 1, len(found.channels), key="drop_count")
        with st.container(width=110):
            st.number_input("Seed", 0, 9999, key="drop_seed", help="Of the channels at random.")
    with st.container(horizontal=True, gap="small"):
        for how, title in ABLATIONS.items():
            st.button(title, key=f"drop-{how}", on_click=leave_out, args=(found.channels, how), help=HELP[how])


def leave_out(contributions: Vector, how: Ablation) -> None:
    state = st.session_state
    state.unticked = to_leave_out(contributions, how, state.drop_count, state.drop_seed)


def all_channels(view: ContributionState) -> None:
    """All channels as numbers, to take away; a selected row is shown at large."""
    shown = st.expander("All channels as a table", icon=":material/table:", key="channel-table", on_change="rerun")
    if not shown.open:
        return
    table = channel_table(view.found)
    order = np.argsort(-table["contribution"].to_numpy(), kind="stable")

    def on_select() -> None:
        selected = st.session_state["contributions"].selection.rows
        if selected:
            choose_contributor(int(order[selected[0]]))

    with shown:
        st.dataframe(
            table.iloc[order],
            hide_index=True,
            height=320,
            key="contributions",
            on_select=on_select,
            selection_mode="single-row",
            column_config={
                "contribution": st.column_config.NumberColumn(format="%.4g"),
                "energy_share": st.column_config.NumberColumn("share of energy", format="percent"),
                "evidence_there": st.column_config.NumberColumn("strongest evidence", format="%.4g"),
                "row": "its row",
                "column": "its column",
            },
        )
        name = "-".join(file_stem(text) for text in (view.picture.title, view.subject.name, *view.question) if text)
        st.download_button(
            "Table as CSV",
            table.to_csv(index=False),
            f"{name}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


# --- two pictures


def two_pictures(view: ContributionState, look: Look) -> None:
    """What makes another picture's vector like this one's, by channel and by position."""
    st.header("Alike to another picture, and why", anchor=False)
    others = {one.key: one for one in pictures_at_hand() if one.key != view.picture.key}
    if st.session_state.compared_with not in others:
        st.session_state.compared_with = ""
    with st.container(width=360):
        st.selectbox(
            "Compare with",
            ["", *others],
            format_func=lambda key: others[key].title if key else "no other picture",
            key="compared_with",
        )
    if not st.session_state.compared_with:
        st.caption("The inner product of two pictures' vectors is split just as a score is.")
        return
    other = others[st.session_state.compared_with]
    try:
        with waiting("Looking at the other picture …") as on_progress:
            beside = explained(other, view.subject, on_progress)
    except CrosspoolError as error:
        refused(error)
        return
    show_likeness(view, look, other, beside)


def show_likeness(view: ContributionState, look: Look, other: SourceImage, beside: Explained) -> None:
    here = view.seen.explanation.similarity(beside.explanation)
    there = beside.explanation.similarity(view.seen.explanation)
    lengths = [float(np.linalg.norm(one.explanation.encoded)) for one in (view.seen, beside)]
    cosine = here.score / max(lengths[0] * lengths[1], np.finfo(float).tiny)
    names = [as_it_is(one.title) for one in (view.picture, other)]
    st.markdown(
        f"The vectors of **{names[0]}** and **{names[1]}** have the cosine **{cosine:.3f}**"
        f" and the inner product {signed(here.score)}. {balance(here.channels)}"
    )
    st.caption(check_sentence(here, "inner product"))
    columns = iter(columns_that_wrap("alike", 3 if view.place is not None else 1))
    if here.positions is not None and there.positions is not None:
        for one, evidence, title in ((view.seen, here.positions, names[0]), (beside, there.positions, names[1])):
            with next(columns):
                st.markdown(f"**Where {title} is like the other**")
                evidence_picture(
                    view, evidence, look, key=f"alike-{one is beside}", whose="all channels together", photo=one.photo
                )
    with next(columns):
        st.markdown("**Channels that make them alike**")
        most = ranked(here.channels, ALIKE)[0]
        rows = [alike_bar(here, there, k, view.names[k]) for k in most]
        bars(
            rows,
            key="alike-channels",
            choose=lambda k: choose_contributor(int(k)),
            selected=str(view.channel),
            photos=[view.seen.photo, beside.photo] if view.place is not None else [],
            colour_maps=(SIGNED_COLOUR_MAP,),
            opacity=look.opacity,
            smooth=look.smooth,
        )


def alike_bar(here: Contributions, there: Contributions, channel: int, name: str) -> Bar:
    """What one channel adds to the inner product, with its evidence in either picture."""
    (part, k), (beside, _) = here.channel(channel), there.channel(channel)
    maps = tuple(
        small_map(evidence[k], colour_limits(evidence[k], signed=True), table=0, photo=photo)
        for photo, evidence in enumerate((part.evidence, beside.evidence))
        if evidence is not None
    )
    value = float(here.channels[channel])
    note = f"{100 * value / here.score:.2g} % of the inner product"
    label = f"channel {name} adds {signed(value)}, {note}"
    return Bar(str(channel), name, value, signed(value), label, note, maps=maps)


# --- the page


@st.fragment
def explore(chosen: SourceImage, subject: ExplainedClassifier, beside: ExplainedClassifier | None) -> None:
    """Everything that only looks at what is computed already."""
    found = _explained(chosen, subject, beside)
    if found is None:
        return
    seen, baseline = found
    view, look = view_of(chosen, subject, seen), shown_look(signed=False)
    headline(view)
    whole_picture(view, look, baseline)
    st.caption(check_sentence(view.found))
    st.caption(caution(normalises=subject.normalises, positions=view.place is not None))
    one_channel(view, look)
    channels(view, look)
    all_channels(view)
    two_pictures(view, look)
    write_link()


def main() -> None:
    """The page."""
    start_from_link()
    st.title("Contributions", anchor=False)
    chosen = choose_picture()
    subject = choose_subject(chosen)
    if chosen is None:
        ask_for_picture()
        return
    if subject is None:
        return
    try:
        with waiting("Looking for what to compare with …") as on_progress:
            beside = baseline_of(subject, comparison_of_session(), chosen, on_progress)
    except CrosspoolError as error:
        refused(error)
        return
    found = _explained(chosen, subject, beside)
    if found is not None:
        seen = found[0]
        start_anew_for(chosen, subject, len(seen.contributions((seen.explanation.predicted, "")).channels))
        explore(chosen, subject, beside)


def _explained(
    chosen: SourceImage, subject: ExplainedClassifier, beside: ExplainedClassifier | None
) -> tuple[Explained, Baseline | None] | None:
    """The picture as the classifier sees it, and as the one beside it does; None, with the reason shown, without them.

    The fragment asks for it anew instead of holding it, so that no visitor's page keeps it in memory.
    """
    try:
        with waiting("Explaining …") as on_progress:
            seen = explained(chosen, subject, on_progress)
            return seen, None if beside is None else (beside, explained(chosen, beside, on_progress))
    except CrosspoolError as error:
        refused(error)
    return None


main()
