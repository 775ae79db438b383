"""An NPZ file of features that is written as they are computed, so that they need not fit into memory."""

import io
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

FEATURES = "features.npy"
COPY_BYTES = 2**24


class FeatureFile:
    """An NPZ file whose array `features`, (n, ...), float32, is written row by row; as a context, it is then closed.

    Its header says how many rows there are, so where there are fewer than `expected` the file is written once more in
    the end, without its rows ever being in memory. `count` rows are whole; where Ctrl-C came in the middle of another
    one, that is left out.
    """

    def __init__(self, path: Path, expected: int) -> None:
        self.path, self.expected, self.count = path, expected, 0
        self._archive = zipfile.ZipFile(path, "w")
        self._member: IO[bytes] | None = None
        self._shape: tuple[int, ...] = ()
        self._start = 0  # of the first row, in the file

    def append(self, features: NDArray[np.float32]) -> None:
        """Write one more row; all have the same shape. Raises OSError."""
        if self._member is None:
            self._shape = features.shape
            self._member = self._begun(self._archive, self.expected)
            assert self._archive.fp is not None
            self._start = self._archive.fp.tell()
        self._member.write(np.ascontiguousarray(features, "<f4").data)
        self.count += 1

    def finish(self, others: Mapping[str, NDArray[np.generic]]) -> None:
        """Write the other arrays, and let the file say how many rows there are. Raises OSError."""
        assert self._member is not None
        self._member.close()
        self._archive.close()
        if self.count < self.expected:
            self._copy_what_there_is()
        with zipfile.ZipFile(self.path, "a") as archive:
            for name, array in others.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    def _copy_what_there_is(self) -> None:
        whole = self.path.with_name(f"{self.path.name}.whole")
        try:
            # Not as a member of the archive, whose checksum is wrong after half a row.
            with (
                self.path.open("rb") as rows,
                zipfile.ZipFile(whole, "w") as copy,
                self._begun(copy, self.count) as member,
            ):
                rows.seek(self._start)
                length = 4 * self.count * prod(self._shape)
                for start in range(0, length, COPY_BYTES):
                    member.write(rows.read(min(length - start, COPY_BYTES)))
            whole.replace(self.path)
        finally:
            whole.unlink(missing_ok=True)

    def _begun(self, archive: zipfile.ZipFile, count: int) -> IO[bytes]:
        member = archive.open(FEATURES, "w", force_zip64=True)
        member.write(self._header(count))
        return member

    def _header(self, count: int) -> bytes:
        header = io.BytesIO()
        described = {"descr": "<f4", "fortran_order": False, "shape": (count, *self._shape)}
        np.lib.format.write_array_header_1_0(header, described)
        return header.getvalue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._member is not None:
            self._member.close()
        self._archive.close()
