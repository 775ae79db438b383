"""Which images the channels can be shown on: the samples, the visitor's own, both, or a labelled set."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from crosspool.datasets import Sample
from crosspool.images import load_image
from crosspool.ui.maps.survey import SurveyImage, max_images
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.choose_labelled import current_labelled_set
from crosspool.ui.visit.images import SourceImage, add_image, available_images, show_image
from crosspool.ui.visit.labelled import LabelledSet
from crosspool.ui.widgets.text import as_it_is


@dataclass(frozen=True)
class Entry:
    """An image that can be a row: `show` makes it the page's picture, `file_keys` are the SHA-256s of its file."""

    subject: SurveyImage
    alt: str
    thumbnail: Callable[[], str]
    file_keys: Callable[[], set[ImageHash]]
    show: Callable[[], None]


@dataclass(frozen=True)
class ImageSet:
    """Images to choose from; of a `ranked` set only the strongest are shown. `note` says what was left out."""

    title: str
    entries: tuple[Entry, ...]
    ranked: bool = False
    note: str = ""


def image_sets(request: MapRequest, maps: ImageMaps) -> dict[str, ImageSet]:
    entries = [_entry(picture, request) for picture in available_images()]
    samples = tuple(entry for entry, is_sample in entries if is_sample)
    yours = tuple(entry for entry, is_sample in entries if not is_sample)
    found = {"samples": ImageSet(f"samples ({len(samples)})", samples)}
    if yours:
        seen = {entry.subject.request for entry in yours}
        both = (*yours, *(entry for entry in samples if entry.subject.request not in seen))  # some upload a sample
        found = {
            "yours": ImageSet(f"yours ({len(yours)})", yours),
            **found,
            "both": ImageSet(f"both ({len(both)})", both),
        }
    labelled = current_labelled_set()
    if labelled is not None:
        found["labelled"] = _labelled_set(labelled, request, max_images(current_server().cache, maps.upper.shape))
    return found


def _entry(picture: SourceImage, request: MapRequest) -> tuple[Entry, bool]:
    """A picture at hand, and whether it is a sample."""
    subject = SurveyImage(replace(request, image=picture.key), picture.title, lambda: picture.image)
    return (
        Entry(subject, picture.alt, lambda: picture.thumbnail, lambda: {picture.key}, partial(show_image, picture)),
        bool(picture.sample),
    )


def _labelled_set(labelled: LabelledSet, request: MapRequest, most: int) -> ImageSet:
    """Every different image of a labelled set, or every n-th if there are too many."""
    samples = dict(zip(labelled.image_keys, labelled.dataset.samples, strict=True))
    step = -(-len(samples) // most)
    entries = tuple(
        _labelled_entry(labelled, sample, replace(request, image=ImageHash(key)))
        for key, sample in list(samples.items())[::step]
    )
    note = f" One in {step} images is computed: there is no room for the maps of all {len(samples):,}." * (step > 1)
    return ImageSet(as_it_is(labelled.title), entries, ranked=True, note=note)


def _labelled_entry(labelled: LabelledSet, sample: Sample, request: MapRequest) -> Entry:
    return Entry(
        SurveyImage(request, sample.name, lambda: load_image(sample.read(), name=sample.name), keep=False),
        sample.name,
        lambda: labelled.thumbnail_of(sample),
        lambda: labelled.keys_of(sample),
        lambda: add_image(sample.read(), sample.name),
    )
