"""The same channels on several images, on one scale, and the images on which a channel is strongest."""

from collections.abc import Sequence

import streamlit as st

from crosspool.drawing.rendering import Look
from crosspool.ui.maps.map_matrix import AcrossState, ImageOrder, Row, column_colour_ranges, map_matrix, strongest_first
from crosspool.ui.maps.selection import pinned_channels
from crosspool.ui.maps.survey import ImageSet, Survey, SurveyImage, image_sets, image_summary
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.choose_labelled import show_problems
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import choose_option, visit_state

TOP_IMAGES = 12  # shown of a labelled set
WATCH_SECONDS = 1.0

ORDERS: dict[ImageOrder, str] = {"given": "as listed", "peak": "by peak", "mean": "by mean weight"}
MEASURES: dict[ImageOrder, str] = {"peak": "peak", "mean": "mean weight"}


def across(chosen: SourceImage, request: MapRequest, maps: ImageMaps, channel: int, look: Look) -> None:
    """Show the selected channel and the pinned ones on other images; a button computes their maps."""
    pins = pinned_channels(maps)
    channels = pins if channel in pins else [channel, *pins]  # columns stay while one of them is selected
    title = "Map" if len(channels) == 1 else "Maps"
    st.header(f"{title} {', '.join(map(str, channels))} on other images", anchor=False)
    sets, state = image_sets(request, maps), visit_state(AcrossState)
    with st.container(horizontal=True, gap="medium"):
        default = "yours" if "yours" in sets and len(sets["yours"].images) > 1 else "samples"
        titles = {name: image_set.title for name, image_set in sets.items()}
        image_set = sets[choose_option("Images", titles, state, "across_set", default)]
        orders = {key: text for key, text in ORDERS.items() if key != "given" or not image_set.ranked}
        order = choose_option("Order", orders, state, "across_order")
    survey = _survey_of(image_set)
    if survey is not None and survey.running:
        st.fragment(_grid, run_every=WATCH_SECONDS)(chosen, image_set, channel, channels, look, order, watched=True)
    else:
        with st.container():  # which a fragment has, too, so that everything keeps its place
            _grid(chosen, image_set, channel, channels, look, order, watched=False)


def _survey_of(image_set: ImageSet) -> Survey | None:
    """The survey of this session if it is of these images; one of others is ended."""
    state = visit_state(AcrossState)
    if state.survey is not None and not state.survey.requests <= {image.request for image in image_set.images}:
        state.survey.cancel()
        state.survey = None
    return state.survey


def _start_survey(images: Sequence[SurveyImage]) -> None:
    visit_state(AcrossState).survey = Survey(current_server(), images)


def _grid(
    chosen: SourceImage, image_set: ImageSet, channel: int, channels: list[int], look: Look, order: ImageOrder,
    watched: bool,
) -> None:  # fmt: skip
    """How far the survey is, and the images whose maps are computed already."""
    survey = _survey_of(image_set)
    running, state = survey is not None and survey.running, visit_state(AcrossState)
    if (watched and not running) or state.image_chosen:
        state.image_chosen = False
        st.rerun()
    cache = current_server().cache
    rows: list[Row] = [(image, image_summary(cache, image.request)) for image in image_set.images]
    failed = dict(survey.progress.failed) if survey is not None else {}
    missing = [image for image, summary in rows if summary is None and image.request not in failed]
    _controls(survey if running else None, missing, len(rows) - len(failed))
    show_problems(list(failed.values()))
    summaries = [summary for _, summary in rows if summary is not None]
    if not running and order != "given":
        rows = strongest_first(rows, channel, order)
    if image_set.ranked:
        rows = [] if running else [row for row in rows if row[1] is not None][:TOP_IMAGES]
    _caption(image_set, len(summaries), len(rows), channel, order)
    if rows:
        colour_ranges = column_colour_ranges(summaries, channels, look) if summaries else []
        map_matrix(chosen, rows, channels, look, colour_ranges)


def _controls(survey: Survey | None, missing: Sequence[SurveyImage], wanted: int) -> None:
    """One row: the button, or while maps are computed, how far that is, and a button that ends it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if survey is not None:
            done, total = survey.progress.done, survey.progress.total
            st.progress(done / total, text=f"{done:,} of {total:,}", width="stretch")
            st.button("Cancel", icon=":material/stop_circle:", on_click=survey.cancel, key="across-cancel")
        elif missing:
            which = "the other" if len(missing) < wanted else "these" if wanted > 1 else "this"
            label = f"Compute {which} {len(missing):,} images" if len(missing) > 1 else f"Compute {which} image"
            icon = ":material/play_arrow:"
            st.button(label, "across-look", on_click=_start_survey, args=(missing,), icon=icon)
        else:
            st.button(f"All {wanted:,} computed", "across-look", icon=":material/check:", disabled=True)


def _caption(image_set: ImageSet, computed: int, shown: int, channel: int, order: ImageOrder) -> None:
    sentence = f"{computed:,} of {len(image_set.images):,} images computed."
    if order != "given" and computed and shown:
        which = f"The {shown} strongest of them" if shown < computed else "Strongest first"
        sentence += f" {which}: by the {MEASURES[order]} of map {channel} on the image."
    hint = " Click an image to enlarge it." if shown else ""
    st.caption(f"{sentence}{image_set.note}{hint}")
