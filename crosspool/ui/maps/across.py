"""The same channels on several images, on one scale, and the images on which a channel is strongest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import streamlit as st

from crosspool.drawing.rendering import Look
from crosspool.ui.maps.image_sets import ImageSet, image_sets
from crosspool.ui.maps.map_matrix import Order, Row, column_colour_ranges, map_matrix, strongest_first
from crosspool.ui.maps.survey import Survey, SurveyImage, image_summary
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.choose_labelled import show_problems
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import VisitPart, about_images, bound_value, plain, visit_state

TOP_IMAGES = 12  # shown of a labelled set
WATCH_SECONDS = 1.0

ORDERS: dict[Order, str] = {"given": "in upload order", "peak": "by peak", "mean": "by mean weight"}
MEASURES: dict[Order, str] = {"peak": "peak", "mean": "mean weight"}

Option = TypeVar("Option", bound=str)


@dataclass
class AcrossState(VisitPart):
    """Which images are shown and in which order ("" until one is chosen), and the survey that computes their maps.

    `image_chosen` is whether a press has just made another image the page's, which only a full run shows.
    """

    across_set: str = plain("")
    across_order: str = plain("")
    survey: Survey | None = about_images(None)
    image_chosen: bool = plain(False)


def across(
    chosen: SourceImage, request: MapRequest, maps: ImageMaps, *, channel: int, pins: Sequence[int], look: Look
) -> None:
    """Show the selected channel and the pinned ones on other images; a button computes their maps."""
    channels = list(pins) if channel in pins else [channel, *pins]  # columns stay while one of them is selected
    st.header(
        f"{'Map' if len(channels) == 1 else 'Maps'} {', '.join(map(str, channels))} on other images", anchor=False
    )
    sets = image_sets(request, maps)
    with st.container(horizontal=True, gap="medium"):
        default = "yours" if "yours" in sets and len(sets["yours"].entries) > 1 else "samples"
        name = _choose("Images", {name: images.title for name, images in sets.items()}, default, "across_set")
        images = sets[name]
        orders = {key: text for key, text in ORDERS.items() if key != "given" or not images.ranked}
        order = _choose("Order", orders, next(iter(orders)), "across_order")
    survey = _survey_of(images)
    if survey is not None and survey.running:
        st.fragment(_grid, run_every=WATCH_SECONDS)(chosen, images, channel, channels, look, order, watched=True)
    else:
        with st.container():  # which a fragment has, too, so that everything keeps its place
            _grid(chosen, images, channel, channels, look, order, watched=False)


def _choose(label: str, options: Mapping[Option, str], default: Option, field: str) -> Option:
    """One of the options; what was chosen is remembered, and holds again whenever it is offered."""
    state = visit_state(AcrossState)
    chosen = getattr(state, field)
    current = chosen if chosen in options else default
    st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        required=True,
        **bound_value(field, current, partial(setattr, state, field)),
    )
    return current


# --- computing their maps


def _survey_of(images: ImageSet) -> Survey | None:
    """The survey of this session, if it was begun for these images; one that was begun for others is ended."""
    state = visit_state(AcrossState)
    survey = state.survey
    if survey is not None and not survey.requests <= {entry.subject.request for entry in images.entries}:
        survey.cancel()
        state.survey = None
    return state.survey


def _start_survey(subjects: Sequence[SurveyImage]) -> None:
    visit_state(AcrossState).survey = Survey(current_server(), subjects)


def _grid(
    chosen: SourceImage,
    images: ImageSet,
    channel: int,
    channels: Sequence[int],
    look: Look,
    order: Order,
    *,
    watched: bool,
) -> None:
    """How far the survey is, and the images as far as their maps are computed."""
    survey = _survey_of(images)
    running, state = survey is not None and survey.running, visit_state(AcrossState)
    if (watched and not running) or state.image_chosen:
        state.image_chosen = False
        st.rerun()
    cache = current_server().cache
    summaries = [image_summary(cache, entry.subject.request) for entry in images.entries]
    failed = survey.failed if survey is not None else {}
    missing = [
        entry.subject
        for entry, summary in zip(images.entries, summaries, strict=True)
        if summary is None and entry.subject.request not in failed
    ]
    _controls(survey if running else None, missing, len(images.entries) - len(failed))
    show_problems(list(failed.values()))
    seen = [summary for summary in summaries if summary is not None]
    rows: list[Row] = list(zip(images.entries, summaries, strict=True))
    if not running and order != "given":
        rows = strongest_first(rows, channel, order)
    if images.ranked:
        rows = [] if running else [row for row in rows if row[1] is not None][:TOP_IMAGES]
    _caption(images, len(seen), len(rows), channel, order)
    if rows:
        map_matrix(
            chosen, rows, channels, look, column_colour_ranges(seen, channels, look) if seen else [], _image_chosen
        )


def _image_chosen() -> None:
    visit_state(AcrossState).image_chosen = True


def _controls(survey: Survey | None, missing: Sequence[SurveyImage], wanted: int) -> None:
    """One row: the button, or while maps are computed, how far that is, and a button that ends it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if survey is not None:
            total = survey.total
            st.progress(survey.done / total, text=f"{survey.done:,} of {total:,}", width="stretch")
            st.button("Cancel", icon=":material/stop_circle:", on_click=survey.cancel, key="across-cancel")
        elif missing:
            which = "the other" if len(missing) < wanted else "these" if wanted > 1 else "this"
            st.button(
                f"Compute {which} {len(missing):,} images" if len(missing) > 1 else f"Compute {which} image",
                icon=":material/play_arrow:",
                on_click=_start_survey,
                args=(missing,),
                key="across-look",
            )
        else:
            st.button(f"All {wanted:,} computed", icon=":material/check:", disabled=True, key="across-look")


def _caption(images: ImageSet, seen: int, shown: int, channel: int, order: Order) -> None:
    sentence = f"{seen:,} of {len(images.entries):,} images computed."
    if order != "given" and seen and shown:
        which = f"The {shown} strongest of them" if shown < seen else "Strongest first"
        sentence += f" {which}: by the {MEASURES[order]} of map {channel} on the image."
    hint = " Click an image to enlarge it." if shown else ""
    st.caption(f"{sentence}{images.note}{hint}")
