"""Contributions as a slide: the image, where the evidence lies, and the channels that contribute most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from crosspool.contributions import Contributions
from crosspool.drawing.page import LINE, MARGIN, PALE, SCALE, WIDTH, Page, points
from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, ColourRange, Look, colour_range_of
from crosspool.drawing.style import INK, any_script, fonts_for
from crosspool.drawing.tiles import Grid, largest_grid
from crosspool.text import number, share_text, signed

FOR, AGAINST = "#B2182B", "#2166AC"  # the ends of the diverging colours
CHART = 440  # the width of the bars with their names
NAMES, LONG_NAMES = 64, 250  # the width of the names: of channels of one part, and of several
BAR_PITCH = 64  # from bar to bar, at most
AXIS_ROOM = 40  # for the numbers below the bars
SCALES_ROOM, COLUMN_SPACE = 280, 72  # between tiles and bars: with colour bars, and without
SCALE_BREAK = 40  # between two colour bars, one above the other
EVIDENCE = Look(SIGNED_COLOUR_MAP, opacity=0.7, signed=True)


def strongest_channels(contributions: Contributions, top: int) -> list[int]:
    """The `top` channels that contribute most in magnitude, the largest first; those that add nothing are left out."""
    channels = contributions.channels
    order = np.argsort(-np.abs(channels), kind="stable")[:top]
    return [int(index) for index in order if channels[index] != 0]


def evidence_sheet(
    framed: Image.Image, contributions: Contributions, *, title: str, caution: str, top: int = 8
) -> Figure:
    """What adds up to a score, over the image that the network saw; below it stands `caution`.

    On the left are pairs of equal tiles: the image and the evidence of all channels, then the weighting map and the
    evidence of each of the `top` channels, whose contributions are the bars on the right. All channels share a scale of
    evidence; their sum has another.
    """
    chosen = strongest_channels(contributions, top)
    subject, _, source = title.partition(" · ")
    caption = f"{_check(contributions)} {caution}"
    tiles, scales = _tiles_and_scales(contributions, chosen)
    with any_script(), fonts_for([title, caption, *contributions.names]) as notes:
        bottom = Page().caption(caption, notes, breaks=" ") - 24
        right = WIDTH - MARGIN - CHART - (SCALES_ROOM if scales else COLUMN_SPACE)
        grid = largest_grid(len(tiles), MARGIN, right, bottom, multiple=min(2, len(tiles)))
        grid.left = MARGIN
        page = Page(resolution=grid.resolution)
        score = f"score {number(contributions.score, 4)}, intercept {number(contributions.intercept)}"
        page.heading(subject, " · ".join(text for text in (score, source) if text))
        page.caption(caption, notes, breaks=" ")
        _draw_tiles(page, grid, framed, tiles)
        _draw_scales(page, grid, scales)
        _draw_bars(page, grid, contributions, chosen)
    return page.figure


def _check(contributions: Contributions) -> str:
    check = contributions.check
    verdict = "The parts add up" if check.holds else "THE PARTS DO NOT ADD UP"
    return f"{verdict}: they differ from the score {number(check.score, 4)} by {share_text(check.error)} of it."


@dataclass(frozen=True)
class _Tile:
    """An image with the two lines above it; with weights, those lie over it."""

    name: str
    note: str
    weights: np.ndarray | None = None
    colour_range: ColourRange = (0.0, 1.0)
    look: Look = EVIDENCE

    def drawn(self, image: Image.Image) -> Image.Image:
        return image if self.weights is None else self.look.over(image, self.weights, self.colour_range)


def _tiles_and_scales(
    contributions: Contributions, chosen: Sequence[int]
) -> tuple[list[_Tile | None], list[tuple[str, ColourRange]]]:
    """The tiles, in pairs where there is any evidence by position, and the scales of evidence."""
    tiles: list[_Tile | None] = [_Tile("the image", "as the network saw it")]
    scales = []
    if contributions.positions is not None:
        total = contributions.positions.astype(np.float32)
        scales.append(("evidence of all channels", colour_range_of(total, signed=True)))
        tiles.append(_Tile("all channels", f"evidence {signed(float(total.sum()))}", total, scales[-1][1]))
    elif any(part.evidence is not None for part in contributions.parts):
        tiles.append(None)
    evidence, weights = {}, {}
    for index in chosen:
        part, k = contributions.channel(index)
        if part.evidence is not None and part.maps is not None:
            evidence[index] = part.evidence[k].astype(np.float32)
            weights[index] = part.maps[k].astype(np.float32)
    if not evidence:
        return tiles, scales
    shared = colour_range_of(np.concatenate([values.ravel() for values in evidence.values()]), signed=True)
    scales.append(("evidence of one channel", shared))
    for index, values in evidence.items():
        own = colour_range_of(weights[index], signed=bool((weights[index] < 0).any()))
        look = Look(SIGNED_COLOUR_MAP) if own[0] < 0 else Look()
        peak = f"peak {number(float(weights[index].max()))}"
        part, k = contributions.channel(index)
        note = peak if len(contributions.parts) == 1 else f"{part.name}, {peak}"
        tiles.append(_Tile(f"map {k}", note, weights[index], own, look))
        tiles.append(_Tile("its evidence", signed(float(contributions.channels[index])), values, shared))
    return tiles, scales


def _draw_tiles(page: Page, grid: Grid, framed: Image.Image, tiles: Sequence[_Tile | None]) -> None:
    small = framed.convert("RGB").resize((page.pixels(grid.side),) * 2, Image.Resampling.LANCZOS)
    images = [None if tile is None else tile.drawn(small) for tile in tiles]
    page.image(grid.together(page, images), grid.left, grid.top, grid.width, grid.height)
    for place, tile in enumerate(tiles):
        if tile is not None:
            grid.label(page, place, tile.name, tile.note)


def _draw_scales(page: Page, grid: Grid, scales: Sequence[tuple[str, ColourRange]]) -> None:
    """Colour bars on the right of the tiles, one above the other."""
    left, room = grid.left + grid.width + 28, grid.height - grid.label_height + SCALE_BREAK
    for place, (name, colour_range) in enumerate(scales):
        top = grid.top + grid.label_height + place * room / len(scales)
        page.bar(left, top, room / len(scales) - SCALE_BREAK, SIGNED_COLOUR_MAP, colour_range, name)


def _draw_bars(page: Page, grid: Grid, contributions: Contributions, chosen: Sequence[int]) -> None:
    """The channels' contributions, each bar after the channel's name, and what the other channels add."""
    values = contributions.channels[list(chosen)]
    rest = float(contributions.channels.sum() - values.sum())
    names_width = NAMES if len(contributions.parts) == 1 else LONG_NAMES
    left, others = WIDTH - MARGIN - CHART, len(contributions.channels) - len(chosen)
    page.text("What each channel adds", left, grid.top, SCALE, weight="bold")
    page.text(f"{others:,} others together {signed(rest)}", left, grid.top + 0.95 * LINE * SCALE, SCALE, colour=PALE)
    top = grid.top + 2.4 * LINE * SCALE
    pitch = min(BAR_PITCH, (grid.top + grid.height - top - AXIS_ROOM) / max(1, len(chosen)))
    size = min(SCALE, 0.8 * pitch)
    axes = page.axes(left + names_width, top, CHART - names_width, pitch * len(chosen))
    axes.barh(range(len(values)), values, color=[FOR if value > 0 else AGAINST for value in values], height=0.72)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set(ylim=(len(values) - 0.5, -0.5), yticks=[])
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="x", labelsize=points(SCALE), color=PALE, labelcolor=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    for place, index in enumerate(chosen):
        y = top + (place + 0.5) * pitch - 0.45 * size
        page.text(contributions.names[index], left, y, size, width=names_width - 12)
