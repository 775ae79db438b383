"""A store as it is read: its plan, and the rows of its shards, in their order."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crosspool.errors import DatasetError, ModelError, not_found
from crosspool.shards.codes import Codes
from crosspool.shards.place import Place
from crosspool.shards.plan import IMAGES, LEARNED, PLAN, Plan, origin, read_plan
from crosspool.shards.rows import column_array, groups_of, origin_of, read_columns

READERS = 8  # shards that are read at once: more than cores, as disks and networks are waited for


@dataclass(frozen=True)
class Store:
    """A whole store: every shard has its file."""

    place: Place
    plan: Plan

    @classmethod
    def opened(cls, address: str) -> "Store":
        """The store at an address.

        Raises ModelError where there is none, and DatasetError where shards are missing.
        """
        place = Place(address)
        plan = read_plan(place)
        if plan is None:
            is_there = (place.folder is not None and place.folder.exists()) or place.names()
            problem = f"{address} exists, but is not a store: it has no {PLAN}." if is_there else not_found(address)
            raise ModelError(f"{problem} A store is made by: crosspool extract DATA --out STORE")
        missing = plan.missing(place.names())
        if missing:
            count = f"{len(missing):,} of {plan.shards:,} shards"
            raise DatasetError(f"{address} lacks {count}; run the same crosspool extract again, which goes on.")
        return cls(place, plan)

    def __len__(self) -> int:
        return self.plan.images

    def source(self, number: int) -> Any:
        """What pyarrow reads a shard from, or parts of it."""
        return self.place.source(self.plan.shard_name(number))

    # --- columns

    def columns(self, *names: str) -> pa.Table:
        """Some columns of all rows. Raises ModelError for a damaged shard."""
        with ThreadPoolExecutor(READERS) as pool:
            return pa.concat_tables(pool.map(lambda number: self._read(number, names), range(self.plan.shards)))

    def _read(self, number: int, names: Sequence[str]) -> pa.Table:
        try:
            table = read_columns(self.source(number), names)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(number, error) from error
        if len(table) != len(self.plan.places(number)):
            raise self._damaged(number, f"it has {len(table):,} rows")
        return self._checked(number, table, names)

    def _checked(self, number: int, table: pa.Table, names: Sequence[str]) -> pa.Table:
        """The table, read from a shard's file. Raises ModelError where it is another file, or lacks some columns."""
        if origin_of(table) != origin(self._checksum, number, self.learned):
            raise self._damaged(
                number, f"it is of another plan, or another shard of it, or was computed with another {LEARNED}"
            )
        missing = sorted(set(names) - set(table.column_names))
        if missing:
            raise self._damaged(number, f"it lacks {', '.join(missing)}")
        return table

    @cached_property
    def _checksum(self) -> str:
        return self.plan.checksum

    @cached_property
    def learned(self) -> str:
        """The SHA-256 of what was learned before the shards were computed. Raises ModelError where it is missing."""
        try:
            return hashlib.sha256(self.place.read(LEARNED)).hexdigest()
        except FileNotFoundError as error:
            raise ModelError(f"{self.place.address} lacks {LEARNED}; run the same crosspool extract again.") from error

    def _damaged(self, number: int, reason: Exception | str) -> ModelError:
        words = " ".join(str(reason).split())
        problem = f"{self.plan.shard_name(number)} of {self.place.address} is damaged ({words})"
        return ModelError(f"{problem}; delete it, and run the same crosspool extract again.")

    @cached_property
    def paths(self) -> list[str]:
        """The names of all images. Raises ModelError where the list of images has others than the shards."""
        paths = self.columns("path")["path"]
        if not paths.equals(self._listed("path")):
            raise self._without_list("it has other images than the shards")
        return list(paths.to_pylist())

    @cached_property
    def labels(self) -> list[str | None]:
        """The labels of all images; None for one without."""
        return list(self.columns("label")["label"].to_pylist())

    @cached_property
    def splits(self) -> list[str | None]:
        """The parts of an official split that all images are in; None for one without."""
        return list(self.columns("split")["split"].to_pylist())

    @cached_property
    def checksums(self) -> list[bytes | None]:
        """The SHA-256 of all images' files; None for one without."""
        return list(self.columns("sha256")["sha256"].to_pylist())

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The places of all images in the order that their data set has. Raises ModelError."""
        return np.asarray(self._listed("place"))

    def _listed(self, name: str) -> pa.ChunkedArray:
        """A column of the list of images. Raises ModelError where that is missing or damaged."""
        try:
            return read_columns(io.BytesIO(self.place.read(IMAGES)), [name])[name]
        except (pa.ArrowException, OSError, KeyError) as error:
            raise self._without_list(error) from error

    def _without_list(self, reason: Exception | str) -> ModelError:
        problem = f"{IMAGES} of {self.place.address} is missing or damaged ({reason})"
        return ModelError(f"{problem}; delete it, and run the same crosspool extract again.")

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The places of all images by their names."""
        return {name: row for row, name in enumerate(self.paths)}

    @cached_property
    def reasons(self) -> list[str | None]:
        """Why images could not be read; None for one that could."""
        return list(self.columns("problem")["problem"].to_pylist())

    def problems(self) -> list[str]:
        """Why images could not be read, of those that could not."""
        return [problem for problem in self.reasons if problem is not None]

    @cached_property
    def is_read(self) -> NDArray[np.bool_]:
        """Which images could be read, (n,)."""
        return np.array([problem is None for problem in self.reasons])

    def codes(self) -> tuple[Codes, NDArray[np.bool_]]:
        """The short codes of all images, (n, w), zeros for those that could not be read, and which have one, (n,).

        Raises ModelError for a damaged shard.
        """
        codes = np.empty((len(self), self.plan.bits // 64), "<u8")
        has = np.empty(len(self), bool)

        def read(number: int) -> None:
            places = self.plan.places(number)
            part = slice(places.start, places.stop)
            codes[part], has[part] = column_array(self._read(number, ["code"])["code"], "<u8")

        with ThreadPoolExecutor(READERS) as pool:
            for _ in pool.map(read, range(self.plan.shards)):
                pass
        return codes, has

    @cached_property
    def channels(self) -> int:
        """How many channels have peaks in each row; 0 where the method has no maps."""
        schema = read_columns(self.source(0), ["peak"], []).schema
        return schema.field("peak").type.byte_width // 2 if "peak" in schema.names else 0

    def all_groups(self, *names: str) -> Iterator[tuple[int, pa.Table]]:
        """The row groups of all shards in their order, each with the place of its first image."""
        for number in range(self.plan.shards):
            for first, table in self.groups(number, names):
                yield self.plan.places(number).start + first, table

    # --- rows

    def rows(self, places: NDArray[np.intp], *names: str) -> pa.Table:
        """Some columns of the rows at some places, in their order. Raises ModelError for a damaged shard."""
        order = np.argsort(places, kind="stable")
        found = []
        for number, rows in self.by_shard(places[order]):
            for first, table in self.groups(number, names, rows):
                found.append(table.take(rows[(first <= rows) & (rows < first + len(table))] - first))
        return pa.concat_tables(found).take(np.argsort(order))

    def by_shard(self, places: NDArray[np.intp]) -> list[tuple[int, NDArray[np.intp]]]:
        """The shards that have some of the images at these places, sorted, and which of their rows."""
        numbers, starts = np.unique(places // self.plan.shard, return_index=True)
        parts = np.split(places % self.plan.shard, starts)[1:]
        return [(int(number), part) for number, part in zip(numbers, parts, strict=True)]

    def groups(
        self, number: int, names: Sequence[str], rows: NDArray[np.intp] | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """The row groups of a shard, each with the number of its first row; of `rows` alone, sorted, where given.

        Raises ModelError for a damaged shard.
        """
        try:
            for first, table in groups_of(self.source(number), names, rows):
                yield first, self._checked(number, table, names)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(number, error) from error

    # --- vectors

    @property
    def is_packed(self) -> bool:
        """Whether vectors are packed in two bits a number."""
        return "/ternary" in self.plan.method

    def vectors_of(self, table: pa.Table) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The vectors in a table's rows in their kind, (n, d), with zeros for those without, and which have one."""
        return column_array(table["vector"], np.uint8 if self.is_packed else "<f4")

    def blocks(self) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """The vectors in their kind, of those that could be read: their places in the store, and (some, d)."""
        for first, table in self.all_groups("vector"):
            vectors, has = self.vectors_of(table)
            yield first + np.flatnonzero(has), vectors[has]
