"""The same channels on several images, on one scale, and the images on which a channel is strongest."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeVar

import numpy as np
import streamlit as st

from crosspool.datasets import Sample
from crosspool.drawing.rendering import ColourRange, Look, quantise
from crosspool.gallery.assets import asset, script
from crosspool.gallery.mapset import colour_tables
from crosspool.images import load_image
from crosspool.ui.maps.large_pictures import colour_scale
from crosspool.ui.maps.selection import select_channel
from crosspool.ui.maps.survey import ImageSummary, Survey, SurveyImage, image_summary, most_pictures
from crosspool.ui.runtime.image_hash import ImageHash
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.binding import bound_value
from crosspool.ui.visit.choose_labelled import labelled_at_hand, show_problems
from crosspool.ui.visit.labelled import LabelledSet
from crosspool.ui.visit.pictures import SourceImage, add_image, pictures_at_hand, show_picture
from crosspool.ui.visit.state import VisitPart, about_images, plain, visit_state
from crosspool.ui.widgets.text import as_it_is, number

TOP = 12  # images shown of a labelled set
WATCH_SECONDS = 1.0

Option = TypeVar("Option", bound=str)
Order = Literal["given", "peak", "mean"]
ORDERS: dict[Order, str] = {"given": "as they came", "peak": "by peak", "mean": "by mean weight"}
MEASURES: dict[Order, str] = {"peak": "peak", "mean": "mean weight"}

_component = st.components.v2.component(
    "crosspool.across",
    html='<div class="across"></div>',
    css=asset("ui/maps/across.css"),
    js=script("ui/maps/across.js"),
)


@dataclass
class AcrossState(VisitPart):
    """Which images are shown and in which order ("" until one is chosen), and the survey that computes their maps.

    `image_chosen` is whether a press has just made another image the page's, which only a full run shows.
    """

    across_set: str = plain("")
    across_order: str = plain("")
    survey: Survey | None = about_images(None)
    image_chosen: bool = plain(False)


@dataclass(frozen=True)
class Entry:
    """An image that can be a row: `show` makes it the page's picture, `file_keys` are the SHA-256s of its file."""

    subject: SurveyImage
    alt: str
    thumbnail: Callable[[], str]
    file_keys: Callable[[], set[ImageHash]]
    show: Callable[[], None]


Row = tuple[Entry, ImageSummary | None]  # None for an image that was not looked at


@dataclass(frozen=True)
class ImageSet:
    """Images to choose from; of a `ranked` set only the strongest are shown. `note` says what was left out."""

    title: str
    entries: tuple[Entry, ...]
    ranked: bool = False
    note: str = ""


def across(
    chosen: SourceImage, request: MapRequest, maps: ImageMaps, *, channel: int, pins: Sequence[int], look: Look
) -> None:
    """Show the selected channel and the pinned ones on other images; those are looked at when a button is pressed."""
    channels = list(pins) if channel in pins else [channel, *pins]  # columns stay while one of them is selected
    st.header(f"Map{'s'[: len(channels) > 1]} {', '.join(map(str, channels))} on other images", anchor=False)
    sets = _sets(request, maps)
    with st.container(horizontal=True, gap="medium"):
        default = "yours" if "yours" in sets and len(sets["yours"].entries) > 1 else "samples"
        name = _choose("Images", {name: images.title for name, images in sets.items()}, default, "across_set")
        images = sets[name]
        orders = {key: text for key, text in ORDERS.items() if key != "given" or not images.ranked}
        order = _choose("Order", orders, next(iter(orders)), "across_order")
    survey = _survey_of(images)
    if survey is not None and survey.running:
        st.fragment(_shown, run_every=WATCH_SECONDS)(chosen, images, channel, channels, look, order, watched=True)
    else:
        with st.container():  # which a fragment has, too, so that everything keeps its place
            _shown(chosen, images, channel, channels, look, order, watched=False)


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


# --- the sets


def _sets(request: MapRequest, maps: ImageMaps) -> dict[str, ImageSet]:
    entries = [_entry(picture, request) for picture in pictures_at_hand()]
    samples = tuple(entry for entry, is_sample in entries if is_sample)
    yours = tuple(entry for entry, is_sample in entries if not is_sample)
    found = {"samples": ImageSet(f"samples ({len(samples)})", samples)}
    if yours:
        seen = {entry.subject.request for entry in yours}
        both = (*yours, *(entry for entry in samples if entry.subject.request not in seen))  # some upload a sample
        found = {
            "yours": ImageSet(f"yours ({len(yours)})", yours),
            **found,
            "both": ImageSet(f"both ({len(both)})", both),
        }
    labelled = labelled_at_hand()
    if labelled is not None:
        found["labelled"] = _labelled_set(labelled, request, most_pictures(current_server().cache, maps.upper.shape))
    return found


def _entry(picture: SourceImage, request: MapRequest) -> tuple[Entry, bool]:
    """A picture at hand, and whether it is a sample."""
    subject = SurveyImage(replace(request, image=picture.key), picture.title, lambda: picture.image)
    return (
        Entry(subject, picture.alt, lambda: picture.thumbnail, lambda: {picture.key}, partial(show_picture, picture)),
        bool(picture.sample),
    )


def _labelled_set(labelled: LabelledSet, request: MapRequest, most: int) -> ImageSet:
    """Every different picture of a labelled set, or if those are too many, each so-and-so-manieth."""
    samples = dict(zip(labelled.pictures, labelled.dataset.samples, strict=True))
    step = -(-len(samples) // most)
    entries = tuple(
        _labelled_entry(labelled, sample, replace(request, image=ImageHash(key)))
        for key, sample in list(samples.items())[::step]
    )
    note = f" One of {step} is looked at, as there is no room for the maps of all {len(samples):,}." * (step > 1)
    return ImageSet(as_it_is(labelled.title), entries, ranked=True, note=note)


def _labelled_entry(labelled: LabelledSet, sample: Sample, request: MapRequest) -> Entry:
    return Entry(
        SurveyImage(request, sample.name, lambda: load_image(sample.read(), name=sample.name), keep=False),
        sample.name,
        lambda: labelled.thumbnail_of(sample),
        lambda: labelled.keys_of(sample),
        lambda: add_image(sample.read(), sample.name),
    )


# --- looking at them


def _survey_of(images: ImageSet) -> Survey | None:
    """The survey of this session, if it was begun for these images; one that was begun for others is ended."""
    state = visit_state(AcrossState)
    survey = state.survey
    if survey is not None and not survey.requests <= {entry.subject.request for entry in images.entries}:
        survey.cancel()
        state.survey = None
    return state.survey


def _begin(subjects: Sequence[SurveyImage]) -> None:
    visit_state(AcrossState).survey = Survey(current_server(), subjects)


def _shown(
    chosen: SourceImage,
    images: ImageSet,
    channel: int,
    channels: Sequence[int],
    look: Look,
    order: Order,
    *,
    watched: bool,
) -> None:
    """How far the survey is, and the images as far as they were looked at."""
    survey = _survey_of(images)
    running, state = survey is not None and survey.running, visit_state(AcrossState)
    if (watched and not running) or state.image_chosen:
        state.image_chosen = False
        st.rerun()
    cache = current_server().cache
    glances = [image_summary(cache, entry.subject.request) for entry in images.entries]
    failed = survey.failed if survey is not None else {}
    missing = [
        entry.subject
        for entry, glance in zip(images.entries, glances, strict=True)
        if glance is None and entry.subject.request not in failed
    ]
    _controls(survey if running else None, missing, len(images.entries) - len(failed))
    show_problems(list(failed.values()))
    seen = [glance for glance in glances if glance is not None]
    rows: list[Row] = list(zip(images.entries, glances, strict=True))
    if not running and order != "given":
        rows = strongest_first(rows, channel, order)
    if images.ranked:
        rows = [] if running else [row for row in rows if row[1] is not None][:TOP]
    _caption(images, len(seen), len(rows), channel, order)
    if rows:
        _matrix(chosen, rows, channels, look, column_colour_ranges(seen, channels, look) if seen else [])


def _controls(survey: Survey | None, missing: Sequence[SurveyImage], wanted: int) -> None:
    """One row: the button, or while images are looked at, how many were, and a button that ends it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if survey is not None:
            total = survey.total
            st.progress(survey.done / total, text=f"{survey.done:,} of {total:,}", width="stretch")
            st.button("Cancel", icon=":material/stop_circle:", on_click=survey.cancel, key="across-cancel")
        elif missing:
            which = "the other" if len(missing) < wanted else "these" if wanted > 1 else "this"
            st.button(
                f"Look at {which} {len(missing):,} images" if len(missing) > 1 else f"Look at {which} image",
                icon=":material/play_arrow:",
                on_click=_begin,
                args=(missing,),
                key="across-look",
            )
        else:
            st.button(f"All {wanted:,} looked at", icon=":material/check:", disabled=True, key="across-look")


def strongest_first(rows: Sequence[Row], channel: int, order: Order) -> list[Row]:
    """The rows by a channel's peak, whatever its sign, or by its mean; those not looked at come last.

    Of equal peaks, which clipped maps often have, the one with the larger mean comes first.
    """

    def weakness(row: Row) -> tuple[float, float]:
        glance = row[1]
        if glance is None:
            return np.inf, np.inf
        mean = float(glance.mean[channel])
        return (-abs(float(glance.peak[channel])) if order == "peak" else -mean), -mean

    return sorted(rows, key=weakness)


def column_colour_ranges(seen: Sequence[ImageSummary], channels: Sequence[int], look: Look) -> list[ColourRange]:
    """The range of weights that the colours of each channel span, the same for all images that were looked at."""
    peaks = np.max([np.abs(glance.peak) for glance in seen], axis=0)
    return [look.colour_range(peaks, channel) for channel in channels]


def _caption(images: ImageSet, seen: int, shown: int, channel: int, order: Order) -> None:
    told = f"{seen:,} of {len(images.entries):,} images looked at."
    if order != "given" and seen and shown:
        which = f"The {shown} strongest of them" if shown < seen else "Strongest first"
        told += f" {which}: by the {MEASURES[order]} of map {channel} on the image."
    hint = " Press a picture to study it at large." if shown else ""
    st.caption(f"{told}{images.note}{hint}")


def _matrix(
    chosen: SourceImage, rows: Sequence[Row], channels: Sequence[int], look: Look, colour_ranges: Sequence[ColourRange]
) -> None:
    """A row for each image, a column for each channel; without `colour_ranges` nothing was looked at yet."""
    entries = {entry.subject.request.image: entry for entry, _ in rows}

    def on_pressed_change() -> None:
        pressed = st.session_state["across"].pressed
        if pressed is not None and pressed[0] in entries:
            entries[pressed[0]].show()
            select_channel(int(pressed[1]))
            visit_state(AcrossState).image_chosen = True

    scales: list[list[str] | None] = [None] * len(channels)
    if len(set(colour_ranges)) == 1:
        what = f"map {channels[0]}" if len(channels) == 1 else "all these maps"
        colour_scale(colour_ranges[0], look.colour_map, f"weight, one scale for {what} on all images looked at")
    elif colour_ranges:
        scales = [[number(low), number(high)] for low, high in colour_ranges]
    data = {
        "columns": [{"channel": channel, "scale": scale} for channel, scale in zip(channels, scales, strict=True)],
        "rows": [_row(entry, glance, chosen, channels, colour_ranges) for entry, glance in rows],
        "table": colour_tables()[look.colour_map],
        "opacity": look.opacity,
        "smooth": look.smooth,
    }
    _component(data=data, key="across", on_pressed_change=on_pressed_change)


def _row(
    entry: Entry,
    glance: ImageSummary | None,
    chosen: SourceImage,
    channels: Sequence[int],
    colour_ranges: Sequence[ColourRange],
) -> dict[str, object]:
    row = {
        "id": entry.subject.request.image,
        "title": entry.subject.title,
        "alt": entry.alt,
        "thumbnail": entry.thumbnail(),
        "chosen": chosen.key in entry.file_keys(),
    }
    if glance is None:
        return row | {"photo": None, "cells": []}
    cells = [_cell(glance, channel, span) for channel, span in zip(channels, colour_ranges, strict=True)]
    return row | {
        "photo": glance.photo,
        "rows": glance.cells.shape[1],
        "columns": glance.cells.shape[2],
        "cells": cells,
    }


def _cell(glance: ImageSummary, channel: int, colour_range: ColourRange) -> dict[str, str]:
    peak = glance.peak[channel]
    steps = quantise(glance.weights(channel), colour_range)
    return {
        "steps": base64.b64encode(steps.tobytes()).decode(),
        "peak": f"peak {number(peak)}" if peak else "zero everywhere",
        "place": f"row {glance.row[channel]}, column {glance.column[channel]}" if peak else "",
        "mean": f"mean {number(glance.mean[channel])}",
    }
