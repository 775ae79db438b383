"""Chosen weighting maps of one image as slides, tables, arrays and pages, for the app and the command line."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from PIL import Image

from crosspool.channel_meaning import ChannelClasses
from crosspool.drawing.page import NOTE
from crosspool.drawing.rendering import Look
from crosspool.drawing.slides import slide
from crosspool.drawing.style import figure_bytes
from crosspool.gallery.mapset import pack_maps
from crosspool.gallery.pointing import MapOrder, PhotoBox
from crosspool.gallery.standalone import gallery_page
from crosspool.provenance import Provenance
from crosspool.statistics import ChannelStatistics
from crosspool.strict_json import json_text
from crosspool.text import csv_text


@dataclass(frozen=True)
class ChosenMaps:
    """The maps of an image, which of them are chosen, and how they are drawn.

    `image` describes the file: its "name", its "sha256" and what was done to it. `lower` is (D_t, H_t, W_t), `upper`
    (D_{t+1}, H, W), and `pooled` gives P, (D_{t+1}, D_t*m*n). `pins`, `sort` and `box` are for a page with all maps:
    which ones are pinned, by what they are sorted, and the box on the photo, (left, top, right, bottom) in parts of its
    side.
    """

    image: dict[str, Any]
    provenance: Provenance
    framed: Image.Image
    lower: np.ndarray
    upper: np.ndarray
    pooled: Callable[[], np.ndarray]
    statistics: ChannelStatistics
    channels: Sequence[int]
    look: Look
    pins: Sequence[int] = ()
    sort: MapOrder = "energy_share"
    box: PhotoBox | None = None
    meaning: ChannelClasses | None = None

    @property
    def caption(self) -> str:
        return self.provenance.caption(self.image["name"])

    @property
    def title(self) -> str:
        """The caption, with the number of the map if only one is chosen."""
        return f"Map {self.channels[0]} of {self.caption}" if len(self.channels) == 1 else self.caption

    @property
    def page_title(self) -> str:
        """The title of a page with all maps."""
        return f"{len(self.upper):,} weighting maps of {self.image['name']}"

    def settings(self) -> dict[str, Any]:
        """Everything that decides what the files hold, as JSON."""
        return {**self.provenance.settings(), "image": self.image, "look": asdict(self.look)}

    def file(self, kind: str) -> bytes:
        """A png, svg, pdf or csv of the chosen maps, or an npz or html of all maps."""
        if kind == "csv":
            return csv_text(self._rows()).encode()
        if kind == "npz":
            return self._numbers()
        return self._page() if kind == "html" else self._slide(kind)

    def _slide(self, kind: str) -> bytes:
        """A slide as a file. An SVG keeps its text as text, to be searched, read aloud and edited in any script."""
        figure = slide(self.framed, self.upper, self.channels, self.statistics, caption=self.caption, look=self.look)
        for note in figure.findobj(lambda artist: kind == "svg" and artist.get_gid() == NOTE):
            note.remove()
        drawn = {**self.settings(), "channels": list(self.channels)}
        if self.meaning is not None:
            drawn["classes"] = {str(channel): self.meaning.as_json(channel) for channel in self.channels}
        about = {"Title": self.title, "Subject" if kind == "pdf" else "Description": json_text(drawn)}
        with rc_context({"svg.fonttype": "none"}):
            return figure_bytes(figure, kind, about)

    def _rows(self) -> Iterator[Sequence[Any]]:
        """A row for each weight, with enough digits to tell a float32 from its neighbours."""
        yield "channel", "row", "column", "weight"
        for channel in self.channels:
            for cell, weight in np.ndenumerate(self.upper[channel]):
                yield channel, *cell, weight

    def _numbers(self) -> bytes:
        """All maps and P, and which maps were chosen; readable with allow_pickle=False."""
        file, channels, settings = io.BytesIO(), np.array(self.channels, np.int64), json_text(self.settings())
        maps = {"lower": self.lower, "upper": self.upper, "P": self.pooled()}
        np.savez(file, allow_pickle=False, **maps, channels=channels, settings=np.array(settings))
        return file.getvalue()

    def _page(self) -> bytes:
        """The gallery as a page, with the first of the chosen maps selected."""
        provenance = self.provenance
        fields = provenance.architecture.receptive_fields(provenance.pair, provenance.size)
        packed = pack_maps(
            self.upper,
            self.statistics,
            self.framed,
            signed=provenance.is_signed,
            fields=fields,
            ceiling=provenance.pair.ceiling,
        )
        return gallery_page(
            packed,
            self.statistics,
            title=self.page_title,
            caption=self.caption,
            made=self.settings(),
            look=self.look,
            selected=self.channels[0],
            pins=self.pins,
            sort=self.sort,
            box=self.box,
            meaning=self.meaning,
        )
