"""The rows of a shard's file: what is kept of each image, and how it is written and read.

A shard is a Parquet file. Numbers lie in fields of fixed size, little-endian, and vectors are not compressed: their
bytes hardly shrink, and some of them are read without the others. The same rows give the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

GROUP_BYTES = 2**20  # of vectors in a row group, which is read at once
_ORIGIN = b"crosspool"  # among a file's metadata
_PLAIN = ("vector", "code", "thumbnail")  # columns that would not shrink


@dataclass(frozen=True)
class Shape:
    """The sizes of a row's fields: bytes of a vector and of a code, and how many channels have a peak."""

    vector: int
    code: int
    channels: int

    @property
    def schema(self) -> pa.Schema:
        """The columns of a shard. Those of an image that could not be read are null, but for its name and label."""
        halves = pa.binary(2 * self.channels)
        maps = [("peak", halves), ("energy", halves), ("cell", halves)] if self.channels else []
        return pa.schema(
            [
                pa.field("path", pa.string(), nullable=False),
                ("label", pa.string()),
                ("split", pa.string()),
                ("problem", pa.string()),
                ("sha256", pa.binary(32)),
                ("vector", pa.binary(self.vector)),
                ("code", pa.binary(self.code)),
                *maps,
                ("thumbnail", pa.binary()),
            ]
        )

    @property
    def group(self) -> int:
        """How many rows a row group has."""
        return max(1, GROUP_BYTES // self.vector)


@dataclass(frozen=True)
class Row:
    """What is kept of an image: its name, label and part of a split, and what was computed of it, or why nothing was.

    `vector` is in its kind: float32, or packed bytes. `peak` is each channel's largest weight, `cell` the number of the
    cell of the map that has it, counted along the rows, and `energy` the norm of the channel's part of the vector
    before it is normalised, divided by the number of the map's cells, so that half precision holds it; all of (K,), or
    None where the method has no maps.
    """

    path: str
    label: str | None
    split: str | None
    problem: str | None = None
    sha256: bytes | None = None
    vector: NDArray[Any] | None = None
    code: NDArray[np.uint64] | None = None
    peak: NDArray[np.float16] | None = None
    energy: NDArray[np.float16] | None = None
    cell: NDArray[np.uint16] | None = None
    thumbnail: bytes | None = None

    def fields(self, schema: pa.Schema) -> dict[str, Any]:
        values = ((name, getattr(self, name)) for name in schema.names)
        return {name: _bytes(value) if isinstance(value, np.ndarray) else value for name, value in values}


def _bytes(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


class ShardWriter:
    """A shard's file, written a row group at a time, so that few rows are in memory.

    It says its `origin`, see `Plan.origin`.
    """

    def __init__(self, path: Path, shape: Shape, origin: str) -> None:
        self._schema = shape.schema.with_metadata({_ORIGIN: origin.encode()})
        self._group, self._rows = shape.group, list[dict[str, Any]]()
        compression = {name: "none" if name in _PLAIN else "zstd" for name in self._schema.names}
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression=compression,
            use_dictionary=["label", "split"],
            write_statistics=False,
            write_page_checksum=True,
        )

    def append(self, row: Row) -> None:
        self._rows.append(row.fields(self._schema))
        if len(self._rows) == self._group:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()


def origin_of(table: pa.Table) -> str:
    """What the file of a table's rows says of where it belongs; empty where it says nothing."""
    return str((table.schema.metadata or {}).get(_ORIGIN, b""), errors="replace")


def column_array(column: pa.ChunkedArray, dtype: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A column of fields of fixed size as an array, (n, numbers), with zeros for nulls, and which rows have one."""
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    width, has = array.type.byte_width, ~np.asarray(array.is_null())
    data = array.buffers()[1]
    values = np.frombuffer(data, np.uint8, len(array) * width, array.offset * width).reshape(len(array), width)
    if not has.all():
        values = np.where(has[:, None], values, np.uint8(0))
    return np.ascontiguousarray(values).view(dtype), has


def read_columns(path: Any, names: Sequence[str], groups: Sequence[int] | None = None) -> pa.Table:
    """Some columns of a shard's file, or of some of its row groups."""
    file = opened(path)
    if groups is None:
        return file.read(list(names), use_threads=False)
    return file.read_row_groups(list(groups), list(names), use_threads=False)


def groups_of(path: Any, names: Sequence[str], rows: NDArray[np.intp] | None = None) -> Iterator[tuple[int, pa.Table]]:
    """Some columns of a shard's file, one row group at a time, with the number of its first row.

    Only those groups are read that have some of `rows`, where these are given, sorted.
    """
    file = opened(path)
    first = 0
    for number in range(file.num_row_groups):
        count = file.metadata.row_group(number).num_rows
        if rows is None or np.diff(np.searchsorted(rows, (first, first + count))).any():
            yield first, file.read_row_group(number, list(names), use_threads=False)
        first += count


def opened(path: Any) -> pq.ParquetFile:
    """A file of columns, whose bytes are checked against their checksums as they are read.

    Without a buffer, and where `use_threads` is off, they are read in this thread. One of Arrow's own may hold a file's
    bytes a little longer, and where the program ends meanwhile, Python's end of that thread aborts it.
    """
    in_place = isinstance(path, str | Path)
    return pq.ParquetFile(path, memory_map=in_place, page_checksum_verification=True, pre_buffer=False)
