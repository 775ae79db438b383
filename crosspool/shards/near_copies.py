"""Images that are nearly the same: one photo twice, or scaled, compressed again, brightened or slightly cut.

A picture is identified by the signs of its lowest frequencies, a perceptual hash (Zauner, Implementation and
benchmarking of perceptual image hash functions, 2010). Two that differ in few bits are neighbours in some of many
lists, each sorted by other bits (Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002).
"""

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from crosspool.shards.codes import Codes

SIDE, FREQUENCIES = 32, 16  # pixels of a grey picture, and its frequencies in each direction that count
BITS = FREQUENCIES**2
FLAT = 2.0  # of 255 grey levels, the least standard deviation of a picture that has a shape
COPY_BITS = 40  # of 256 that near-copies differ in at most, see benchmarks/accuracy/near_copies.py
LISTS, KEY_BITS, NEIGHBOURS = 48, 32, 4


def picture_codes(files: Iterable[bytes]) -> tuple[Codes, NDArray[np.bool_]]:
    """The codes of small pictures, and which have one.

    Args:
        files: The pictures as JPEG files; empty bytes where there is none.

    Returns:
        (n, 4) words of 64 bits, and (n,): a picture of one colour has no shape to identify it by.
    """
    greys = np.stack([_grey(file) for file in files])
    lowest = dctn(greys, axes=(1, 2), norm="ortho")[:, :FREQUENCIES, :FREQUENCIES].reshape(len(greys), BITS)
    lowest[:, 0] = 0  # the brightness
    above = lowest > np.median(lowest, axis=1, keepdims=True)
    codes: Codes = np.packbits(above, axis=1, bitorder="little").view("<u8")
    return codes, greys.std(axis=(1, 2)) >= FLAT


def _grey(file: bytes) -> NDArray[np.float32]:
    if not file:
        return np.zeros((SIDE, SIDE), np.float32)
    with Image.open(io.BytesIO(file)) as picture:
        picture.draft("L", (SIDE, SIDE))  # decodes fewer pixels
        small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def near_copies(codes: Codes, known: NDArray[np.bool_]) -> list[list[int]]:
    """Groups of pictures whose codes differ from one another's by few bits, along a chain; the largest first.

    Args:
        codes: (n, 4), as from `picture_codes`.
        known: Which pictures count, (n,).

    Returns:
        Their places. Equal codes are found for certain, and of others nearly all: of pairs among 20,000 that differ in
        24 bits more than 99.9 %, and of those that differ in 40 bits about 99 %.
    """
    places = np.flatnonzero(known)
    links = [np.zeros((2, 0), np.intp)]
    drawn = np.random.default_rng(0)
    for _ in range(LISTS):
        order = places[np.argsort(_key(codes[places], drawn.choice(BITS, KEY_BITS, replace=False)), kind="stable")]
        for step in range(1, NEIGHBOURS + 1):
            one, other = order[:-step], order[step:]
            apart = np.bitwise_count(codes[one] ^ codes[other]).sum(axis=1)
            links.append(np.stack([one, other])[:, apart <= COPY_BITS])
    return _groups(np.unique(np.concatenate(links, axis=1), axis=1), len(codes))


def _key(codes: Codes, chosen: NDArray[np.intp]) -> NDArray[np.uint64]:
    """A number of some bits of each code, (n,)."""
    key = np.zeros(len(codes), np.uint64)
    for bit in chosen.tolist():
        key = (key << np.uint64(1)) | ((codes[:, bit // 64] >> np.uint64(bit % 64)) & np.uint64(1))
    return key


def _groups(links: NDArray[np.intp], count: int) -> list[list[int]]:
    """What hangs together by links, (2, l), among so many places; the largest first."""
    graph = coo_array((np.ones(links.shape[1], np.int8), tuple(links)), shape=(count, count))
    _, numbers = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for place in np.unique(links).tolist():
        groups.setdefault(int(numbers[place]), []).append(place)
    return sorted(groups.values(), key=lambda group: (-len(group), group))
