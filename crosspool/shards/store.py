"""A store as it is read: its plan, and the rows of its shards, in their order."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crosspool.errors import DatasetError, ModelError, not_found
from crosspool.shards.codes import Codes
from crosspool.shards.place import Place
from crosspool.shards.plan import Plan, read_plan
from crosspool.shards.rows import column_array, groups_of, read_columns

MOST_NAMED = 3


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
            raise ModelError(f"{not_found(address)} A store is made by: crosspool extract")
        missing = plan.missing(place.names())
        if missing:
            count = f"{len(missing):,} of {plan.shards:,} shards"
            raise DatasetError(f"{address} lacks {count}; run the same crosspool extract again, which goes on.")
        return cls(place, plan)

    def __len__(self) -> int:
        return self.plan.images

    def source(self, number: int) -> Any:
        """What pyarrow reads a shard from."""
        name = self.plan.shard_name(number)
        folder = self.place.folder
        return str(folder / name) if folder is not None else io.BytesIO(self.place.read(name))

    def columns(self, *names: str) -> pa.Table:
        """Some columns of all rows. Raises ModelError for a damaged shard."""
        return pa.concat_tables([self._read(number, names) for number in range(self.plan.shards)])

    def _read(self, number: int, names: Sequence[str]) -> pa.Table:
        try:
            return read_columns(self.source(number), names)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(number, error) from error

    def _damaged(self, number: int, error: Exception) -> ModelError:
        problem = f"{self.plan.shard_name(number)} of {self.place.address} is damaged ({error})"
        return ModelError(f"{problem}; delete it, and run the same crosspool extract again.")

    @cached_property
    def paths(self) -> list[str]:
        """The names of all images."""
        return list(self.columns("path")["path"].to_pylist())

    @cached_property
    def labels(self) -> list[str | None]:
        """The labels of all images; None for one without."""
        return list(self.columns("label")["label"].to_pylist())

    def problems(self) -> list[str]:
        """Why images could not be read, of those that could not."""
        return [problem for problem in self.columns("problem")["problem"].to_pylist() if problem is not None]

    @cached_property
    def is_read(self) -> NDArray[np.bool_]:
        """Which images could be read, (n,)."""
        return np.array([problem is None for problem in self.columns("problem")["problem"].to_pylist()])

    def codes(self) -> Codes:
        """The short codes of all images, (n, w); zeros for those that could not be read."""
        return column_array(self.columns("code")["code"], "<u8")[0]

    @property
    def is_packed(self) -> bool:
        """Whether vectors are packed in two bits a number."""
        return self.plan.method.endswith("ternary") or "/ternary" in self.plan.method

    def blocks(self) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """The vectors in their kind, of those that could be read: their places in the store, and (some, d)."""
        first = 0
        for number in range(self.plan.shards):
            try:
                for table in groups_of(self.source(number), ["vector"]):
                    vectors, has = column_array(table["vector"], np.uint8 if self.is_packed else "<f4")
                    yield first + np.flatnonzero(has), vectors[has]
                    first += len(has)
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(number, error) from error
