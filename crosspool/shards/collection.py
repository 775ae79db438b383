"""A store, arranged so that one looks into it at once: channel by channel, class by class, and image by image.

A store has a row for each image; here each channel has its numbers of all images in one piece, on disk and mapped into
memory. The arrangement is made once, and kept in the cache under the checksum of the plan and of the images' files.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from scipy.sparse import coo_array
from sklearn.preprocessing import normalize

from crosspool.encoding import principal_components
from crosspool.errors import SettingError
from crosspool.shards.codes import Codes, distances
from crosspool.shards.near_copies import near_copies, picture_codes
from crosspool.shards.rows import column_array
from crosspool.shards.store import Store
from crosspool.strict_json import json_text
from crosspool.whole_files import whole_folder

FORMAT = 5  # to be increased when the same store is arranged otherwise
BLOCK, CHANNEL_BLOCK = 4096, 8  # images, and channels, that are computed with at a time
REFERENCES = 512  # images that all others are compared with, to find those that are like none
KINDS = {"peak": "<f2", "energy": "<f2", "cell": "<u2"}


@dataclass(frozen=True)
class Collection:
    """A store and its arrangement in `folder`.

    All places are those of images in the store, counted from 0.
    """

    store: Store
    folder: Path

    # --- images

    @cached_property
    def texts(self) -> dict[str, list[str | None]]:
        """The paths, labels and problems of all images."""
        columns = self.store.columns("path", "label", "problem")
        return {name: list(columns[name].to_pylist()) for name in ("path", "label", "problem")}

    @cached_property
    def classes(self) -> list[str]:
        """The labels that there are, in the order of their names."""
        return sorted({label for label in self.texts["label"] if label is not None})

    @cached_property
    def targets(self) -> NDArray[np.intp]:
        """The number of each image's class, (n,); -1 for an image without a label."""
        numbers = {label: number for number, label in enumerate(self.classes)}
        return np.array([-1 if label is None else numbers[label] for label in self.texts["label"]], np.intp)

    @cached_property
    def is_read(self) -> NDArray[np.bool_]:
        """Which images could be read, (n,)."""
        return np.array([problem is None for problem in self.texts["problem"]])

    def thumbnail(self, place: int) -> bytes:
        """An image's small picture as JPEG; empty where it could not be read."""
        start, stop = self._ends[place : place + 2]
        return bytes(self._pictures[start:stop])

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.asarray(np.load(self.folder / "thumbnails.npy"))

    @cached_property
    def _pictures(self) -> NDArray[np.uint8]:
        path = self.folder / "thumbnails.bin"
        return np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)

    @cached_property
    def codes(self) -> Codes:
        """The short codes of all images, (n, w)."""
        codes: Codes = np.load(self.folder / "code.npy", mmap_mode="r")
        return codes

    # --- channels

    @property
    def channels(self) -> int:
        """How many channels have numbers; 0 where the method has no maps."""
        return len(self._of["peak"]) if "peak" in self._of else 0

    @cached_property
    def _of(self) -> dict[str, Any]:
        """The channels' numbers by their kinds, each (K, n); nothing where the method has no maps."""
        paths = {kind: self.folder / f"{kind}.npy" for kind in KINDS}
        return {kind: np.load(path, mmap_mode="r") for kind, path in paths.items() if path.exists()}

    def strongest(self, channel: int, among: NDArray[np.bool_] | None = None, count: int = 60) -> NDArray[np.intp]:
        """The places of the images on which a channel has its highest peaks, highest first; none where it is zero.

        Of equal peaks, as many are in a network that clips its maps, the one with more energy is first.

        Args:
            channel: Its number.
            among: Which images count, (n,); None for all.
            count: How many at most.
        """
        peaks = np.asarray(self._of["peak"][channel], np.float32)
        counted = self.is_read if among is None else self.is_read & among
        return highest(np.where(counted, peaks, -np.inf), count, above=0.0, then=self._of["energy"][channel])

    def peak(self, channel: int, place: int) -> tuple[float, int]:
        """A channel's peak on an image, and the cell that has it, counted along the rows of the map."""
        return float(self._of["peak"][channel, place]), int(self._of["cell"][channel, place])

    def channels_of(self, place: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The peaks and the energies of all channels on an image, (K,) each."""
        peak, energy = (np.asarray(self._of[kind][:, place], np.float32) for kind in ("peak", "energy"))
        return peak, energy

    # --- likeness

    def nearest(self, place: int, among: NDArray[np.bool_] | None = None, count: int = 60) -> NDArray[np.intp]:
        """The places of the images whose codes are most like one image's, itself first."""
        return self._nearest(self.codes[place], among, count, first=place)

    def nearest_to(self, code: Codes, among: NDArray[np.bool_] | None = None, count: int = 60) -> NDArray[np.intp]:
        """The places of the images whose codes are most like a code, (w,)."""
        return self._nearest(code, among, count)

    def _nearest(
        self, code: Codes, among: NDArray[np.bool_] | None, count: int, first: int | None = None
    ) -> NDArray[np.intp]:
        counted = self.is_read if among is None else self.is_read & among
        far = distances(self.codes, code).astype(np.float32)
        if first is not None:
            far[first] = -1
        return highest(np.where(counted, -far, -np.inf), count)

    def likeness_to(self, code: Codes, places: NDArray[np.intp]) -> NDArray[np.float32]:
        """How like a code, (w,), those at some places are: 1 minus the share of differing bits, (some,)."""
        bits = 64 * self.codes.shape[1]
        return np.asarray(1 - distances(self.codes[places], code) / np.float32(bits), np.float32)

    @cached_property
    def positions(self) -> NDArray[np.float32]:
        """Where each image is on a plane, by the first two principal components of its channels' energies: (n, 2)."""
        return np.asarray(np.load(self.folder / "positions.npy"))

    @cached_property
    def likeness(self) -> NDArray[np.float32]:
        """How like the most similar of some reference images each image is: 1 minus the share of differing bits."""
        return np.asarray(np.load(self.folder / "likeness.npy"))

    @property
    def compared(self) -> int:
        """How many other images each is compared with for `likeness`; a reference with one fewer, if not all are."""
        return min(REFERENCES, max(0, int(self.is_read.sum()) - 1))

    def outliers(self, among: NDArray[np.bool_] | None = None, count: int = 60) -> NDArray[np.intp]:
        """The places of the images that are least like all reference images."""
        counted = self.is_read if among is None else self.is_read & among
        return highest(np.where(counted, -self.likeness, -np.inf), count)

    @cached_property
    def copies(self) -> list[NDArray[np.intp]]:
        """Groups of images that are nearly the same, each by their places, the largest first."""
        return [np.array(group) for group in json.loads((self.folder / "copies.json").read_text())]

    # --- channels by classes

    @cached_property
    def class_energies(self) -> NDArray[np.float32]:
        """The mean energy of each channel in each class: (L, K)."""
        return np.asarray(np.load(self.folder / "class_energies.npy"))

    @cached_property
    def telling(self) -> NDArray[np.float32]:
        """How well each channel tells the classes apart, (K,).

        It is the share of the variance of a channel's energy that lies between the classes with two images or more, as
        estimated without the share that chance would give (omega squared; Hays, 1963): 0 where classes differ no more
        than by chance, 1 where images of one class have the same energy.
        """
        return np.asarray(np.load(self.folder / "telling.npy"))


def highest(
    values: NDArray[np.floating[Any]], count: int, above: float = -np.inf, then: NDArray[np.floating[Any]] | None = None
) -> NDArray[np.intp]:
    """The places of the highest values above a limit, highest first; of equal ones first by `then`, and by place."""
    count = min(count, len(values))
    places = np.arange(len(values))
    if count < len(values):
        lowest = np.partition(values, len(values) - count)[len(values) - count]
        higher, equal = np.flatnonzero(values > lowest), np.flatnonzero(values == lowest)
        missing = count - len(higher)
        equal = equal[:missing] if then is None else equal[highest(np.asarray(then[equal], np.float32), missing)]
        places = np.concatenate([higher, equal])
    places = places[values[places] > above]
    keys = (values,) if then is None else (then, values)  # the last decides first
    return np.asarray(places[np.lexsort([-key[places] for key in keys])])


def arranged(store: Store, cache: Path, progress: Callable[[int], None] = lambda done: None) -> Collection:
    """The arrangement of a store, from the cache, or made and kept there.

    Raises SettingError where the cache cannot be written, and ModelError for a damaged shard.
    """
    described = json_text([FORMAT, store.plan.checksum, store.learned, _content(store)])
    folder = cache / "collections" / hashlib.sha256(described.encode()).hexdigest()[:32]
    if not folder.is_dir():
        try:
            with whole_folder(folder) as temporary:  # other servers may have the same cache
                _arrange(store, temporary, progress)
        except OSError as error:
            reason = error.strerror or error
            problem = f"The collection cannot be arranged in {cache} ({reason})"
            raise SettingError(f"{problem}; make room, or choose another folder with CROSSPOOL_CACHE.") from error
    return Collection(store, folder)


def _content(store: Store) -> str:
    """The SHA-256 of the images' files and of which could be read: a shard may be computed again when more can be."""
    columns = store.columns("sha256", "problem")
    digest = hashlib.sha256(column_array(columns["sha256"], np.uint8)[0].tobytes())
    digest.update(np.asarray(columns["problem"].is_null()).tobytes())
    return digest.hexdigest()


def _arrange(store: Store, folder: Path, progress: Callable[[int], None]) -> None:
    """Fill the folder."""
    count, channels = len(store), store.channels
    kinds = KINDS if channels else {}
    turned = {name: open_memmap(folder / f"{name}.npy", "w+", kind, (channels, count)) for name, kind in kinds.items()}
    codes: list[Codes] = []
    looks: list[tuple[Codes, NDArray[np.bool_]]] = []
    ends = [0]
    with (folder / "thumbnails.bin").open("wb") as pictures:
        for first, table in store.all_groups("code", "thumbnail", *kinds):
            last = first + table.num_rows
            for name, array in turned.items():
                array[:, first:last] = column_array(table[name], KINDS[name])[0].T
            codes.append(column_array(table["code"], "<u8")[0])
            files = [file or b"" for file in table["thumbnail"].to_pylist()]
            ends += [ends[-1] + length for length in np.cumsum([pictures.write(file) for file in files]).tolist()]
            looks.append(picture_codes(files))
            progress(last)
    np.save(folder / "code.npy", np.concatenate(codes))
    np.save(folder / "thumbnails.npy", np.array(ends, np.int64))
    collection = Collection(store, folder)
    np.save(folder / "likeness.npy", _likeness(collection.codes, collection.is_read))
    of_pictures, have_one = (np.concatenate(parts) for parts in zip(*looks, strict=True))
    (folder / "copies.json").write_text(json_text(near_copies(of_pictures, have_one)))
    if channels:
        energy, targets = turned["energy"], np.where(collection.is_read, collection.targets, -1)
        means, telling = told_apart(energy, targets, len(collection.classes))
        np.save(folder / "class_energies.npy", means)
        np.save(folder / "telling.npy", telling)
        np.save(folder / "positions.npy", _on_a_plane(energy, collection.is_read))


def _likeness(codes: Codes, is_read: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How like the most similar of some reference images, itself left out, each image is."""
    places = np.flatnonzero(is_read)
    references = np.sort(np.random.default_rng(0).permutation(places)[:REFERENCES])
    bits = 64 * codes.shape[1]
    least = np.full(len(codes), bits, np.uint16)
    for place in references:
        far = distances(codes, codes[place])
        far[place] = bits
        least = np.minimum(least, far)
    return np.where(is_read, 1 - least / np.float32(bits), 0).astype(np.float32)


def told_apart(
    energy: NDArray[np.float16], targets: NDArray[np.intp], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean energies of channels in classes, (L, K), and omega squared of each channel, (K,), not below 0.

    Args:
        energy: The channels' energies, (K, n).
        targets: The number of each image's class, (n,); -1 for images that do not count.
        count: How many classes there are, L.
    """
    means, telling = np.zeros((count, len(energy)), np.float32), np.zeros(len(energy), np.float32)
    counted = np.flatnonzero(targets >= 0)
    if not counted.size:
        return means, telling
    sizes = np.bincount(targets[counted], minlength=count)
    compared = np.where(sizes > 1, sizes, 0)  # one image tells nothing of how those of its class differ
    inside = sizes[targets[counted]] > 1
    freedom = int((compared > 0).sum()) - 1, int(compared.sum() - (compared > 0).sum())
    belongs = coo_array((np.ones(len(counted)), (targets[counted], np.arange(len(counted)))), (count, len(counted)))
    for start in range(0, len(energy), CHANNEL_BLOCK):
        block = slice(start, start + CHANNEL_BLOCK)
        values = np.asarray(energy[block], np.float64)[:, counted]  # (k, n)
        of_classes = (belongs @ values.T) / sizes.clip(1)[:, None]  # (L, k)
        means[:, block] = of_classes
        if freedom[0] < 1:
            continue
        values = values[:, inside]
        middle = values.mean(axis=1)
        total = np.square(values - middle[:, None]).sum(axis=1)
        between = (compared[:, None] * np.square(of_classes - middle)).sum(axis=0)
        within = (total - between) / freedom[1]  # the variance
        more = np.divide(between - freedom[0] * within, total + within, out=np.zeros(len(values)), where=total > 0)
        telling[block] = more.clip(0, 1)
    return means, telling


def _on_a_plane(energy: NDArray[np.float16], is_read: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The first two principal components of the roots of all channels' energies, scaled to unit length: (n, 2)."""
    blocks = [np.flatnonzero(is_read)[start : start + BLOCK] for start in range(0, int(is_read.sum()), BLOCK)]

    def rows(places: NDArray[np.intp]) -> NDArray[np.float32]:
        return np.asarray(normalize(np.sqrt(np.asarray(energy[:, places].T, np.float32))))

    positions = np.zeros((len(is_read), 2), np.float32)
    if min(len(energy), int(is_read.sum())) < 2:
        return positions
    mean, components = principal_components(map(rows, blocks), 2)
    for places in blocks:
        positions[places] = (rows(places) - mean) @ components.T
    return positions
