"""The page Contributions: a score split by channel and position, and what leaving channels out does to it."""

import streamlit as st

from crosspool.errors import CrosspoolError
from crosspool.ui.contributions.all_channels import channel_table_section, ranked_channels
from crosspool.ui.contributions.choose_classifier import choose_classifier, comparison_of_visit
from crosspool.ui.contributions.evidence import Baseline, answer_headline, one_channel, whole_image
from crosspool.ui.contributions.explaining import Explained, ExplainedClassifier, baseline_classifier, explain_image
from crosspool.ui.contributions.question import contribution_state, reset_for
from crosspool.ui.contributions.two_images import two_images
from crosspool.ui.contributions.wording import caution_sentence, check_sentence
from crosspool.ui.maps.page import ask_for_image, start_from_link, write_link
from crosspool.ui.visit.images import SourceImage, choose_image
from crosspool.ui.visit.waiting import show_error, waiting


def contributions_page() -> None:
    """The page."""
    start_from_link()
    st.title("Contributions", anchor=False)
    image = choose_image()
    classifier = choose_classifier(image)
    if image is None:
        ask_for_image()
    elif classifier is not None:
        try:
            with waiting("Preparing the comparison …") as on_progress:
                baseline = baseline_classifier(classifier, comparison_of_visit(), image, on_progress)
        except CrosspoolError as error:
            show_error(error)
        else:
            _show_explanation(image, classifier, baseline)


@st.fragment
def _show_explanation(
    image: SourceImage, classifier: ExplainedClassifier, baseline: ExplainedClassifier | None
) -> None:
    """Everything below the choice of image and classifier."""
    explanations = _explain(image, classifier, baseline)
    if explanations is None:
        return
    explained, explained_baseline = explanations
    reset_for(image, classifier, len(explained.contributions((explained.explanation.predicted, "")).channels))
    view = contribution_state(image, classifier, explained)
    answer_headline(view)
    whole_image(view, explained_baseline)
    st.caption(check_sentence(view.contributions))
    st.caption(caution_sentence(normalises=classifier.normalises, positions=view.selected is not None))
    one_channel(view)
    ranked_channels(view)
    channel_table_section(view)
    two_images(view)
    write_link()


def _explain(
    image: SourceImage, classifier: ExplainedClassifier, baseline: ExplainedClassifier | None
) -> tuple[Explained, Baseline | None] | None:
    """The image as the classifier sees it, and as its baseline does; None, with the reason shown, where that fails.

    The fragment asks again at every run instead of holding them, so that no visitor's page keeps them in memory.
    """
    try:
        with waiting("Explaining …") as on_progress:
            explained = explain_image(image, classifier, on_progress)
            if baseline is None:
                return explained, None
            return explained, (baseline, explain_image(image, baseline, on_progress))
    except CrosspoolError as error:
        show_error(error)
    return None
