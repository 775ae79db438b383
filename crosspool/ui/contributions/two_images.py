"""What makes the vectors of two images similar, by channel and by position."""

import numpy as np
import streamlit as st

from crosspool.contributions import Contributions
from crosspool.drawing.rendering import colour_range_of
from crosspool.errors import CrosspoolError
from crosspool.ui.contributions.evidence import channel_bar, channel_bars, columns_that_wrap, evidence_overlay
from crosspool.ui.contributions.explaining import Explained, explain_image
from crosspool.ui.contributions.question import ContributionState
from crosspool.ui.contributions.wording import balance_sentence, check_sentence, strongest_channels
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.visit.images import available_images
from crosspool.ui.visit.state import bound
from crosspool.ui.visit.waiting import show_error, waiting
from crosspool.ui.widgets.bars import Bar, small_map
from crosspool.ui.widgets.text import as_it_is, signed

LIST_LENGTH = 8  # channels


def two_images(view: ContributionState) -> None:
    """The choice of another image, and what makes its vector similar to this one's."""
    st.header("Compare with another image", anchor=False)
    others = {image.key: image for image in available_images() if image.key != view.image.key}
    choices = view.choices
    if choices.compared_with not in others:
        choices.compared_with = ""
    titles = {"": "no other image"} | {key: image.title for key, image in others.items()}
    binding = bound(choices, "compared_with")
    st.selectbox("Compare with", list(titles), format_func=titles.__getitem__, width=360, **binding)
    if not choices.compared_with:
        st.caption("The inner product of the vectors of two images is split just as a score is.")
        return
    other = others[ImageHash(choices.compared_with)]
    try:
        with waiting("Computing the other image …") as on_progress:
            explained = explain_image(other, view.classifier, on_progress)
    except CrosspoolError as error:
        show_error(error)
        return
    _show_similarity(view, explained, [as_it_is(image.title) for image in (view.image, other)])


def _show_similarity(view: ContributionState, other: Explained, names: list[str]) -> None:
    here = view.explained.explanation.similarity(other.explanation)
    there = other.explanation.similarity(view.explained.explanation)
    lengths = [float(np.linalg.norm(side.explanation.encoded)) for side in (view.explained, other)]
    cosine = here.score / max(lengths[0] * lengths[1], np.finfo(float).tiny)
    st.markdown(
        f"The vectors of **{names[0]}** and **{names[1]}**: cosine similarity **{cosine:.3f}**, "
        f"inner product {signed(here.score)}. {balance_sentence(here.channels)}"
    )
    st.caption(check_sentence(here, "inner product"))
    columns = iter(columns_that_wrap("alike", 3 if view.selected is not None else 1))
    photos = [view.explained.photo, other.photo] if view.selected is not None else []
    for name, photo, side in zip(names, photos, (here, there), strict=False):
        if side.positions is not None:
            with next(columns):
                st.markdown(f"**Where {name} is similar**")
                key, whose = f"alike-{side is there}", "all channels together"
                evidence_overlay(view, side.positions, key=key, whose=whose, photo=photo)
    with next(columns):
        st.markdown("**Channels that make them similar**")
        strongest = strongest_channels(here.channels, LIST_LENGTH)[0]
        rows = [_similarity_bar(view, here, there, channel) for channel in strongest]
        channel_bars(view, rows, key="alike-channels", photos=photos)


def _similarity_bar(view: ContributionState, here: Contributions, there: Contributions, channel: int) -> Bar:
    """A channel with what it adds to the inner product, and its evidence in both images."""
    maps = []
    for photo, contributions in enumerate((here, there)):
        part, k = contributions.channel(channel)
        if part.evidence is not None:
            evidence = part.evidence[k]
            maps.append(small_map(evidence, colour_range_of(evidence, signed=True), signed=True, photo=photo))
    value = float(here.channels[channel])
    note = f"{100 * value / here.score:.2g} % of the inner product"
    return channel_bar(view, channel, value, f", {note}", note=note, maps=tuple(maps))
