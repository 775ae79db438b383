"""The two large images, what the network saw and a map over it, and the line that says what is shown."""

import html
from collections.abc import Callable

import numpy as np
import streamlit as st
from PIL import Image

from crosspool.backbones import UNTRAINED, architecture, spec_of
from crosspool.drawing import rendering
from crosspool.drawing.rendering import ColourRange, Look
from crosspool.layer_pairs import LayerPair
from crosspool.receptive_field import Box, patch_box, receptive_field
from crosspool.ui.maps.selection import select_cell
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.widgets.cell_image import Cell, cell_image, colour_bar
from crosspool.ui.widgets.text import as_it_is, number

LARGE = 448  # pixels of the large images


def headline(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    """Show in one line which image, network and layer pair the maps belong to."""
    st.markdown(headline_text(image, request.backbone, request.weights, maps.pair, maps.upper.shape[1:]))


def headline_text(image: SourceImage, backbone: str, weights: str, pair: LayerPair, map_size: tuple[int, ...]) -> str:
    """The headline as Markdown; `map_size` is (H, W)."""
    title = spec_of(backbone).title + (" (untrained)" if weights == UNTRAINED else "")
    rows, columns = map_size
    return (
        f"**{as_it_is(image.title)}** · {title} · {as_it_is(pair.label)} ({pair.lower_channels:,} → "
        f"{pair.upper_channels:,}, {pair.kernel_size[0]}×{pair.kernel_size[1]}) · {rows}×{columns} maps · "
        f"P has {pair.feature_length:,} numbers"
    )


def field_of(maps: ImageMaps, request: MapRequest, position: Cell) -> Box:
    """The receptive field of a position of the upper map, in pixels of the network's input."""
    return receptive_field(architecture(request.backbone).layout(request.size), maps.pair.upper, *position)


def input_image(
    maps: ImageMaps, request: MapRequest, position: Cell, choose: Callable[[Cell], None] = select_cell
) -> None:
    """The network's input with the patch and the receptive field of the position as boxes; clicks call `choose`."""
    st.markdown("**What the network saw**")
    patch = patch_box(maps.pair, *position)
    lower_size = maps.lower.shape[1:]
    first = rendering.cell_box(patch.top, patch.left, lower_size, LARGE)
    last = rendering.cell_box(patch.bottom - 1, patch.right - 1, lower_size, LARGE)
    field = field_of(maps, request, position).scaled(LARGE / request.size)
    boxes = [(field, rendering.FIELD_COLOUR), (first.joined(last).clipped(LARGE), rendering.PATCH_COLOUR)]
    marked, size = rendering.with_boxes(enlarged(maps.framed), boxes), maps.upper.shape[1:]
    alt = f"The image as the network saw it; position row {position[0]}, column {position[1]} is marked."
    cell_image(marked, alt=alt, map_size=size, cell=position, choose=choose, key="seen")
    st.caption(
        f"Exactly the network's input, {request.size} × {request.size} px. White: the patch of layer t at the selected "
        "position; orange: its receptive field. Click, or use the arrow keys, to select another position."
    )


def map_image(
    maps: ImageMaps, channel: int, position: Cell, look: Look, choose: Callable[[Cell], None] = select_cell
) -> None:
    """One map over the network's input, with a title and its colour bar; clicks call `choose`."""
    st.markdown(f"**Map {channel} over the photo**")
    map_picture(maps, channel, position, look, choose)


def map_picture(
    maps: ImageMaps, channel: int, position: Cell, look: Look, choose: Callable[[Cell], None] = select_cell
) -> None:
    """As `map_image`, without the title."""
    values, colour_range = maps.upper[channel], look.colour_range(maps.statistics.peak, channel)
    alt = f"Weighting map {channel} over the image, drawn in {look.colour_map}."
    label = f"weight, on {rendering.SCALES[look.scale]}"
    overlay_image(
        maps.framed, values, colour_range, look, position=position, choose=choose, alt=alt, label=label, key="over"
    )


def overlay_image(
    framed: Image.Image, values: np.ndarray, colour_range: ColourRange, look: Look, *,
    position: Cell, choose: Callable[[Cell], None], alt: str, label: str, key: str,
) -> None:  # fmt: skip
    """Values, (H, W), over the network's input, with the position marked and a colour bar; clicks call `choose`."""
    box = rendering.cell_box(*position, values.shape, LARGE)
    overlaid = rendering.with_boxes(look.over(enlarged(framed), values, colour_range), [(box, rendering.PATCH_COLOUR)])
    bar = colour_bar(colour_range, look.colour_map, label)
    cell_image(overlaid, alt=alt, map_size=values.shape, cell=position, choose=choose, key=key, bar=bar)


def colour_scale(colour_range: ColourRange, colour_map: str, label: str) -> None:
    """A numeric colour bar by itself, for images that share one scale."""
    colours = ",".join(f"rgb({r} {g} {b})" for r, g, b in rendering.colour_table(colour_map)[::15].tolist())
    low, high = map(number, colour_range)
    st.html(
        f'<div class="colour-scale"><span>{low}</span><i style="background: linear-gradient(to right, {colours})"></i>'
        f"<span>{high}</span><small>{html.escape(label)}</small></div>"
    )


def enlarged(framed: Image.Image) -> Image.Image:
    """The network's input in the size of the large images."""
    return framed.resize((LARGE, LARGE), Image.Resampling.BICUBIC)
