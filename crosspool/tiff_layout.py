"""How the first page of a TIFF file is laid out, and whether Pillow reads it, and reads it rightly."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL.TiffImagePlugin import PREFIXES
from PIL.TiffTags import lookup

UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # formats of samples
WHITE_IS_0, BLACK_IS_0, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8  # photometric interpretations
COLOURS = {WHITE_IS_0: 1, BLACK_IS_0: 1, RGB: 3, PALETTE: 1, CMYK: 4, LAB: 3}  # bands without alpha and others
BITS = {UNSIGNED: (*range(1, 17), 32), SIGNED: (8, 16, 32), FLOAT: (16, 32, 64)}
WHOLE_BYTES = (8, 16, 32, 64)
UNPACKED, DEFLATE = 1, (8, 32946)
PACKED_BY_LIBTIFF = (5, 32773, 34925, 50000)  # LZW, PackBits, LZMA, Zstandard
WEBP = 50001  # a compression that Pillow knows and its libtiff does not: it complains on standard error
MOST_BANDS = 6  # that Pillow reads; of more it complains on standard error
_PREVIEW = 1  # a bit of what a page is for
# Tags with one number, and with several.
_SINGLE = (254, 256, 257, 259, 262, 266, 274, 277, 278, 284, 317, 322, 323)
_SEVERAL = (258, 273, 279, 320, 324, 325, 330, 338, 339, 530)
ICC_PROFILE = 34675
_NUMBERS = {UNSIGNED: "whole numbers", SIGNED: "signed numbers", FLOAT: "floating-point numbers"}
_NAMES = {
    PALETTE: "palette", 4: "mask", CMYK: "CMYK", YCBCR: "YCbCr", LAB: "CIELab", 9: "ICCLab", 10: "ITULab",
    32803: "a camera's raw data", 34892: "a camera's raw data", 32844: "LogLuv", 32845: "LogLuv",
}  # fmt: skip
_NEEDED = {*_SINGLE, *_SEVERAL, ICC_PROFILE}
# Tags without which pixels are read in another way: these, JPEG's tables, options of fax machines, and curves.
_OF_PIXELS = {*_NEEDED, 291, 292, 293, 301, 332, 347, *range(512, 522), 529, 532}
_LETTERS = {1: "B", 3: "H", 4: "I", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q"}  # of the types of whole numbers
_BYTES = (1, 7)
_XMP = 700
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # of a type's numbers


class TiffKindError(ValueError):
    """A kind of TIFF that is not read here, in a few words."""


@dataclass(frozen=True)
class TiffLayout:
    """How a TIFF file's first page is laid out: its `tags`, and what they mean where they are needed more than once."""

    tags: Mapping[int, Any]
    order: str
    width: int
    height: int
    bits: tuple[int, ...]
    form: int
    bands: int
    photometric: int
    extra: tuple[int, ...]

    @property
    def is_planar(self) -> bool:
        """Whether each band is stored by itself."""
        return self.bands > 1 and self.tags.get(284) == 2

    @property
    def compression(self) -> int:
        number: int = self.tags.get(259, UNPACKED)
        return number

    @property
    def is_misread(self) -> bool:
        """Whether Pillow would open it, and read it wrongly or not at all."""
        bits = max(self.bits)
        return (
            (bits > 8 and (self.is_planar or self.photometric == WHITE_IS_0))
            or (self.is_planar and (self.photometric, self.bands) == (BLACK_IS_0, 2))
            or (self.form == SIGNED and bits == 8)
            or (self.form == UNSIGNED and bits not in (1, 2, 4, 8, 16))
            or (self.photometric == LAB and self.is_planar)
            or (self.photometric == PALETTE and max(self.tags.get(320, (65535,))) < 256)
            or self._is_subsampled
            or self.bands > MOST_BANDS
            or self.compression == WEBP
            or self._is_preview
        )

    @property
    def _is_subsampled(self) -> bool:
        """Whether there are fewer colours than pixels, without a compression that knows about it."""
        whole = self.bands * self.width * self.height
        is_plain = self.photometric == YCBCR and self.compression == UNPACKED
        return is_plain and sum(self.tags.get(279, (whole,))) < whole

    @property
    def _is_preview(self) -> bool:
        """Whether it is a small one in front of the real image, as in cameras' raw files."""
        return bool(self.tags.get(254, 0) & _PREVIEW) and 330 in self.tags

    @property
    def kind(self) -> str:
        """What is unusual about it, in a few words."""
        if self._is_preview:
            return "a camera's raw data behind a preview"
        compressed = self.compression not in (UNPACKED, *DEFLATE, *PACKED_BY_LIBTIFF)
        return ", ".join(
            filter(None, (
                _NAMES.get(self.photometric, ""),
                f"{self.bands} {'band' if self.bands == 1 else 'bands'} of {max(self.bits)}-bit "
                f"{_NUMBERS.get(self.form, 'numbers of another kind')}",
                "in separate planes" if self.is_planar else "",
                f"compression {self.compression}" if compressed else "",
            ))
        )  # fmt: skip

    @property
    def is_supported(self) -> bool:
        """Whether `decoded` can read it."""
        colours, bits = COLOURS.get(self.photometric, 99), self.bits[0]
        named = self.bands - len(self.extra)
        return (
            not self._is_preview
            and set(self.bits) == {bits}
            and bits in BITS.get(self.form, ())
            and self.compression in (UNPACKED, *DEFLATE, *PACKED_BY_LIBTIFF)
            and self.tags.get(317, 1) in ((1, 2, 3) if self.form == FLOAT else (1, 2) if bits in WHOLE_BYTES else (1,))
            and (named == colours or (self.photometric, self.bands) == (RGB, 4))
            and (colours > 1 or self.bands <= 2)
            and (self.photometric not in (CMYK, LAB, PALETTE) or self.form == UNSIGNED)
            and (self.photometric != LAB or bits == 8)
            and (self.photometric != PALETTE or 320 in self.tags)
        )


def tiff_layout(data: bytes) -> TiffLayout | None:
    """The layout of a TIFF file's first page; None of other files, and where its tags are incomplete."""
    if not data.startswith(tuple(PREFIXES)):
        return None
    try:
        tags = _sound_tags(data)
    except struct.error:  # it ends before them
        return None
    if not {256, 257} <= tags.keys():
        return None
    bands = tags.get(277, 1)
    bits = tags.get(258, (1,))
    forms = tags.get(339, (UNSIGNED,))
    return TiffLayout(
        tags, _byte_order(data), tags[256], tags[257], bits[: max(bands, 1)] or (1,),
        forms[0] if len(set(forms)) == 1 else 0, bands, tags.get(262, WHITE_IS_0), tags.get(338, ()),
    )  # fmt: skip


def with_sound_directory(data: bytes) -> bytes:
    """The TIFF file without notes that lie outside it, for which a decoder would ignore all that follows them, too."""
    order = _byte_order(data)
    entries, end = _entries(data)
    sound = [entry for entry in entries if len(entry) < 12 or not _is_broken_note(entry, order, len(data))]
    if len(sound) == len(entries) or end + 4 > len(data):
        return data
    directory = struct.pack(f"{order}H", len(sound)) + b"".join(sound) + data[end : end + 4]
    return data[:4] + struct.pack(f"{order}I", len(data)) + data[8:] + directory


def broken_notes(data: bytes) -> list[str]:
    """The names of the notes that `with_sound_directory` leaves out."""
    order = _byte_order(data)
    entries, end = _entries(data)
    broken = [entry for entry in entries if len(entry) == 12 and _is_broken_note(entry, order, len(data))]
    return [lookup(*struct.unpack_from(f"{order}H", entry)).name for entry in broken if end + 4 <= len(data)]


def _entries(data: bytes) -> tuple[list[bytes], int]:
    """The entries of the first page of a TIFF file of the usual kind, and where they end; none of other files."""
    order = _byte_order(data)
    if data[:4] not in (b"II*\0", b"MM\0*") or len(data) < 8:
        return [], 0
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack(f"{order}H", data[start : start + 2].rjust(2, b"\0"))
    end = start + 2 + 12 * count
    return [data[place : place + 12] for place in range(start + 2, end, 12)], end


def _is_broken_note(entry: bytes, order: str, length: int) -> bool:
    """Whether an entry lies beyond the file's `length`, or is no text, and the pixels can be read without it."""
    tag, kind, count, place = struct.unpack(f"{order}HHII", entry)
    size = count * _SIZES.get(kind, 0)
    is_outside = size > 4 and place + size > length
    return tag not in _OF_PIXELS and (is_outside or (tag == _XMP and kind not in _BYTES))


def _sound_tags(data: bytes) -> dict[int, Any]:
    """The tags that matter here; a number, several numbers, or bytes each. Raises struct.error."""
    order, is_big = _byte_order(data), 43 in data[2:4]
    count_letter, letter, room = ("Q", "Q", 8) if is_big else ("H", "I", 4)
    (place,) = struct.unpack_from(f"{order}{letter}", data, room)
    (count,) = struct.unpack_from(f"{order}{count_letter}", data, place)
    place += struct.calcsize(count_letter)
    struct.unpack_from(f"{order}{letter}", data, place + (4 + 2 * room) * count)  # where the next page is
    tags: dict[int, Any] = {}
    for entry in range(place, place + (4 + 2 * room) * count, 4 + 2 * room):
        tag, kind, length = struct.unpack_from(f"{order}HH{letter}", data, entry)
        if tag in _NEEDED and kind in (_BYTES if tag == ICC_PROFILE else _LETTERS) and length:
            (start,) = struct.unpack_from(f"{order}{letter}", data, entry + 4 + room)
            start = start if struct.calcsize(_LETTERS[kind]) * length > room else entry + 4 + room
            tags.setdefault(tag, struct.unpack_from(f"{order}{length}{_LETTERS[kind]}", data, start))
    tags |= {tag: tags[tag][0] for tag in _SINGLE if tag in tags}
    return tags


def _byte_order(data: bytes) -> str:
    return "<" if data.startswith(b"II") else ">"
