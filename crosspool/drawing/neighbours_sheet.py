"""Neighbours of an image as a slide: each one's small picture, and where in the image their likeness lies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageOps

from crosspool.drawing.page import BAR_ROOM, MARGIN, WIDTH, Page
from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look, colour_range_of
from crosspool.drawing.style import any_script, fonts_for
from crosspool.drawing.tiles import largest_grid
from crosspool.text import number, signed

PLACES = Look(SIGNED_COLOUR_MAP, opacity=0.7, signed=True)


@dataclass(frozen=True)
class Tile:
    """A neighbour: its picture, name, label and similarity, and what each place of the image adds to that, (H, W)."""

    picture: Image.Image
    name: str
    label: str
    similarity: float
    places: NDArray[np.float64] | None


def neighbours_sheet(framed: Image.Image, neighbours: Sequence[Tile], *, title: str, caption: str) -> Figure:
    """The image that the network saw, and its neighbours with their similarities; `caption` stands below.

    Where places are known, each neighbour has a second tile: the image under what each of its places adds to the
    similarity, all on one scale.
    """
    maps = [tile.places.astype(np.float32) for tile in neighbours if tile.places is not None]
    across = 2 if maps else 1
    subject, _, source = title.partition(" · ")
    with any_script(), fonts_for([title, caption, *(tile.name + tile.label for tile in neighbours)]) as notes:
        right = WIDTH - MARGIN - (BAR_ROOM if maps else 0)
        bottom = Page().caption(caption, notes) - 24
        grid = largest_grid(across * (1 + len(neighbours)), MARGIN, right, bottom, multiple=across)
        page = Page(resolution=grid.resolution)
        page.heading(subject, source)
        page.caption(caption, notes)
        side = (page.pixels(grid.side),) * 2
        image = framed.convert("RGB").resize(side, Image.Resampling.LANCZOS)
        drawn: list[Image.Image | None] = [image, *([None] if maps else [])]
        grid.label(page, 0, "the image", "as the network saw it")
        colours = colour_range_of(np.concatenate([each.ravel() for each in maps]), signed=True) if maps else None
        for rank, tile in enumerate(neighbours, 1):
            note = f"{number(tile.similarity)} · {tile.label}" if tile.label else number(tile.similarity)
            grid.label(page, across * rank, f"{rank} · {tile.name}", note)
            drawn.append(ImageOps.pad(tile.picture.convert("RGB"), side, color="white"))
            if tile.places is not None and colours is not None:
                grid.label(page, across * rank + 1, "where in the image", f"at most {signed(float(tile.places.max()))}")
                drawn.append(PLACES.over(image, tile.places.astype(np.float32), colours))
        page.image(grid.together(page, drawn), grid.left, grid.top, grid.width, grid.height)
        if colours is not None:
            top, left = grid.top + grid.label_height, grid.left + grid.width + 28
            page.bar(left, top, grid.height - grid.label_height, SIGNED_COLOUR_MAP, colours, "what a cell adds")
    return page.figure
