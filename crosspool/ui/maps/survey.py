"""Many pictures under the same channels: all maps of each, kept small, and looking at pictures one after the other."""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from crosspool.errors import CrosspoolError
from crosspool.gallery.mapset import SIGNED_TOP, SIGNED_ZERO, at_most, steps
from crosspool.ui.runtime.maps import ImageMaps, Request, cached_maps, image_maps
from crosspool.ui.runtime.shared_cache import Kept, limit
from crosspool.ui.widgets.browser import data_url

logger = logging.getLogger(__name__)

MAP_CELLS = 56  # a side: more would not be seen in a small picture
PHOTO_SIDE = 160
BYTES_A_CHANNEL, BYTES_A_PHOTO = 12, 10_000  # of a ImageSummary, besides its maps: its statistics, and about its photo


@dataclass(frozen=True)
class SurveyImage:
    """A picture to look at: `request` names its maps, `read` decodes it and may raise an ImageError.

    `keep` is whether all that is computed of it stays for the pages, too.
    """

    request: Request
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


_summaries: Kept[Request, ImageSummary] = Kept("glances", lambda glance: glance.nbytes, lambda request: request.picture)


def most_pictures(map_shape: tuple[int, ...]) -> int:
    """How many pictures with maps (D, H, W) can be kept with room left for another session's."""
    channels, rows, columns = map_shape
    cells = min(rows, MAP_CELLS) * min(columns, MAP_CELLS)
    return limit() // 2 // (channels * (cells + BYTES_A_CHANNEL) + BYTES_A_PHOTO)


def image_summary(request: Request) -> ImageSummary | None:
    """What there is of a picture already; nothing is computed for it."""
    found = _summaries.get(request)
    if found is None and (maps := cached_maps(request)) is not None:
        found = _keep(request, maps, time.monotonic())
    return found


def _keep(request: Request, maps: ImageMaps, since: float) -> ImageSummary:
    statistics, signed = maps.statistics, request.signed and maps.pair.can_be_negative
    shown = np.stack([at_most(weights, MAP_CELLS) for weights in maps.upper])
    found = ImageSummary(
        photo=data_url(maps.framed.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)),
        signed=signed,
        cells=steps(shown, statistics.peak, signed=signed),
        peak=statistics.peak.astype(np.float32),
        row=statistics.peak_row.astype(np.uint16),
        column=statistics.peak_column.astype(np.uint16),
        mean=statistics.mean.astype(np.float32),
    )
    _summaries.put(request, found, since)
    return found


class _StoppedError(Exception):
    """Ends a survey that was cancelled."""


class Survey:
    """Looking at pictures, in a thread. When nobody holds this object any more, the thread ends at the next one."""

    def __init__(self, subjects: Sequence[SurveyImage]) -> None:
        self._work = _Work(tuple(subjects))
        weakref.finalize(self, self._work.stop.set)
        threading.Thread(target=_run, args=(self._work,), name="survey", daemon=True).start()

    @property
    def requests(self) -> set[Request]:
        """What it was begun for."""
        return {subject.request for subject in self._work.subjects}

    @property
    def total(self) -> int:
        """How many pictures it was begun for."""
        return len(self._work.subjects)

    @property
    def done(self) -> int:
        """How many pictures are behind it."""
        return self._work.done

    @property
    def failed(self) -> dict[Request, str]:
        """Why a picture could not be looked at, in one sentence."""
        return dict(self._work.failed)

    @property
    def running(self) -> bool:
        return not (self._work.stop.is_set() or self._work.ended.is_set())

    def cancel(self) -> None:
        self._work.stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the thread has ended; whether it has."""
        return self._work.ended.wait(seconds)


class _Work:
    """What the thread knows. It holds no session, and no `Survey`."""

    def __init__(self, subjects: tuple[SurveyImage, ...]) -> None:
        self.subjects = subjects
        self.stop, self.ended = threading.Event(), threading.Event()
        self.done = 0
        self.failed: dict[Request, str] = {}

    def check(self) -> None:
        if self.stop.is_set():
            raise _StoppedError


def _run(work: _Work) -> None:
    try:
        for subject in work.subjects:
            work.check()
            _look(work, subject)
            work.done += 1
    except _StoppedError:
        pass
    finally:
        work.ended.set()


def _look(work: _Work, subject: SurveyImage) -> None:
    """Look at one picture; what is wrong with it is noted, and the others go on."""
    since = time.monotonic()
    try:
        maps = image_maps(subject.request, subject.read, lambda place: work.check(), keep=subject.keep)
        _keep(subject.request, maps, since)
    except _StoppedError:
        raise
    except CrosspoolError as error:
        work.failed[subject.request] = str(error)
    except MemoryError:
        work.failed[subject.request] = f"There is not enough memory to look at {subject.title}; choose a smaller input."
    except Exception as error:
        logger.exception("A picture could not be looked at")
        work.failed[subject.request] = (
            f"{subject.title} could not be looked at ({type(error).__name__}: {error}); this is a fault of crosspool's."
        )
