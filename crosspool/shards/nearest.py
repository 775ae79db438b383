"""The images of a store that are nearest to one: found by short codes and ranked by vectors, or by these alone.

Codes are compared in two steps: all of them bit by bit, which is fast, and then the nearest by how far the query lies
from each plane, which is better.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspool.shards.codes import Codes, as_codes, distances, likenesses
from crosspool.shards.rows import column_array
from crosspool.shards.similarity import cosines
from crosspool.shards.store import READERS, Store

CANDIDATES = 1000  # images that are ranked by their vectors: those whose codes are nearest
PRESELECTED = 20  # times as many are chosen bit by bit
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Query:
    """An image: its vector in a store's kind, (d,), how far that lies above each plane, (bits,), its file's SHA-256."""

    vector: NDArray[Any]
    above: NDArray[np.float32]
    checksum: bytes


@dataclass(frozen=True)
class Nearest:
    """Images by their places in a store, (n,), the nearest first, and their cosines, (n,).

    `ranked` images were ranked by their vectors; of these, the ones at the places `copies` are the query's own file.
    """

    places: Places
    cosines: NDArray[np.float64]
    ranked: int
    copies: Places


class Index:
    """A store's codes, in memory once they are needed, and its vectors, read where they lie."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def _coded(self) -> tuple[Codes, Places]:
        """The codes of the images that could be read, and their places."""
        codes, has = self.store.codes()
        places = np.flatnonzero(has)
        return (codes if len(places) == len(codes) else codes[has]), places

    def nearest(self, query: Query, top: int, candidates: int | None = CANDIDATES) -> Nearest:
        """The `top` images nearest to a query, or fewer where fewer could be read.

        Of equal cosines, the image comes first that is first in the store, where they are in the order of their names.
        `candidates` are ranked by their vectors, at least `top`; None stands for all. Raises ModelError for a damaged
        shard.
        """
        tasks: list[tuple[int, Places | None]] = [(number, None) for number in range(self.store.plan.shards)]
        if candidates is not None:
            tasks = list(self.store.by_shard(self._candidates(query.above, max(candidates, top))))
        with ThreadPoolExecutor(READERS) as pool:
            ranked = list(pool.map(partial(self._ranked, query), tasks))
        places, values, is_copy = (np.concatenate(parts) for parts in zip(_NONE, *ranked, strict=True))
        order = np.argsort(-values, kind="stable")[:top]
        return Nearest(places[order], values[order], len(places), places[is_copy])

    def _candidates(self, above: NDArray[np.float32], count: int) -> Places:
        """The places of the images whose codes are nearest, sorted."""
        codes, places = self._coded
        return np.sort(places[nearest_codes(codes, above, count)])

    def _ranked(self, query: Query, task: tuple[int, Places | None]) -> "_Ranked":
        """The images of a shard, or those in some of its rows."""
        number, rows = task
        start, checksum = self.store.plan.places(number).start, np.frombuffer(query.checksum, np.uint8)
        found = [_NONE]
        for first, table in self.store.groups(number, ("vector", "sha256"), rows):
            vectors, has = self.store.vectors_of(table)
            if rows is not None:
                has &= np.isin(np.arange(first, first + len(table)), rows)
            checksums, _ = column_array(table["sha256"], np.uint8)
            own = start + first + np.flatnonzero(has)
            found.append((own, cosines(vectors[has], query.vector), (checksums[has] == checksum).all(axis=1)))
        places, values, is_copy = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return places, values, is_copy


def nearest_codes(codes: Codes, above: NDArray[np.float32], count: int) -> Places:
    """The places of the codes, (n, w), that are nearest to a vector which lies so far above each plane, (bits,)."""
    chosen = np.argsort(distances(codes, as_codes(above[None])[0]), kind="stable")[: PRESELECTED * count]
    best = np.argsort(-likenesses(codes[chosen], above), kind="stable")[:count]
    return np.asarray(chosen[best])


_Ranked = tuple[Places, NDArray[np.float64], NDArray[np.bool_]]  # places, cosines, and which are the query's own file
_NONE: _Ranked = np.zeros(0, np.intp), np.zeros(0), np.zeros(0, bool)
