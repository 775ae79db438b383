"""Labelled images to train on: FieldGuide's, a ZIP's, or images that come class by class."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np

from crosspool.cache import SLACK_SHARE, ArrayCache, default_cache
from crosspool.datasets import Dataset, Sample, check_classes, in_two_classes, there_twice
from crosspool.datasets.fieldguide.guide import draw, fieldguide, scene_of
from crosspool.datasets.fieldguide.species import SPECIES
from crosspool.errors import DatasetError, ImageError
from crosspool.inspection.dataset import DatasetReport, dataset_report
from crosspool.inspection.image import ImageFacts
from crosspool.text import name_key, printable
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.decode_worker import StorageFormat
from crosspool.ui.runtime.quota import ImageHash, NoRoomError, QuotaLease, Reservation, image_hash
from crosspool.ui.runtime.scratch import ScratchFolder
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind, SharedCache
from crosspool.ui.widgets.browser import data_url, jpeg_url

MAX_IMAGES = 600
MAX_CLASSES = 50
DISK_BYTES = 16 * 2**20  # by which a visitor's room on disk grows
LONGEST_SIDE = 1024  # pixels kept of an image, enough for the largest input
THUMBNAIL = 160
STORAGE_FORMAT = StorageFormat(LONGEST_SIDE, largest=2**19, quality=92, exact=False, thumbnail=THUMBNAIL, facts=True)
LONGEST_NAME = 60  # characters of a ZIP's name or a class's, each up to four bytes: a file system takes 255 bytes


@dataclass(frozen=True)
class LabelledImage:
    """A labelled image in memory: its file's bytes, their SHA-256, and a thumbnail as a data URL.

    `received` is the SHA-256 of the file as it came, which may have been shrunk since, and `facts` are about that one.
    `path` is the name of that file with its folders, and `part` the folder of the part that it was in, "" without
    parts. `lease` is the memory it takes.
    """

    key: ImageHash
    received: ImageHash
    title: str
    data: bytes
    thumbnail: str
    facts: ImageFacts
    path: str = ""
    part: str = ""
    lease: QuotaLease | None = field(default=None, repr=False, compare=False)

    def read(self) -> bytes:
        """The file. Bound to its image, this keeps the lease as long as a `Sample` needs the file."""
        return self.data


class PrivateCache(ArrayCache):
    """Arrays that belong to one visitor: their folder is deleted with this object.

    It grows as long as the visitor and the server have room on disk. Then the oldest arrays go, to be computed again.
    """

    def __init__(self, visitor: Account) -> None:
        self._folder, self._visitor, self._disk = ScratchFolder(), visitor, current_server().disk
        self._reservations: list[Reservation] = []
        super().__init__(self._folder.path, 0)

    def _make_room(self, limit: int) -> None:
        stored = sum(path.stat().st_size for path in self.folder.glob("*/*.z"))
        while stored > limit * (1 - SLACK_SHARE):
            reservation = self._disk.reserve(DISK_BYTES, self._visitor)
            if reservation is None:
                break
            self._reservations.append(reservation)
            limit += DISK_BYTES
        self.limit = limit
        super()._make_room(limit)


@dataclass(frozen=True)
class LabelledSet:
    """A data set to train on, with enough different images of each of at least two classes.

    `image_keys` are content keys of the samples; images with equal keys are one image. Activations are kept in `cache`.
    `spec` is what `crosspool evaluate` calls the data set, None where it cannot know it. `keys_of` gives the SHA-256s
    of a sample's file, as it is kept and as it came, and `thumbnail_of` a small image of it as a data URL.
    """

    dataset: Dataset
    image_keys: tuple[str, ...]
    cache: ArrayCache
    spec: str | None
    keys_of: Callable[[Sample], set[ImageHash]]
    thumbnail_of: Callable[[Sample], str]

    @property
    def title(self) -> str:
        """Its name for people, with its size."""
        name, count = self.dataset.name, len(self.dataset)
        if self.spec is not None:
            return f"FieldGuide, {count // len(self.dataset.classes)} birds of each"
        return f"{name}, {count:,} images"

    def same_as(self, other: "LabelledSet") -> bool:
        """Whether these are the same images of the same classes."""
        mine, others = self.dataset, other.dataset
        same_names = (mine.name, mine.classes) == (others.name, others.classes)
        return same_names and self.image_keys == other.image_keys and np.array_equal(mine.targets, others.targets)

    def examples(self, count: int) -> list[tuple[str, int, list[str]]]:
        """Each class: its name, how many images it has, and thumbnails of the first few."""
        dataset = self.dataset
        members = [np.flatnonzero(dataset.targets == number) for number in range(len(dataset.classes))]
        return [
            (label, len(indices), [self.thumbnail_of(dataset.samples[index]) for index in indices[:count]])
            for label, indices in zip(dataset.classes, members, strict=True)
        ]


def _trainable(labelled: LabelledSet) -> LabelledSet:
    """The part that can be trained on, with all that is wrong as its problems. Raises DatasetError for too little."""
    dataset = check_classes(labelled.dataset, 2, "skip", labelled.image_keys)
    names, samples = {sample.name for sample in dataset.samples}, labelled.dataset.samples
    keys = tuple(key for key, sample in zip(labelled.image_keys, samples, strict=True) if sample.name in names)
    problems = (*dataset.problems, *in_two_classes(dataset, keys), *there_twice(dataset, keys))
    return replace(labelled, dataset=replace(dataset, problems=problems), image_keys=keys)


# --- FieldGuide

NEW_BIRDS = 1000  # of each species, after which they come again
HASH_BYTES = 300  # of an entry, with its key
GUIDE_HASHES = CacheKind[str, ImageHash](  # by a sample's identity
    "hashes of FieldGuide", lambda name: HASH_BYTES, lambda identity: ImageHash("")
)


def guide(per_class: int) -> LabelledSet:
    """`per_class` birds of each species of FieldGuide, with their activations in the cache that all visits share."""
    server, dataset = current_server(), fieldguide(per_class)
    position = {sample.name: index for index, sample in enumerate(dataset.samples)}

    def thumbnail_of(sample: Sample) -> str:
        return _guide_thumbnail(*divmod(position[sample.name], per_class))

    samples = tuple(replace(sample, read=partial(_draw_bird, server.cache, sample)) for sample in dataset.samples)
    keys = tuple(str(sample.identity) for sample in samples)
    cache = ArrayCache(default_cache(), server.settings.disk_megabytes * 2**20)
    dataset, keys_of = replace(dataset, samples=samples), partial(_guide_keys_of, server.cache)
    return _trainable(LabelledSet(dataset, keys, cache, f"fieldguide:{per_class}", keys_of, thumbnail_of))


def new_bird(count: int) -> tuple[bytes, str]:
    """A bird that no set of `guide` has, as a file, and its species; every `count` gives another one, for long."""
    species, number = 5 * count % len(SPECIES), count // len(SPECIES) % NEW_BIRDS
    sample = fieldguide(number + 1, seed=1).samples[species * (number + 1) + number]
    return sample.read(), SPECIES[species].name


def _draw_bird(cache: SharedCache, sample: Sample) -> bytes:
    """The file of a bird, whose hash is kept."""
    data = sample.read()
    cache.put(GUIDE_HASHES, str(sample.identity), image_hash(data), time.monotonic())
    return data


def _guide_keys_of(cache: SharedCache, sample: Sample) -> set[ImageHash]:
    return {cache.get(GUIDE_HASHES, str(sample.identity)) or image_hash(sample.read())}


@lru_cache(maxsize=4_000)
def _guide_thumbnail(kind: int, number: int) -> str:
    """The same scene, drawn small, which takes a fraction of the time."""
    scene = scene_of(kind * (number + 1) + number, number + 1)
    return data_url(draw(SPECIES[kind], scene, THUMBNAIL).image)


# --- a visitor's images


@dataclass
class Collection:
    """Images by class, of one session, in its memory alone.

    `problems` says what was left out of it, and `layout` how the folders of a ZIP were understood.
    """

    name: str
    classes: dict[str, list[LabelledImage]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    layout: str = ""
    visitor: Account = field(default_factory=Account)
    cache: PrivateCache = field(init=False)

    def __post_init__(self) -> None:
        self.cache = PrivateCache(self.visitor)

    def __len__(self) -> int:
        return sum(map(len, self.classes.values()))

    def add(self, label: str, data: bytes, title: str, path: str = "", *, part: str = "") -> str:
        """Keep an image of a class; return "" or, in one sentence that names its `path`, why it was left out.

        `part` is as in `LabelledImage`. A class whose name differs from an existing one only in letter
        case, spaces or how accents are composed is that one.
        """
        label, path = self.matching_class(label), path or title
        if len(self) >= MAX_IMAGES:
            return f"{path} was left out: this page takes {MAX_IMAGES} images; crosspool evaluate takes more."
        if label not in self.classes and len(self.classes) >= MAX_CLASSES:
            return f"{path} was left out: this page takes {MAX_CLASSES} classes; crosspool evaluate takes more."
        try:
            image = _labelled_image(data, title, path, self.visitor)
        except ImageError as error:
            return str(error)
        except NoRoomError as error:
            return f"{path} was left out: {error}."
        self.classes.setdefault(label, []).append(replace(image, path=path, part=part))
        return ""

    def matching_class(self, label: str) -> str:
        """The existing class whose name differs from `label` at most as `name_key` says, or else `label` cleaned."""
        clean = as_label(label)
        return next((existing for existing in self.classes if name_key(existing) == name_key(clean)), clean)

    def _images(self) -> dict[str, LabelledImage]:
        """All images by the names of their samples."""
        return {
            f"{label}/{number} {image.title.replace('/', '_')}": image  # a class may have slashes, so nothing else may
            for label, members in self.classes.items()
            for number, image in enumerate(members, 1)
        }

    def _dataset(self) -> Dataset:
        samples = tuple(Sample(name, image.read) for name, image in self._images().items())
        targets = np.repeat(np.arange(len(self.classes)), [len(members) for members in self.classes.values()])
        return Dataset(self.name, tuple(self.classes), samples, targets, problems=tuple(self.problems))

    def report(self) -> DatasetReport:
        """What the images are, the parts that they were in included. Nothing is decoded for it.

        An official split is none here: splits are random.
        """
        images = list(self._images().values())
        parts = tuple(image.part for image in images) if any(image.part for image in images) else ()
        samples = tuple(Sample(image.path, image.read) for image in images)
        dataset = replace(self._dataset(), samples=samples, parts=parts, layout=self.layout)
        return dataset_report(dataset, [image.facts for image in images])

    def labelled(self) -> LabelledSet:
        """The images to train on. Raises DatasetError where there are too few."""
        if not self.classes:
            raise DatasetError("There are no images yet; add some of at least two classes.")
        if len(self.classes) == 1:
            (label,) = self.classes
            raise DatasetError(f"There is only one class, {label}; add images of at least one other class.")
        images, dataset = self._images(), self._dataset()

        def keys_of(sample: Sample) -> set[ImageHash]:
            return {images[sample.name].key, images[sample.name].received}

        def thumbnail_of(sample: Sample) -> str:
            return images[sample.name].thumbnail

        firsts: dict[str, ImageHash] = {}  # by pixels: copies in files of two kinds are one image as well
        keys = tuple(firsts.setdefault(image.facts.pixels, image.key) for image in images.values())
        return _trainable(LabelledSet(dataset, keys, self.cache, None, keys_of, thumbnail_of))


def as_label(text: str) -> str:
    """A class's name as it is kept: in one line, without spaces around it or several in a row."""
    return printable(" ".join(text.split()))


def _labelled_image(data: bytes, title: str, path: str, visitor: Account) -> LabelledImage:
    """An image as it is kept, see STORAGE_FORMAT. Raises ImageError and NoRoomError."""
    server, received = current_server(), image_hash(data)
    stored = server.decoders.store(data, path, STORAGE_FORMAT)
    key = image_hash(stored.file)
    url = jpeg_url(stored.thumbnail)
    lease = server.quota.lease(visitor, {key, received}, len(stored.file) + len(url))
    assert stored.facts is not None
    return LabelledImage(key, received, printable(title), stored.file, url, stored.facts, lease=lease)
