"""The gallery as one HTML file with its image and maps: opened from disk, it needs no server and no network."""

import base64
import hashlib
import html
from collections.abc import Sequence
from string import Template
from typing import Any

from crosspool import __version__
from crosspool.channel_meaning import ChannelClasses
from crosspool.drawing.rendering import Look
from crosspool.gallery import MAX_PINS
from crosspool.gallery.assets import asset, script
from crosspool.gallery.mapset import gallery_limits
from crosspool.gallery.meaning import packed_classes
from crosspool.gallery.pointing import MapOrder, PhotoBox
from crosspool.statistics import ChannelStatistics
from crosspool.strict_json import json_text
from crosspool.text import counted_cells, number, printable

TILE = 104  # pixels per side
LISTED = 50  # channels in the table for browsers without scripts


def gallery_page(
    packed: bytes,
    statistics: ChannelStatistics,
    *,
    title: str,
    caption: str,
    made: dict[str, Any],
    look: Look,
    selected: int,
    pins: Sequence[int] = (),
    sort: MapOrder = "energy_share",
    box: PhotoBox | None = None,
    meaning: ChannelClasses | None = None,
) -> bytes:
    """A page with the maps that `pack_maps` packed; `made` says how they were computed, `meaning` what channels mean.

    `box` is drawn on the photo, [left, top, right, bottom] in parts of its side.
    The texts may contain any characters. A Content-Security-Policy admits only the page's own script and style.
    """
    code, style = script("gallery/standalone.js"), asset("gallery/standalone.css") + asset("gallery/gallery.css")
    view = {name: getattr(look, name) for name in ("overlay", "opacity", "smooth", "scale", "top")}
    settings = {
        "selected": selected,
        "pins": list(pins)[:MAX_PINS],
        "box": box,
        "view": view | {"colours": look.colour_map, "sort": sort, "kept_maps": "alive", "tile": TILE},
        "classes": None if meaning is None else packed_classes(meaning),
        **gallery_limits(signed=look.signed),
    }
    text = Template(asset("gallery/standalone.html")).substitute(
        policy=_policy(code, style),
        version=__version__,
        title=_escaped(title),
        caption=_escaped(caption),
        table=_escaped_lines(_table(statistics, meaning)),
        made=_escaped_lines(json_text(made, indent=2, ensure_ascii=False).split("\n")),
        settings=json_text(settings).replace("<", "\\u003c"),
        maps=base64.b64encode(packed).decode(),
        script=code,
        style=style,
    )
    return text.encode()


def _policy(script: str, style: str) -> str:
    """What the browser may do with the page: run this script and apply this style."""
    sources = f"script-src {_source(script)}; style-src {_source(style)}"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def _escaped_lines(lines: Sequence[str]) -> str:
    return "\n".join(map(_escaped, lines))


def _table(statistics: ChannelStatistics, meaning: ChannelClasses | None) -> list[str]:
    """The channels with most energy in words, for browsers without scripts."""
    order = statistics.order("energy_share")
    places = zip(statistics.peak_row, statistics.peak_column, strict=True)
    at = [counted_cells(*place) for place in zip(places, statistics.peak_positions.tolist(), strict=True)]
    return [
        f"map {channel}: peak {number(statistics.peak[channel])} at {at[channel]}; "
        f"{number(100 * statistics.energy_share[channel], 2)} % of P's energy"
        + ("" if meaning is None else f"; {_classes(meaning, channel)}")
        for channel in order[~statistics.dead[order]][:LISTED].tolist()
    ]


def _classes(meaning: ChannelClasses, channel: int) -> str:
    kinds = {"for": meaning.speaks_for(channel), "against": meaning.speaks_against(channel)}
    return "; ".join(f"speaks {kind} {', '.join(label for label, _ in rows)}" for kind, rows in kinds.items() if rows)
