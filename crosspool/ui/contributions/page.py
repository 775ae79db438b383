"""The page "Why this class?": a score split by channel and position, and what makes two images similar."""

import numpy as np
import streamlit as st

from crosspool.contributions import Contributions
from crosspool.drawing.rendering import colour_range_of
from crosspool.text import rough_percent
from crosspool.ui.contributions import evidence, wording
from crosspool.ui.contributions.all_channels import channel_table_section, ranked_channels
from crosspool.ui.contributions.choose_classifier import choose_classifier, comparison_of_visit
from crosspool.ui.contributions.explaining import Explained, ExplainedClassifier, baseline_classifier, explain_image
from crosspool.ui.contributions.question import ContributionState, contribution_state, reset_for
from crosspool.ui.maps.page import start_from_link, write_link
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.visit.images import SourceImage, available_images, choose_image
from crosspool.ui.visit.state import bound
from crosspool.ui.visit.waiting import errors_shown, waiting
from crosspool.ui.widgets.bars import Bar, small_map
from crosspool.ui.widgets.text import as_it_is, signed

LIST_LENGTH = 8  # channels that make two images similar


def contributions_page() -> None:
    """The page."""
    start_from_link()
    st.title("Why this class?", anchor=False)
    image = choose_image()
    classifier = choose_classifier(image)
    if classifier is not None:
        with errors_shown():
            with waiting("Preparing the comparison …") as on_progress:
                baseline = baseline_classifier(classifier, comparison_of_visit(), image, on_progress)
            _show_explanation(image, classifier, baseline)


@st.fragment
@errors_shown()
def _show_explanation(
    image: SourceImage, classifier: ExplainedClassifier, baseline: ExplainedClassifier | None
) -> None:
    """Everything below the choice of image and classifier.

    It asks for the explanations again at every run instead of holding them, so that no visitor's page keeps them in
    memory.
    """
    with waiting("Explaining …") as on_progress:
        explained = explain_image(image, classifier, on_progress)
        explained_baseline = explain_image(image, baseline, on_progress) if baseline is not None else None
    reset_for(image, classifier, len(explained.contributions((explained.explanation.predicted, "")).channels))
    view = contribution_state(image, classifier, explained)
    evidence.answer_headline(view)
    evidence.whole_image(view, baseline, explained_baseline)
    st.caption(wording.check_sentence(view.contributions))
    normalises = explained.explanation.normalises
    st.caption(wording.caution_sentence(normalises=normalises, positions=view.selected is not None))
    evidence.one_channel(view)
    ranked_channels(view)
    channel_table_section(view)
    _compare_images(view)
    write_link()


# --- two images


@errors_shown()
def _compare_images(view: ContributionState) -> None:
    """The choice of another image, and what makes its vector similar to this one's."""
    st.header("Compare with another image", anchor=False)
    others = {image.key: image for image in available_images() if image.key != view.image.key}
    choices = view.choices
    if choices.compared_with not in others:
        choices.compared_with = ""
    titles = {"": "no other image"} | {key: image.title for key, image in others.items()}
    binding = bound(choices, "compared_with", among=titles)
    st.selectbox("Compare with", list(titles), format_func=titles.__getitem__, width=360, **binding)
    if not choices.compared_with:
        st.caption("The inner product of the vectors of two images is split just as a score is.")
        return
    other = others[ImageHash(choices.compared_with)]
    with waiting("Computing the other image …") as on_progress:
        explained = explain_image(other, view.classifier, on_progress)
    _show_similarity(view, explained, [as_it_is(image.title) for image in (view.image, other)])


def _show_similarity(view: ContributionState, other: Explained, names: list[str]) -> None:
    here = view.explained.explanation.similarity(other.explanation)
    there = other.explanation.similarity(view.explained.explanation)
    lengths = [float(np.linalg.norm(side.explanation.encoded)) for side in (view.explained, other)]
    cosine = here.score / max(lengths[0] * lengths[1], np.finfo(float).tiny)
    st.markdown(
        f"The vectors of **{names[0]}** and **{names[1]}**: cosine similarity **{cosine:.3f}**, "
        f"inner product {signed(here.score)}. {wording.balance_sentence(here.channels)}"
    )
    st.caption(wording.check_sentence(here, "inner product"))
    columns = iter(evidence.columns_that_wrap("alike", 3 if view.selected is not None else 1))
    photos = [view.explained.photo, other.photo] if view.selected is not None else []
    for name, photo, side in zip(names, photos, (here, there), strict=False):
        if side.positions is not None:
            with next(columns):
                st.markdown(f"**Where {name} is similar**")
                key, whose = f"alike-{side is there}", "all channels together"
                evidence.evidence_overlay(view, side.positions, key=key, whose=whose, photo=photo)
    with next(columns):
        st.markdown("**Channels that make them similar**")
        strongest = wording.strongest_channels(here.channels, LIST_LENGTH)[0]
        rows = [_similarity_bar(view, here, there, channel) for channel in strongest]
        evidence.channel_bars(view, rows, key="alike-channels", photos=photos)


def _similarity_bar(view: ContributionState, here: Contributions, there: Contributions, channel: int) -> Bar:
    """A channel with what it adds to the inner product, and its evidence in both images."""
    maps = []
    for photo, contributions in enumerate((here, there)):
        part, k = contributions.channel(channel)
        if part.evidence is not None:
            values = part.evidence[k]
            maps.append(small_map(values, colour_range_of(values, signed=True), signed=True, photo=photo))
    value = float(here.channels[channel])
    note = f"{rough_percent(value / here.score)} of the inner product"
    return evidence.channel_bar(view, channel, value, f", {note}", note=note, maps=tuple(maps))
