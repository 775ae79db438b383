"""Labelled images to train on: FieldGuide's, a ZIP's, or pictures that come class by class."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from crosspool.cache import ArrayCache, default_cache
from crosspool.datasets import Dataset, Sample, check_classes, in_two_classes, there_twice
from crosspool.datasets.fieldguide import SPECIES, draw, fieldguide, scene_of
from crosspool.errors import DatasetError, ImageError
from crosspool.text import printable
from crosspool.ui.runtime.decode_worker import StorageFormat
from crosspool.ui.runtime.image_hash import ImageHash, image_hash
from crosspool.ui.runtime.quota import ImageOwner, NoRoomError, QuotaLease
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind, SharedCache
from crosspool.ui.widgets.browser import data_url, jpeg_url

MAX_IMAGES = 600
MAX_CLASSES = 50
VISITORS_SHARE = 16  # part of the room on disk that one visitor may take
LONGEST_SIDE = 1024  # pixels kept of a picture, enough for the largest input
THUMBNAIL = 160
STORAGE_FORMAT = StorageFormat(LONGEST_SIDE, largest=2**19, quality=92, exact=False, thumbnail=THUMBNAIL)
LONGEST_NAME = 60  # signs of a ZIP's name or a class's: a file system takes 255 bytes, and a sign has up to four


@dataclass(frozen=True)
class LabelledImage:
    """A labelled picture in memory: its file's bytes, their SHA-256, and a thumbnail as a data URL.

    `received` is the SHA-256 of the file as it came, which may have been shrunk since. `share` holds their memory.
    """

    key: ImageHash
    received: ImageHash
    title: str
    data: bytes
    thumbnail: str
    share: QuotaLease | None = field(default=None, repr=False, compare=False)


class PrivateCache(ArrayCache):
    """Arrays that belong to one session: their folder goes when nobody holds this object any more."""

    def __init__(self) -> None:
        self._room = tempfile.TemporaryDirectory(prefix="crosspool-", ignore_cleanup_errors=True)
        super().__init__(Path(self._room.name), current_server().settings.disk_megabytes * 2**20 // VISITORS_SHARE)


@dataclass(frozen=True)
class LabelledSet:
    """A data set to train on, with enough different images of each of at least two classes.

    `pictures` are content keys of the samples, as `Features.picture` has them; equal ones are one picture. What the
    network yields is kept in `cache`. `spec` is what `crosspool evaluate` calls the data set, None where it cannot
    know it. `keys_of` gives the SHA-256 of a sample's file, as it is kept and as it came, and `thumbnail_of` a small
    picture of it.
    """

    dataset: Dataset
    pictures: tuple[str, ...]
    cache: ArrayCache
    spec: str | None
    keys_of: Callable[[Sample], set[ImageHash]]
    thumbnail_of: Callable[[Sample], str]

    @property
    def title(self) -> str:
        """What it is called where people read it, with its size."""
        name, count = self.dataset.name, len(self.dataset)
        if self.spec is not None:
            return f"FieldGuide, {count // len(self.dataset.classes)} birds of each"
        return f"{name}, {count:,} images"

    def same_as(self, other: "LabelledSet") -> bool:
        """Whether these are the same pictures of the same classes."""
        ours, theirs = self.dataset, other.dataset
        return (
            (self.pictures, ours.name, ours.classes) == (other.pictures, theirs.name, theirs.classes)
        ) and np.array_equal(ours.targets, theirs.targets)

    def examples(self, count: int) -> list[tuple[str, int, list[str]]]:
        """Each class: its name, how many images it has, and thumbnails of the first few."""
        found = []
        for number, label in enumerate(self.dataset.classes):
            members = np.flatnonzero(self.dataset.targets == number)
            shown = [self.thumbnail_of(self.dataset.samples[index]) for index in members[:count]]
            found.append((label, len(members), shown))
        return found


def _labelled(
    dataset: Dataset,
    pictures: Sequence[str],
    cache: ArrayCache,
    spec: str | None,
    keys_of: Callable[[Sample], set[ImageHash]],
    thumbnail_of: Callable[[Sample], str],
) -> LabelledSet:
    """What can be trained on, and what is amiss with it among its problems. Raises DatasetError for too little."""
    kept = check_classes(dataset, 2, "skip", pictures)
    names = {sample.name for sample in kept.samples}
    keys = tuple(key for key, sample in zip(pictures, dataset.samples, strict=True) if sample.name in names)
    problems = (*kept.problems, *in_two_classes(kept, keys), *there_twice(kept, keys))
    return LabelledSet(replace(kept, problems=problems), keys, cache, spec, keys_of, thumbnail_of)


# --- FieldGuide

GUIDE_HASHES = CacheKind[str, ImageHash](
    "hashes of FieldGuide", lambda name: HASH_BYTES, lambda identity: ImageHash("")
)  # by a sample's identity
HASH_BYTES = 300  # of an entry, with its key


def guide(per_class: int) -> LabelledSet:
    """`per_class` birds of each species of FieldGuide, with what the network yields in the cache that all share."""
    server = current_server()
    results, dataset = server.cache, fieldguide(per_class)
    place = {sample.name: index for index, sample in enumerate(dataset.samples)}

    def thumbnail_of(sample: Sample) -> str:
        return _guide_thumbnail(*divmod(place[sample.name], per_class))

    noted = replace(dataset, samples=tuple(replace(s, read=partial(_read_guide, results, s)) for s in dataset.samples))
    pictures = [str(sample.identity) for sample in noted.samples]
    cache = ArrayCache(default_cache(), server.settings.disk_megabytes * 2**20)
    return _labelled(noted, pictures, cache, f"fieldguide:{per_class}", partial(_guide_keys_of, results), thumbnail_of)


def new_bird(count: int) -> tuple[bytes, str]:
    """A bird that is in no guide of the page's, as a file, and its species: another one for each `count`."""
    species, number = 5 * count % len(SPECIES), count // len(SPECIES)
    sample = fieldguide(number + 1, seed=1).samples[species * (number + 1) + number]
    return sample.read(), SPECIES[species].name


def _read_guide(results: SharedCache, sample: Sample) -> bytes:
    """Draw a bird, and note its key on the way."""
    data = sample.read()
    results.put(GUIDE_HASHES, str(sample.identity), image_hash(data), time.monotonic())
    return data


def _guide_keys_of(results: SharedCache, sample: Sample) -> set[ImageHash]:
    known = results.get(GUIDE_HASHES, str(sample.identity))
    return {known or image_hash(_read_guide(results, sample))}


@lru_cache(maxsize=4_000)
def _guide_thumbnail(kind: int, number: int) -> str:
    """The same scene, drawn small, which takes a fraction of the time."""
    scene = scene_of(kind * (number + 1) + number, number + 1)
    return data_url(draw(SPECIES[kind], scene, THUMBNAIL).image)


# --- pictures of one's own


@dataclass
class Collection:
    """Pictures by class, of one session, in its memory alone; `problems` says what was left out of it."""

    name: str
    classes: dict[str, list[LabelledImage]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    visitor: ImageOwner = field(default_factory=ImageOwner)
    cache: PrivateCache = field(default_factory=PrivateCache)

    def __len__(self) -> int:
        return sum(map(len, self.classes.values()))

    def add(self, label: str, data: bytes, title: str, place: str = "") -> str:
        """Keep a picture of a class; what speaks against it in one sentence, which names its `place`, or "".

        A class whose name differs from that of one that is here only in letter case or spaces is that one.
        """
        known, place = self.called(label), place or title
        if len(self) >= MAX_IMAGES:
            return f"{place} was left out: this page takes {MAX_IMAGES} images; crosspool evaluate takes more."
        if known not in self.classes and len(self.classes) >= MAX_CLASSES:
            return f"{place} was left out: this page takes {MAX_CLASSES} classes; crosspool evaluate takes more."
        try:
            shot = _shot(data, title, place, self.visitor)
        except ImageError as error:
            return str(error)
        except NoRoomError as error:
            return f"{place} was left out: {error}."
        self.classes.setdefault(known, []).append(shot)
        return ""

    def called(self, label: str) -> str:
        """The class that a name means: one that is here, if it is the same but for letter case and spaces."""
        clean = class_name(label)
        return next((known for known in self.classes if known.casefold() == clean.casefold()), clean)

    def labelled(self) -> LabelledSet:
        """What can be trained on. Raises DatasetError for too little."""
        if not self.classes:
            raise DatasetError("There are no images yet; add some of at least two classes.")
        if len(self.classes) == 1:
            (label,) = self.classes
            raise DatasetError(f"There is only one class, {label}; add images of at least one other class.")
        shots = {}
        samples, targets = [], []
        for number, (label, members) in enumerate(self.classes.items()):
            for place, shot in enumerate(members, 1):
                name = f"{label}/{place} {shot.title}"
                shots[name] = shot
                samples.append(Sample(name, partial(_data_of, shot)))  # which holds the picture's share, too
                targets.append(number)
        dataset = Dataset(
            self.name, tuple(self.classes), tuple(samples), np.array(targets), problems=tuple(self.problems)
        )
        return _labelled(
            dataset,
            [shot.key for shot in shots.values()],
            self.cache,
            None,
            lambda sample: {shots[sample.name].key, shots[sample.name].received},
            lambda sample: shots[sample.name].thumbnail,
        )


def class_name(text: str) -> str:
    """A class's name as it is kept: in one line, without spaces around it or several in a row."""
    return printable(" ".join(text.split()))


def _shot(data: bytes, title: str, place: str, visitor: ImageOwner) -> LabelledImage:
    """A picture as it is kept, see STORAGE_FORMAT. Raises ImageError, and NoRoomError."""
    kept, received = current_server().decoders.store(data, place, STORAGE_FORMAT), image_hash(data)
    key = image_hash(kept.file)
    share = current_server().quota.lease(visitor, {key, received}, len(kept.file))
    return LabelledImage(key, received, printable(title), kept.file, jpeg_url(kept.thumbnail), share)


def _data_of(shot: LabelledImage) -> bytes:
    return shot.data
