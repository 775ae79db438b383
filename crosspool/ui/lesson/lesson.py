"""The guided lesson apart from its text: which step is on, what it looks at, and the numbers that it quotes.

The lesson keeps its own map and place, so that what the other pages look at stays as it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from crosspool.backbones import DEFAULT, architecture
from crosspool.drawing.rendering import Look, overlay
from crosspool.grids import averaged
from crosspool.ui.equation.building import summed_plainly
from crosspool.ui.maps.gallery import limits_of
from crosspool.ui.maps.presenter import presenting
from crosspool.ui.maps.selection import forget_channels, shown_look
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.maps import ImageMaps, Request, image_maps
from crosspool.ui.runtime.settings import settings
from crosspool.ui.visit.link import PRETRAINED, LinkState, shorten, to_params
from crosspool.ui.visit.pictures import SourceImage, pictures_at_hand
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.keys import BACK, ON
from crosspool.ui.widgets.picture import Cell
from crosspool.ui.widgets.text import number
from crosspool.ui.widgets.thumbnails import Thumbnail

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
DOZEN = 12
TILE = 168  # pixels
COARSE, FINE = 224, 448  # the network's own input size in pixels, and twice that


@dataclass(frozen=True)
class LessonState:
    """What a step looks at: the sample's maps, one of them, and a place in the picture."""

    picture: SourceImage
    request: Request
    maps: ImageMaps
    channel: int
    position: Cell
    look: Look


# --- where one is


def current_step() -> int:
    """The step that the address asks for; where it asks for none, the last one. `note_of_link` says what was wrong."""
    step, note = asked_step(st.query_params)
    if note:
        st.session_state.lesson_note = note
    if step is not None:
        st.session_state.lesson_step = step
    return int(st.session_state.setdefault("lesson_step", 1))


def asked_step(params: Mapping[str, str]) -> tuple[int | None, str]:
    """The step that URL parameters ask for, or None; and a sentence if they make no sense."""
    text = params.get("step")
    if text is None:
        return None, ""
    known = {str(step): step for step in range(1, len(TITLES) + 1)}
    if text in known:
        return known[text], ""
    return None, f"The link's step `{shorten(text)}` was ignored: it is a number from 1 to {len(TITLES)}."


def note_of_link() -> str:
    """What was wrong with the address, until another step is chosen."""
    return str(st.session_state.get("lesson_note", ""))


def go_to(step: int) -> None:
    """Another step, also in the address."""
    st.session_state.lesson_step, st.session_state.lesson_note = min(max(step, 1), len(TITLES)), ""
    write_link()


def write_link() -> None:
    """Let the URL say the step, the sample and presenter mode, so that copying it shares them."""
    state = st.session_state
    params = {"step": str(state.lesson_step), **to_params(LinkState(sample=state.sample, present=state.present))}
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)


# --- what it looks at


def chosen_sample() -> SourceImage:
    """The sample that the link, or another page, has chosen."""
    return next(picture for picture in pictures_at_hand() if picture.sample == st.session_state.sample)


def request_for(picture: SourceImage, size: int) -> Request:
    """The embedded network's last pair, whatever the other pages look at."""
    pair = architecture(DEFAULT).default_pair.id
    return Request(picture.key, DEFAULT, PRETRAINED, pair, size, "crop", signed=False, border="zero")


def view_at(picture: SourceImage, size: int, on_progress: OnProgress) -> LessonState:
    """The lesson's map and place at one size of the input; without a choice, the telling map at its coarse peak.

    `on_progress` as for `image_maps`. Raises CrosspoolError.
    """

    def maps_at(size: int) -> ImageMaps:
        request = request_for(picture, size)
        return image_maps(request, lambda: picture.image, on_progress, seconds=settings().wait_seconds)

    request, maps = request_for(picture, size), maps_at(size)
    coarse = maps if size == COARSE else maps_at(COARSE)
    state = st.session_state
    channel = state.get("lesson_channel")
    if channel is None:
        channel = telling_map(coarse)
    spot = state.get("lesson_spot") or middle(peak(coarse, channel), coarse.upper.shape[1:])
    # Flat cells in the full range of colours: what is seen is what is computed.
    look = Look(shown_look(signed=False).colour_map, LinkState().opacity, smooth=False, scale="map", signed=False)
    return LessonState(picture, request, maps, channel, cell_at(spot, maps.upper.shape[1:]), look)


def choose_map(channel: int) -> None:
    """Another map, at its peak."""
    st.session_state.lesson_channel, st.session_state.lesson_spot = channel, None


def choose_place(view: LessonState, cell: Cell) -> None:
    """Another place in the picture, given by the cell of this view's maps."""
    st.session_state.lesson_channel = view.channel
    st.session_state.lesson_spot = middle(cell, view.maps.upper.shape[1:])


def take_along(view: LessonState, size: int) -> None:
    """Let the other pages look at what the lesson looks at, at this size of the input."""
    state = st.session_state
    state.source, state.sample, state.backbone, state.weights = "sample", view.picture.sample, DEFAULT, PRETRAINED
    state.pair, state.size, state.framing, state.signed = view.request.pair, size, "crop", False
    state.border = "zero"
    forget_channels()
    state.channel = view.channel
    if size == view.request.size:
        state.position = view.position


def peak(maps: ImageMaps, channel: int) -> Cell:
    """Where a map is largest."""
    return int(maps.statistics.peak_row[channel]), int(maps.statistics.peak_column[channel])


def middle(cell: Cell, size: Cell) -> tuple[float, float]:
    """The middle of a cell, as parts of the picture's height and width."""
    return (cell[0] + 0.5) / size[0], (cell[1] + 0.5) / size[1]


def cell_at(spot: tuple[float, float], size: Cell) -> Cell:
    """The cell of a grid in which a spot lies."""
    return int(spot[0] * size[0]), int(spot[1] * size[1])


# --- what it quotes


def sides_of_maps() -> list[int]:
    """The sides of all maps on the way through the network, from the photo to the last one, without repeats."""
    found = architecture(DEFAULT)
    sizes = (side for pair in found.layer_pairs for side, _ in found.map_sizes(pair, COARSE))
    return list(dict.fromkeys([COARSE, *sizes]))


def positions(size: int) -> int:
    """How many numbers a map has at this size of the input."""
    found = architecture(DEFAULT)
    rows, columns = found.map_sizes(found.default_pair, size)[1]
    return rows * columns


def a_dozen(maps: ImageMaps) -> list[int]:
    """Maps that differ: of those that peak at a place the strongest, strongest places first, filled up by energy."""
    order = [int(channel) for channel in maps.statistics.order("energy_share") if not maps.statistics.dead[channel]]
    best: dict[Cell, int] = {}
    for channel in order:
        best.setdefault(peak(maps, channel), channel)
    chosen = list(best.values())
    return (chosen + [channel for channel in order if channel not in chosen])[:DOZEN]


def telling_map(maps: ImageMaps) -> int:
    """Of these maps the most selective: the smallest mean beside its peak. Map 0 where all maps are zero."""
    chosen, statistics = a_dozen(maps), maps.statistics
    return min(chosen, key=lambda k: float(statistics.mean[k] / statistics.peak[k])) if chosen else 0


def tiles(view: LessonState, channels: list[int]) -> list[Thumbnail]:
    """Maps over the picture in small, each with its peak in words."""
    small = view.maps.framed.resize((TILE, TILE))
    found = []
    for channel in channels:
        limits = limits_of(view.maps, channel, view.look)
        shown = overlay(
            small,
            view.maps.upper[channel],
            limits=limits,
            colour_map=view.look.colour_map,
            opacity=view.look.opacity,
            smooth=False,
        )
        row, column = peak(view.maps, channel)
        alt = f"Map {channel}: largest, {number(view.maps.statistics.peak[channel])}, at row {row}, column {column}"
        found.append(Thumbnail(str(channel), f"Map {channel}", alt, data_url(shown)))
    return found


def carriers_of_half(shares: np.ndarray) -> int:
    """How many maps, the strongest first, carry half of the energy of P; 0 where there is none."""
    return int(np.searchsorted(np.sort(shares)[::-1].cumsum(), 0.5)) + 1 if shares.any() else 0


def rank(shares: np.ndarray, channel: int) -> int:
    """Which place a map takes by its energy, from 1."""
    return int((shares > shares[channel]).sum()) + 1


def likeness(coarse: np.ndarray, fine: np.ndarray) -> float:
    """The cosine between a map, (H, W), and a finer one averaged over its cells; 0 where one is zero everywhere."""
    rows, columns = coarse.shape
    a, b = coarse.astype(float), averaged(fine.astype(float), (rows, columns))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / size if size else 0.0


def change(before: np.ndarray, after: np.ndarray) -> float:
    """How far a vector has moved, as a part of its length; 0 where it is zero."""
    length = float(np.linalg.norm(before))
    return float(np.linalg.norm(after - before)) / length if length else 0.0


def mirrored(maps: ImageMaps, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """The map turned left to right while the patches stay, (H, W), and the block that it pools."""
    weights: np.ndarray = np.ascontiguousarray(maps.upper[channel][:, ::-1])
    return weights, summed_plainly(maps, weights[None])[0]


def keys_of_step(step: int) -> dict[str, Callable[[], None]]:
    """What keys do: arrows always, the page keys in presenter mode."""
    used = 2 if presenting() else 1
    back, on = dict.fromkeys(BACK[:used], step - 1), dict.fromkeys(ON[:used], step + 1)
    return {name: partial(go_to, to) for name, to in (back | on).items()}
