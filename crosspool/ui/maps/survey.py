"""Many images under the same channels: sets of them, their maps in small versions, and computing these one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from PIL import Image

from crosspool.datasets import Sample
from crosspool.gallery.mapset import averaged_down, quantised_maps, zero_and_reach
from crosspool.images import load_image
from crosspool.ui.runtime.background import BackgroundJob, Step, failure_sentence
from crosspool.ui.runtime.maps import MAPS, ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import Server, current_server
from crosspool.ui.runtime.shared_cache import CacheKind, SharedCache
from crosspool.ui.visit.choose_labelled import current_labelled_set
from crosspool.ui.visit.images import SourceImage, add_image, available_images, show_image
from crosspool.ui.visit.in_turn import computed_in_turn
from crosspool.ui.visit.labelled import LabelledSet
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.text import as_it_is

ADVICE = "choose a smaller input"  # where memory is short
MAP_CELLS = 56  # a side: a small image shows no more
PHOTO_SIDE = 160
BYTES_A_CHANNEL, BYTES_A_PHOTO = 24, 10_000  # of an ImageSummary, besides its maps: its statistics, and about its photo


@dataclass(frozen=True)
class SurveyImage:
    """An image whose maps may be shown: `request` names them, `read` decodes it and may raise an ImageError.

    `show` makes it the page's image; `file_keys` are the SHA-256s of its file. `keep` is whether everything that is
    computed of it stays for the pages, too.
    """

    request: MapRequest
    title: str
    alt: str
    read: Callable[[], Image.Image]
    thumbnail: Callable[[], str]
    file_keys: Callable[[], set[ImageHash]]
    show: Callable[[], None]
    keep: bool = True


@dataclass(frozen=True)
class ImageSet:
    """Images to choose from; of a `ranked` set only the strongest are shown. `note` says what was left out."""

    title: str
    images: tuple[SurveyImage, ...]
    ranked: bool = False
    note: str = ""


def image_sets(request: MapRequest, maps: ImageMaps) -> dict[str, ImageSet]:
    """The sets to choose from: the samples, the visitor's images, both, and the labelled images."""
    images = available_images()
    samples = tuple(_survey_image(image, request) for image in images if image.sample)
    yours = tuple(_survey_image(image, request) for image in images if not image.sample)
    sets = {"samples": ImageSet(f"samples ({len(samples)})", samples)}
    if yours:
        requests = {image.request for image in yours}
        both = (*yours, *(image for image in samples if image.request not in requests))  # some upload a sample
        sets = {"yours": ImageSet(f"yours ({len(yours)})", yours), **sets}
        sets["both"] = ImageSet(f"both ({len(both)})", both)
    labelled = current_labelled_set()
    if labelled is not None:
        sets["labelled"] = _labelled_set(labelled, request, max_images(current_server().cache, maps.upper.shape))
    return sets


def _survey_image(image: SourceImage, request: MapRequest) -> SurveyImage:
    request, show = replace(request, image=image.key), partial(show_image, image)
    return SurveyImage(
        request, image.title, image.alt, lambda: image.image, lambda: image.thumbnail, lambda: {image.key}, show
    )


def _labelled_set(labelled: LabelledSet, request: MapRequest, most: int) -> ImageSet:
    """Every different image of a labelled set, or every n-th if there are too many."""
    samples: dict[str, Sample] = {}
    for key, sample in zip(labelled.image_keys, labelled.dataset.samples, strict=True):
        samples.setdefault(key, sample)  # the key is that of the first copy's file
    step = -(-len(samples) // most)
    images = tuple(
        _labelled_image(labelled, sample, replace(request, image=ImageHash(key)))
        for key, sample in list(samples.items())[::step]
    )
    note = f" One in {step} images is computed: there is no room for the maps of all {len(samples):,}."
    return ImageSet(as_it_is(labelled.title), images, ranked=True, note=note if step > 1 else "")


def _labelled_image(labelled: LabelledSet, sample: Sample, request: MapRequest) -> SurveyImage:
    name, thumbnail, keys = sample.name, partial(labelled.thumbnail_of, sample), partial(labelled.keys_of, sample)

    def read() -> Image.Image:
        return load_image(sample.read(), name=name)

    def show() -> None:
        add_image(sample.read(), name)

    return SurveyImage(request, name, name, read, thumbnail, keys, show, keep=False)


# --- small versions of all maps of an image


@dataclass(frozen=True)
class ImageSummary:
    """All maps of one image, in 8 bits a weight; shared between sessions, so never to be changed.

    `cells` is (D, H, W), as `crosspool.gallery.mapset.quantised_maps` makes them. Each of the D channels has its
    `peak`, at `peak_cells` positions of which (`row`, `column`) is the first, its `mean`, the share of positions that
    are not zero (`active`), and its share of P's `energy`. `photo` is what the network saw, as a data URL.
    """

    photo: str
    signed: bool
    cells: np.ndarray
    peak: np.ndarray
    row: np.ndarray
    column: np.ndarray
    peak_cells: np.ndarray
    mean: np.ndarray
    active: np.ndarray
    energy: np.ndarray

    def weights(self, channel: int) -> np.ndarray:
        """One map, (H, W), exact to a 250th of its peak."""
        weights: np.ndarray = self._weights(slice(channel, channel + 1))[0]
        return weights

    def all_weights(self) -> np.ndarray:
        """All maps, (D, H, W), as exact."""
        return self._weights(slice(None))

    def _weights(self, channels: slice) -> np.ndarray:
        zero, reach = zero_and_reach(8, signed=self.signed)
        parts = (self.cells[channels].astype(np.float32) - zero) / reach
        weights: np.ndarray = parts * np.abs(self.peak[channels])[:, None, None]
        return weights

    @property
    def nbytes(self) -> int:
        of_channels = (self.peak, self.row, self.column, self.peak_cells, self.mean, self.active, self.energy)
        return sum(array.nbytes for array in (self.cells, *of_channels)) + len(self.photo)


SUMMARIES = CacheKind[MapRequest, ImageSummary](
    "summaries", lambda summary: summary.nbytes, lambda request: request.image
)


def max_images(cache: SharedCache, map_shape: tuple[int, ...]) -> int:
    """How many images with maps (D, H, W) can be kept with room left for another session's."""
    channels, rows, columns = map_shape
    cells = min(rows, MAP_CELLS) * min(columns, MAP_CELLS)
    return cache.limit // 2 // (channels * (cells + BYTES_A_CHANNEL) + BYTES_A_PHOTO)


def image_summary(cache: SharedCache, request: MapRequest) -> ImageSummary | None:
    """The summary of an image whose maps are known already; they are not computed for it."""
    summary = cache.get(SUMMARIES, request)
    if summary is None and (maps := cache.get(MAPS, request)) is not None:
        return computed_in_turn(SUMMARIES, request, lambda: _summarise(maps))
    return summary


def _summarise(maps: ImageMaps) -> ImageSummary:
    statistics = maps.statistics
    small = np.stack([averaged_down(weights, MAP_CELLS) for weights in maps.upper])
    return ImageSummary(
        photo=data_url(maps.framed.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)),
        signed=maps.signed,
        cells=quantised_maps(small, statistics.peak, 8, signed=maps.signed),
        peak=statistics.peak.astype(np.float32),
        row=statistics.peak_row.astype(np.uint16),
        column=statistics.peak_column.astype(np.uint16),
        peak_cells=statistics.peak_positions.astype(np.uint32),
        mean=statistics.mean.astype(np.float32),
        active=(1 - statistics.sparsity).astype(np.float32),
        energy=statistics.energy_share.astype(np.float32),
    )


# --- computing them


class Survey(BackgroundJob):
    """Computing the maps of images, one after the other. Raises FullError where enough is being computed."""

    def __init__(self, server: Server, images: Sequence[SurveyImage]) -> None:
        self.requests = {image.request for image in images}
        self.progress = SurveyProgress(len(images))
        place = server.survey_jobs.take(server.account())
        super().__init__(partial(_run, server, tuple(images), self.progress), place, task="the survey", advice=ADVICE)


@dataclass
class SurveyProgress:
    """How many images are finished, and in one sentence why an image's maps could not be computed.

    The survey shares it with its thread, which may not hold the survey.
    """

    total: int
    done: int = 0
    failed: dict[MapRequest, str] = field(default_factory=dict)


def _run(server: Server, images: tuple[SurveyImage, ...], progress: SurveyProgress, step: Step) -> None:
    def check(place: int) -> None:
        step()

    for image in images:
        step()
        try:
            maps = image_maps(server, image.request, image.read, check, keep=image.keep)
            server.cache.get_or_compute(SUMMARIES, image.request, partial(_summarise, maps), server.compute, check)
        except Exception as error:  # the other images go on
            progress.failed[image.request] = failure_sentence(error, f"computing the maps of {image.title}", ADVICE)
        progress.done += 1
