"""Search in a store: the images most like one image, and why."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from crosspool.contributions import Contributions, pooled_parts, split_score
from crosspool.datasets import Sample
from crosspool.errors import DatasetError, ModelError
from crosspool.flow import use_threads
from crosspool.images import file_bytes
from crosspool.pooled_parts import PooledPart
from crosspool.shards.codes import distances
from crosspool.shards.extraction import Extractor, Job
from crosspool.shards.nearest import CANDIDATES, Index, Query
from crosspool.shards.rows import column_array
from crosspool.shards.similarity import summands
from crosspool.shards.store import Store

COLUMNS = ("path", "label", "vector", "code", "thumbnail")


@dataclass(frozen=True)
class Neighbour:
    """An image of a store: its name, its label, a small JPEG, and its vector in the store's kind, (d,).

    `similarity` is the cosine of its vector and the query's.
    """

    path: str
    label: str | None
    similarity: float
    thumbnail: bytes = field(repr=False)
    vector: NDArray[Any] = field(repr=False)


@dataclass(frozen=True)
class Found:
    """What a search has found: neighbours, the most alike first.

    `ranked` images of the store were ranked by their vectors: all that could be read where `is_exact`, and else those
    whose short codes are nearest. `copies` are the names of those of the query's own file.
    """

    neighbours: tuple[Neighbour, ...]
    ranked: int
    is_exact: bool
    copies: tuple[str, ...]
    query: Query = field(repr=False)
    parts: tuple[PooledPart, ...] = field(repr=False)

    def why(self, neighbour: Neighbour) -> Contributions:
        """A neighbour's similarity, split by channel, and by position in the query where that is known.

        The neighbour's vector acts as the weights of a linear classifier, whose score is the similarity.
        """
        return split_score(self.parts, summands(self.query.vector, neighbour.vector), neighbour.similarity)


class Searcher:
    """A store with the network that made it, ready for images."""

    def __init__(self, store: Store, extractor: Extractor) -> None:
        self.store, self.extractor, self._index = store, extractor, Index(store)

    @classmethod
    def opened(cls, address: str, weights: str | os.PathLike[str] | None = None, device: str | None = None) -> Self:
        """The store at an address, and its network.

        Args:
            address: A folder, or an address such as s3://bucket/store.
            weights: The file of the network's weights, where that is one of your own.
            device: Where the network computes; None stands for where it did for the store.

        Raises:
            CrosspoolError: There is no store, shards are missing, or the network is not that of the store.
        """
        store = Store.opened(address)
        plan = store.plan if device is None else store.plan.model_copy(update={"device": device})
        with _one_thread():
            return cls(store, Job(plan, store.place, None if weights is None else os.fspath(weights)).extractor())

    def search(self, image: str | os.PathLike[str], top: int = 10, *, exact: bool = False) -> Found:
        """The images most like an image file.

        Args:
            image: A path.
            top: How many.
            exact: Compare the vectors of all images, not of those alone whose short codes are nearest.

        Returns:
            Found: Up to `top` neighbours, the image itself among them where it is in the store; `why` splits the
            similarity of one of them.

        Raises:
            ImageError: The image cannot be read.
            DatasetError: The store has no image that could be read.
            ModelError: A shard is damaged, or its codes are not those of its vectors.
        """
        path = os.fspath(image)
        with _one_thread():
            query, record = self.extractor.query(Sample(path, partial(file_bytes, path, path)))
            parts = pooled_parts(self.extractor.method, self.extractor.encoder, record)
        nearest = self._index.nearest(query, top, None if exact else CANDIDATES)
        if not len(nearest.places):
            raise DatasetError(f"No image in {self.store.place.address} could be read; extract others.")
        rows = self.store.rows(nearest.places, *COLUMNS)
        vectors, _ = self.store.vectors_of(rows)
        if not exact:
            self._expect_code(vectors[0], column_array(rows["code"], "<u8")[0][0])
        texts = (rows[name].to_pylist() for name in ("path", "label", "thumbnail"))
        neighbours = (
            Neighbour(name, label, float(cosine), thumbnail, vector)
            for name, label, thumbnail, cosine, vector in zip(*texts, nearest.cosines, vectors, strict=True)
        )
        copies = self.store.rows(nearest.copies, "path")["path"].to_pylist() if len(nearest.copies) else []
        is_exact = exact or nearest.ranked < max(CANDIDATES, top)
        return Found(tuple(neighbours), nearest.ranked, is_exact, tuple(copies), query, parts)

    def _expect_code(self, vector: NDArray[Any], code: NDArray[np.uint64]) -> None:
        """Raise ModelError where a code differs from that of its vector by more than rounding.

        The planes come from a generator of random numbers that another version of NumPy may change; candidates would
        then be images at random.
        """
        differing = int(distances(code[None], self.extractor.code(vector))[0])
        if differing > self.store.plan.bits // 64:
            raise ModelError(
                f"The short codes in {self.store.place.address} are of other versions of crosspool's libraries; search "
                "with --exact, or extract the store again."
            )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute as the store's images were computed: each in one thread."""
    before = torch.get_num_threads()
    use_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        use_threads(before)
