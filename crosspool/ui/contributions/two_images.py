"""What makes the vectors of two images similar, by channel and by position."""

import numpy as np
import streamlit as st

from crosspool.contributions import Contributions
from crosspool.drawing.rendering import Look, colour_range_of
from crosspool.errors import CrosspoolError
from crosspool.ui.contributions.evidence_overlay import columns_that_wrap, evidence_overlay
from crosspool.ui.contributions.explaining import Explained, explain_image
from crosspool.ui.contributions.question import ContributionChoices, ContributionState, choose_channel
from crosspool.ui.contributions.wording import balance_sentence, check_sentence, strongest_channels
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.visit.images import SourceImage, available_images
from crosspool.ui.visit.state import bound, visit_state
from crosspool.ui.visit.waiting import show_error, waiting
from crosspool.ui.widgets.bars import Bar, bars, small_map
from crosspool.ui.widgets.text import as_it_is, signed

CHANNELS_OF_TWO_IMAGES = 8  # channels listed of two images


def two_images(view: ContributionState, look: Look) -> None:
    """What makes the vector of another image similar to this one's, by channel and by position."""
    st.header("Compare with another image", anchor=False)
    others = {image.key: image for image in available_images() if image.key != view.picture.key}
    state = visit_state(ContributionChoices)
    if state.compared_with not in others:
        state.compared_with = ""
    with st.container(width=360):
        st.selectbox(
            "Compare with",
            ["", *others],
            format_func=lambda key: others[key].title if key else "no other image",
            **bound(state, "compared_with"),
        )
    if not state.compared_with:
        st.caption("The inner product of the vectors of two images is split just as a score is.")
        return
    other = others[ImageHash(state.compared_with)]
    try:
        with waiting("Computing the other image …") as on_progress:
            beside = explain_image(other, view.subject, on_progress)
    except CrosspoolError as error:
        show_error(error)
        return
    show_likeness(view, look, other, beside)


def show_likeness(view: ContributionState, look: Look, other: SourceImage, beside: Explained) -> None:
    here = view.explained.explanation.similarity(beside.explanation)
    there = beside.explanation.similarity(view.explained.explanation)
    lengths = [float(np.linalg.norm(side.explanation.encoded)) for side in (view.explained, beside)]
    cosine = here.score / max(lengths[0] * lengths[1], np.finfo(float).tiny)
    names = [as_it_is(image.title) for image in (view.picture, other)]
    st.markdown(
        f"The vectors of **{names[0]}** and **{names[1]}**: cosine similarity **{cosine:.3f}**, "
        f"inner product {signed(here.score)}. {balance_sentence(here.channels)}"
    )
    st.caption(check_sentence(here, "inner product"))
    columns = iter(columns_that_wrap("alike", 3 if view.selected is not None else 1))
    if here.positions is not None and there.positions is not None:
        for side, evidence, title in ((view.explained, here.positions, names[0]), (beside, there.positions, names[1])):
            with next(columns):
                st.markdown(f"**Where {title} is similar**")
                evidence_overlay(
                    view,
                    evidence,
                    look,
                    key=f"alike-{side is beside}",
                    whose="all channels together",
                    photo=side.photo,
                )
    with next(columns):
        st.markdown("**Channels that make them similar**")
        most = strongest_channels(here.channels, CHANNELS_OF_TWO_IMAGES)[0]
        rows = [alike_bar(here, there, k, view.names[k]) for k in most]
        bars(
            rows,
            key="alike-channels",
            choose=lambda k: choose_channel(int(k)),
            selected=str(view.channel),
            photos=[view.explained.photo, beside.photo] if view.selected is not None else [],
            look=look,
        )


def alike_bar(here: Contributions, there: Contributions, channel: int, name: str) -> Bar:
    """What one channel adds to the inner product, with its evidence in both images."""
    (part, k), (beside, _) = here.channel(channel), there.channel(channel)
    maps = tuple(
        small_map(evidence[k], colour_range_of(evidence[k], signed=True), signed=True, photo=photo)
        for photo, evidence in enumerate((part.evidence, beside.evidence))
        if evidence is not None
    )
    value = float(here.channels[channel])
    note = f"{100 * value / here.score:.2g} % of the inner product"
    label = f"channel {name} adds {signed(value)}, {note}"
    return Bar(str(channel), name, value, signed(value), label, note, maps=maps)
