"""Many pictures under the same channels: all maps of each, kept small, and looking at pictures one after the other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from PIL import Image

from crosspool.gallery.mapset import SIGNED_TOP, SIGNED_ZERO, averaged_down, quantised_maps
from crosspool.ui.runtime.background import BackgroundJob, Step, failure_sentence
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, cached_maps, image_maps
from crosspool.ui.runtime.server import Server
from crosspool.ui.runtime.shared_cache import CacheKind, SharedCache
from crosspool.ui.widgets.browser import data_url

ADVICE = "choose a smaller input"  # where memory is short
MAP_CELLS = 56  # a side: more would not be seen in a small picture
PHOTO_SIDE = 160
BYTES_A_CHANNEL, BYTES_A_PHOTO = 12, 10_000  # of a ImageSummary, besides its maps: its statistics, and about its photo


@dataclass(frozen=True)
class SurveyImage:
    """A picture to look at: `request` names its maps, `read` decodes it and may raise an ImageError.

    `keep` is whether all that is computed of it stays for the pages, too.
    """

    request: MapRequest
    title: str
    read: Callable[[], Image.Image]
    keep: bool = True


@dataclass(frozen=True)
class ImageSummary:
    """All maps of one picture, in 8 bits a weight; shared between sessions, so never to be changed.

    `cells` is (D, H, W), as `crosspool.gallery.mapset.steps` makes them; `peak`, at (`row`, `column`), and `mean` have
    an entry for each of the D channels. `photo` is what the network saw, as a data URL.
    """

    photo: str
    signed: bool
    cells: np.ndarray
    peak: np.ndarray
    row: np.ndarray
    column: np.ndarray
    mean: np.ndarray

    def weights(self, channel: int) -> np.ndarray:
        """One map, (H, W), exact to a 250th of its peak."""
        cells = self.cells[channel].astype(np.float32)
        parts = (cells - SIGNED_ZERO) / SIGNED_TOP if self.signed else cells / 255
        weights: np.ndarray = parts * abs(self.peak[channel])
        return weights

    @property
    def nbytes(self) -> int:
        arrays = (self.cells, self.peak, self.row, self.column, self.mean)
        return sum(array.nbytes for array in arrays) + len(self.photo)


SUMMARIES = CacheKind[MapRequest, ImageSummary](
    "summaries", lambda summary: summary.nbytes, lambda request: request.image
)


def max_images(cache: SharedCache, map_shape: tuple[int, ...]) -> int:
    """How many pictures with maps (D, H, W) can be kept with room left for another session's."""
    channels, rows, columns = map_shape
    cells = min(rows, MAP_CELLS) * min(columns, MAP_CELLS)
    return cache.limit // 2 // (channels * (cells + BYTES_A_CHANNEL) + BYTES_A_PHOTO)


def image_summary(cache: SharedCache, request: MapRequest) -> ImageSummary | None:
    """What there is of a picture already; nothing is computed for it."""
    found = cache.get(SUMMARIES, request)
    if found is None and (maps := cached_maps(cache, request)) is not None:
        found = _keep(cache, request, maps, time.monotonic())
    return found


def _keep(cache: SharedCache, request: MapRequest, maps: ImageMaps, since: float) -> ImageSummary:
    statistics, signed = maps.statistics, request.signed and maps.pair.can_be_negative
    shown = np.stack([averaged_down(weights, MAP_CELLS) for weights in maps.upper])
    found = ImageSummary(
        photo=data_url(maps.framed.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)),
        signed=signed,
        cells=quantised_maps(shown, statistics.peak, signed=signed),
        peak=statistics.peak.astype(np.float32),
        row=statistics.peak_row.astype(np.uint16),
        column=statistics.peak_column.astype(np.uint16),
        mean=statistics.mean.astype(np.float32),
    )
    cache.put(SUMMARIES, request, found, since)
    return found


class Survey(BackgroundJob):
    """Computing the maps of images, one after the other."""

    def __init__(self, server: Server, images: Sequence[SurveyImage]) -> None:
        self.requests = {image.request for image in images}
        self.total = len(images)
        self._counts = _SurveyCounts()
        super().__init__(partial(_run, server, tuple(images), self._counts), task="the survey", advice=ADVICE)

    @property
    def done(self) -> int:
        """How many images are behind it."""
        return self._counts.done

    @property
    def failed(self) -> dict[MapRequest, str]:
        """Why an image's maps could not be computed, in one sentence."""
        return dict(self._counts.failed)


@dataclass
class _SurveyCounts:
    """How many images are behind a survey, and why some failed."""

    done: int = 0
    failed: dict[MapRequest, str] = field(default_factory=dict)


def _run(server: Server, images: tuple[SurveyImage, ...], counts: _SurveyCounts, step: Step) -> None:
    for image in images:
        step()
        try:
            _compute_summary(server, image, step)
        except Exception as error:  # the other images go on
            counts.failed[image.request] = failure_sentence(error, f"computing the maps of {image.title}", ADVICE)
        counts.done += 1


def _compute_summary(server: Server, image: SurveyImage, step: Step) -> None:
    since = time.monotonic()
    maps = image_maps(server, image.request, image.read, lambda place: step(), keep=image.keep)
    _keep(server.cache, image.request, maps, since)
