"""Which step of the lesson is shown, and what it looks at.

The lesson keeps its own map and cell, so that what the other pages look at stays as it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import streamlit as st

from crosspool.backbones import DEFAULT, architecture
from crosspool.drawing.rendering import Look
from crosspool.ui.equation.building import PositionOrder
from crosspool.ui.lesson.quantities import COARSE, telling_map
from crosspool.ui.maps import selection
from crosspool.ui.maps.page import write_address
from crosspool.ui.maps.presenter import presenting
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, own_image_name, show_image
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

CARRIED = ("sample", "image", "present")  # the settings that the lesson's address has


@dataclass(frozen=True)
class LessonState:
    """What a step looks at: the sample's maps, one of them, and a cell."""

    image: SourceImage
    request: MapRequest
    maps: ImageMaps
    channel: int
    position: Cell
    look: Look

    @property
    def weight(self) -> float:
        """The weight of the map at the cell."""
        return float(self.maps.upper[self.channel][self.position])

    def choose_cell(self, cell: Cell) -> None:
        """Look at another cell, given on the grid of these maps."""
        progress = visit_state(LessonProgress)
        progress.channel, progress.point = self.channel, cell_centre(cell, self.maps.upper.shape[1:])


Sight = tuple[int | None, tuple[float, float] | None]  # a map and a point, as `LessonProgress` has them


@dataclass
class LessonProgress(VisitPart):
    """What a visit remembers of the lesson: the step, the problem with the link, and what is looked at.

    `channel` is None for the most telling map; `point`, in parts of the image's height and width, is None for its peak;
    `order` is that in which a block is built.
    """

    step: int = plain(1)
    note: str = plain("")
    channel: int | None = plain(None)
    point: tuple[float, float] | None = plain(None)
    order: PositionOrder = plain("strongest")


def current_step() -> tuple[int, str]:
    """The step that the address asks for, or else the last one; and what was wrong with the link, if anything."""
    step, note = asked_step(st.query_params)
    state = visit_state(LessonProgress)
    state.step, state.note = step or state.step, note or state.note
    return state.step, state.note


def asked_step(params: Mapping[str, str]) -> tuple[int | None, str]:
    """The step that URL parameters ask for, or None; and a sentence if they make no sense."""
    text, steps = params.get("step"), range(1, len(TITLES) + 1)
    if text is None or text in map(str, steps):
        return (int(text) if text else None), ""
    return None, f"Unknown step `{shorten(text)}` in the link (1 to {len(TITLES)})."


def go_to_step(step: int) -> None:
    """Show another step, also in the address."""
    state = visit_state(LessonProgress)
    state.step, state.note = min(max(step, 1), len(TITLES)), ""
    write_lesson_link()


def write_lesson_link() -> None:
    """Let the URL say the step, the image and presenter mode, so that copying it shares them."""
    link = visit_state(LinkState)
    shared = LinkState(sample=link.sample, image=own_image_name(), present=link.present)
    write_address({"step": str(visit_state(LessonProgress).step), **to_params(shared)})


def keys_of_step(step: int) -> dict[str, Callable[[], None]]:
    """What keys do: arrows always, the page keys in presenter mode."""
    count = 2 if presenting() else 1
    back, on = dict.fromkeys(BACK[:count], step - 1), dict.fromkeys(ON[:count], step + 1)
    return {name: partial(go_to_step, to) for name, to in (back | on).items()}


def lesson_state(image: SourceImage, size: int, on_progress: OnProgress) -> LessonState:
    """The map and cell to look at, at one input size; without a choice, the telling map at its coarse peak.

    The network is the embedded one, whatever the other pages look at. `on_progress` as for `image_maps`.
    Raises CrosspoolError.
    """
    server, pair = current_server(), architecture(DEFAULT).default_pair.id

    def maps_at(size: int) -> tuple[MapRequest, ImageMaps]:
        request = MapRequest(image.key, DEFAULT, PRETRAINED, pair, size, "crop", signed=False, border="zero")
        seconds = server.settings.wait_seconds
        return request, image_maps(server, request, lambda: image.image, on_progress, seconds=seconds)

    request, maps = maps_at(size)
    coarse = maps if size == COARSE else maps_at(COARSE)[1]
    state = visit_state(LessonProgress)
    channel = telling_map(coarse) if state.channel is None else state.channel
    point = state.point or cell_centre(selection.peak_cell(coarse, channel), coarse.upper.shape[1:])
    # Flat cells in the full range of colours show exactly what was computed.
    colours = selection.current_look(signed=False).colour_map
    look = Look(colours, LinkState().opacity, smooth=False, scale="map", signed=False)
    return LessonState(image, request, maps, channel, cell_under(point, maps.upper.shape[1:]), look)


def current_sight() -> Sight:
    """Which map and which point were chosen last."""
    progress = visit_state(LessonProgress)
    return progress.channel, progress.point


def choose_map(channel: int) -> None:
    """Look at another map, at its peak."""
    state = visit_state(LessonProgress)
    state.channel, state.point = channel, None


def current_order() -> PositionOrder:
    """The order in which a block is built."""
    return visit_state(LessonProgress).order


def choose_order(order: PositionOrder) -> None:
    """Build blocks in another order."""
    visit_state(LessonProgress).order = order


def take_along(view: LessonState, size: int) -> None:
    """Let the other pages look at what the lesson looks at, at this input size."""
    link = visit_state(LinkState)
    show_image(view.image)
    link.backbone, link.weights, link.pair, link.size = DEFAULT, PRETRAINED, view.request.pair, size
    link.framing, link.signed, link.border = "crop", False, "zero"
    selection.forget_channels()
    link.channel = view.channel
    if size == view.request.size:
        selection.select_cell(view.position)


def cell_centre(cell: Cell, size: Cell) -> tuple[float, float]:
    """The middle of a cell, as parts of the image's height and width."""
    return (cell[0] + 0.5) / size[0], (cell[1] + 0.5) / size[1]


def cell_under(point: tuple[float, float], size: Cell) -> Cell:
    """The cell of a grid that contains a point."""
    return int(point[0] * size[0]), int(point[1] * size[1])
