"""Which step of the lesson is on, and what it looks at.

The lesson keeps its own map and cell, so that what the other pages look at stays as it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import streamlit as st

from crosspool.backbones import DEFAULT, architecture
from crosspool.drawing.rendering import Look
from crosspool.ui.lesson.quantities import COARSE, peak_cell, telling_map
from crosspool.ui.maps.presenter import presenting
from crosspool.ui.maps.selection import current_look, forget_channels, select_cell
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, available_images, show_image
from crosspool.ui.visit.link import PRETRAINED, LinkState, shorten, to_params
from crosspool.ui.visit.state import VisitPart, plain, visit_state
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.keys import BACK, ON

TITLES = (
    "What is a map?",
    "A thousand maps",
    "Why a weight?",
    "One block of P",
    "All of P",
    "Finer maps",
    "Against averages",
    "Now you",
)


@dataclass(frozen=True)
class LessonState:
    """What a step looks at: the sample's maps, one of them, and a cell."""

    picture: SourceImage
    request: MapRequest
    maps: ImageMaps
    channel: int
    position: Cell
    look: Look


@dataclass
class LessonProgress(VisitPart):
    """What a visit remembers of the lesson: the step, what was wrong with the link, and what is looked at.

    `channel` is None for the map that tells most; `point`, in parts of the image's height and width, for its peak.
    """

    step: int = plain(1)
    note: str = plain("")
    channel: int | None = plain(None)
    point: tuple[float, float] | None = plain(None)


def current_step() -> int:
    """The step that the address asks for; where it asks for none, the last one. `note_of_link` says what was wrong."""
    step, note = asked_step(st.query_params)
    state = visit_state(LessonProgress)
    state.note = note or state.note
    state.step = step or state.step
    return state.step


def asked_step(params: Mapping[str, str]) -> tuple[int | None, str]:
    """The step that URL parameters ask for, or None; and a sentence if they make no sense."""
    text = params.get("step")
    if text is None:
        return None, ""
    steps = {str(step): step for step in range(1, len(TITLES) + 1)}
    if text in steps:
        return steps[text], ""
    return None, f"Unknown step `{shorten(text)}` in the link (1 to {len(TITLES)})."


def note_of_link() -> str:
    """What was wrong with the address, until another step is chosen."""
    return visit_state(LessonProgress).note


def go_to_step(step: int) -> None:
    """Another step, also in the address."""
    state = visit_state(LessonProgress)
    state.step, state.note = min(max(step, 1), len(TITLES)), ""
    write_lesson_link()


def write_lesson_link() -> None:
    """Let the URL say the step, the sample and presenter mode, so that copying it shares them."""
    link = visit_state(LinkState)
    shared = LinkState(sample=link.sample, present=link.present)
    params = {"step": str(visit_state(LessonProgress).step), **to_params(shared)}
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)


def keys_of_step(step: int) -> dict[str, Callable[[], None]]:
    """What keys do: arrows always, the page keys in presenter mode."""
    used = 2 if presenting() else 1
    back, on = dict.fromkeys(BACK[:used], step - 1), dict.fromkeys(ON[:used], step + 1)
    return {name: partial(go_to_step, to) for name, to in (back | on).items()}


def chosen_sample() -> SourceImage:
    """The sample that the link, or another page, has chosen."""
    return next(picture for picture in available_images() if picture.sample == visit_state(LinkState).sample)


def request_for(picture: SourceImage, size: int) -> MapRequest:
    """The embedded network's last pair, whatever the other pages look at."""
    pair = architecture(DEFAULT).default_pair.id
    return MapRequest(picture.key, DEFAULT, PRETRAINED, pair, size, "crop", signed=False, border="zero")


def lesson_state(picture: SourceImage, size: int, on_progress: OnProgress) -> LessonState:
    """The lesson's map and cell at one size of the input; without a choice, the telling map at its coarse peak.

    `on_progress` as for `image_maps`. Raises CrosspoolError.
    """

    server = current_server()

    def maps_at(size: int) -> ImageMaps:
        request = request_for(picture, size)
        seconds = server.settings.wait_seconds
        return image_maps(server, request, lambda: picture.image, on_progress, seconds=seconds)

    request, maps = request_for(picture, size), maps_at(size)
    coarse = maps if size == COARSE else maps_at(COARSE)
    state = visit_state(LessonProgress)
    channel = state.channel
    if channel is None:
        channel = telling_map(coarse)
    point = state.point or cell_centre(peak_cell(coarse, channel), coarse.upper.shape[1:])
    # Flat cells in the full range of colours: what is seen is what is computed.
    look = Look(current_look(signed=False).colour_map, LinkState().opacity, smooth=False, scale="map", signed=False)
    return LessonState(picture, request, maps, channel, cell_under(point, maps.upper.shape[1:]), look)


def choose_map(channel: int) -> None:
    """Another map, at its peak."""
    state = visit_state(LessonProgress)
    state.channel, state.point = channel, None


def choose_cell(view: LessonState, cell: Cell) -> None:
    """Another cell, given on the grid of this view's maps."""
    state = visit_state(LessonProgress)
    state.channel = view.channel
    state.point = cell_centre(cell, view.maps.upper.shape[1:])


def take_along(view: LessonState, size: int) -> None:
    """Let the other pages look at what the lesson looks at, at this size of the input."""
    link = visit_state(LinkState)
    show_image(view.picture)
    link.backbone, link.weights, link.pair, link.size = DEFAULT, PRETRAINED, view.request.pair, size
    link.framing, link.signed, link.border = "crop", False, "zero"
    forget_channels()
    link.channel = view.channel
    if size == view.request.size:
        select_cell(view.position)


def cell_centre(cell: Cell, size: Cell) -> tuple[float, float]:
    """The middle of a cell, as parts of the image's height and width."""
    return (cell[0] + 0.5) / size[0], (cell[1] + 0.5) / size[1]


def cell_under(point: tuple[float, float], size: Cell) -> Cell:
    """The cell of a grid in which a point lies."""
    return int(point[0] * size[0]), int(point[1] * size[1])
