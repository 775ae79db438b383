"""The page Contributions: a score split by channel and position, and what leaving channels out does to it."""

import streamlit as st

from crosspool.errors import CrosspoolError
from crosspool.ui.contributions.all_channels import channel_table_section, ranked_channels
from crosspool.ui.contributions.choose_classifier import choose_classifier, comparison_of_session
from crosspool.ui.contributions.explaining import Explained, ExplainedClassifier, baseline_classifier, explain_image
from crosspool.ui.contributions.one_channel import one_channel
from crosspool.ui.contributions.overview import Baseline, answer_headline, whole_image
from crosspool.ui.contributions.question import contribution_state, reset_for
from crosspool.ui.contributions.two_images import two_images
from crosspool.ui.contributions.wording import caution_sentence, check_sentence
from crosspool.ui.maps.controls import ask_for_image, start_from_link, write_link
from crosspool.ui.maps.selection import current_look
from crosspool.ui.visit.images import SourceImage, choose_image
from crosspool.ui.visit.waiting import show_error, waiting


@st.fragment
def explore(chosen: SourceImage, subject: ExplainedClassifier, beside: ExplainedClassifier | None) -> None:
    """Everything below the choice of image and classifier."""
    both = _explained(chosen, subject, beside)
    if both is None:
        return
    seen, baseline = both
    reset_for(chosen, subject, len(seen.contributions((seen.explanation.predicted, "")).channels))
    view, look = contribution_state(chosen, subject, seen), current_look(signed=False)
    answer_headline(view)
    whole_image(view, look, baseline)
    st.caption(check_sentence(view.contributions))
    st.caption(caution_sentence(normalises=subject.normalises, positions=view.selected is not None))
    one_channel(view, look)
    ranked_channels(view, look)
    channel_table_section(view)
    two_images(view, look)
    write_link()


def contributions_page() -> None:
    """The page."""
    start_from_link()
    st.title("Contributions", anchor=False)
    chosen = choose_image()
    subject = choose_classifier(chosen)
    if chosen is None:
        ask_for_image()
        return
    if subject is None:
        return
    try:
        with waiting("Preparing the comparison …") as on_progress:
            beside = baseline_classifier(subject, comparison_of_session(), chosen, on_progress)
    except CrosspoolError as error:
        show_error(error)
        return
    explore(chosen, subject, beside)


def _explained(
    chosen: SourceImage, subject: ExplainedClassifier, beside: ExplainedClassifier | None
) -> tuple[Explained, Baseline | None] | None:
    """The image as the classifier sees it, and as its baseline does; None, with the reason shown, where that fails.

    The fragment asks again at every run instead of holding them, so that no visitor's page keeps them in memory.
    """
    try:
        with waiting("Explaining …") as on_progress:
            seen = explain_image(chosen, subject, on_progress)
            return seen, None if beside is None else (beside, explain_image(chosen, beside, on_progress))
    except CrosspoolError as error:
        show_error(error)
    return None
