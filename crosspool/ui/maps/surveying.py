"""The choice of a set of images, and computing their maps: the button, how far that is, and what is known so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from crosspool.ui.maps.survey import ImageSet, ImageSummary, Survey, SurveyImage, image_sets, image_summary
from crosspool.ui.runtime.background import FullError
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.choose_labelled import show_problems
from crosspool.ui.visit.state import VisitPart, about_images, choose_option, plain, visit_state
from crosspool.ui.visit.waiting import errors_shown
from crosspool.ui.widgets.text import as_it_is

WATCH_SECONDS = 1.0
FEW_IMAGES = 8  # that are computed without being asked

Row = tuple[SurveyImage, ImageSummary | None]  # None for an image that is not computed yet
Draw = Callable[[list[Row], bool], None]  # the images, and whether their maps are being computed


@dataclass
class SurveyState(VisitPart):
    """Which images are shown ("" until a set is chosen), and the survey that computes their maps.

    `image_chosen` is whether another image was just made the page's by a click, which only a full run shows, and
    `survey_refusal` why the last survey did not begin.
    """

    across_set: str = plain("")
    survey: Survey | None = about_images(None)
    image_chosen: bool = plain(False)
    survey_refusal: str = plain("")


def choose_image_set(request: MapRequest, maps: ImageMaps) -> ImageSet:
    """The set whose images are shown: the visitor's own, if there are several, until another is chosen."""
    sets = image_sets(request, maps)
    default = "yours" if "yours" in sets and len(sets["yours"].images) > 1 else "samples"
    titles = {name: image_set.title for name, image_set in sets.items()}
    return sets[choose_option("Images", titles, visit_state(SurveyState), "across_set", default)]


def surveyed(image_set: ImageSet, draw: Draw, *, at_once: bool = False) -> None:
    """Offer to compute the maps of a set, and draw what is known of them: again every second while it is computed.

    `at_once` computes those of a few images without being asked.
    """
    survey = _survey_of(image_set)
    if survey is None and at_once and not image_set.ranked:
        missing = [image for image, summary in _rows(image_set) if summary is None]
        if 0 < len(missing) <= FEW_IMAGES:
            _start_survey(missing)
            survey = _survey_of(image_set)
    if survey is not None and survey.running:
        st.fragment(_follow, run_every=WATCH_SECONDS)(image_set, draw, watched=True)
    else:
        with st.container():  # which a fragment has, too, so that everything keeps its place
            _follow(image_set, draw, watched=False)


def _survey_of(image_set: ImageSet) -> Survey | None:
    """The survey of this session if it is of these images; one of others is ended."""
    state = visit_state(SurveyState)
    if state.survey is not None and not state.survey.requests <= {image.request for image in image_set.images}:
        state.survey.cancel()
        state.survey = None
    return state.survey


def _rows(image_set: ImageSet) -> list[Row]:
    cache = current_server().cache
    return [(image, image_summary(cache, image.request)) for image in image_set.images]


def _start_survey(images: Sequence[SurveyImage]) -> None:
    state = visit_state(SurveyState)
    try:
        state.survey, state.survey_refusal = Survey(current_server(), images), ""
    except FullError as error:
        state.survey_refusal = str(error)


@errors_shown()
def _follow(image_set: ImageSet, draw: Draw, *, watched: bool) -> None:
    """How far the survey is, and the images of the set."""
    survey = _survey_of(image_set)
    running, state = survey is not None and survey.running, visit_state(SurveyState)
    if (watched and not running) or state.image_chosen:
        state.image_chosen = False
        st.rerun()
    rows = _rows(image_set)
    failed = dict(survey.progress.failed) if survey is not None else {}
    missing = [image for image, summary in rows if summary is None and image.request not in failed]
    _controls(survey if running else None, missing, len(rows) - len(failed))
    show_problems(list(failed.values()))
    draw(rows, running)


def _controls(survey: Survey | None, missing: Sequence[SurveyImage], wanted: int) -> None:
    """One row: the button, or while maps are computed, how far that is, and a button that ends it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if survey is not None:
            done, total = survey.progress.done, survey.progress.total
            st.progress(done / total, text=f"{done:,} of {total:,}", width="stretch")
            st.button("Cancel", icon=":material/stop_circle:", on_click=survey.cancel, key="across-cancel")
        elif missing:
            which, images = ("this", "image") if len(missing) == 1 else ("these", f"{len(missing):,} images")
            label = f"Compute {which if len(missing) == wanted else 'the other'} {images}"
            icon = ":material/play_arrow:"
            st.button(label, "across-look", on_click=_start_survey, args=(missing,), icon=icon)
            if refusal := visit_state(SurveyState).survey_refusal:
                st.info(as_it_is(refusal), icon=":material/hourglass:")
        else:
            st.button(f"All {wanted:,} computed", "across-look", icon=":material/check:", disabled=True)
