"""Files without the metadata that a decoder would stumble over: what browsers ignore must not fail sound pixels."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from crosspool.tiff_layout import broken_notes, with_sound_directory

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GIF_HEAD = 13  # bytes in front of the palette
JPEG_SIGNATURE = b"\xff\xd8\xff"
_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))  # the last part of a PNG
MOST_TEXT = 2**20  # bytes of a text or profile, unpacked; Pillow reads no more
# The texts that say how to turn the image, by keyword; all others are left out. Pillow takes a text's keyword for its
# own note of the same name, so that a text called "interlace" would make it read the pixels in another order.
_ORIENTING_TEXTS = (b"XML:com.adobe.xmp", b"Raw profile type exif")
_TRANSPARENT_BYTES = {0: 2, 2: 6}  # colour type -> the length of tRNS
_COLOUR_BYTES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1}  # kinds that say what colours the numbers are -> their lengths
_BEFORE_PIXELS = {*_COLOUR_BYTES, b"iCCP", b"tRNS"}  # later ones do not count; of each kind, the first one does
_LENGTHS = {**_COLOUR_BYTES, b"pHYs": 9, b"tIME": 7}  # of notes that have one
_JPEG_PIXELS = 0xDA  # the marker that begins the pixels
_JPEG_NOTES = {0xE0: (b"JFIF\0", "JFIF"), 0xE2: (b"ICC_PROFILE\0", "ICC profile"), 0xEE: (b"Adobe", "Adobe")}


@dataclass(frozen=True)
class _Part:
    """Bytes of a file that stay, or the name of broken metadata in their place; nothing, of what is only needless."""

    kept: bytes = b""
    broken: str = ""


def broken_metadata(data: bytes) -> tuple[str, ...]:
    """The names of the broken metadata that `with_sound_metadata` leaves out, each once."""
    if data.startswith(PNG_SIGNATURE):
        names = [part.broken for part in _png_parts(data)]
    elif data.startswith(JPEG_SIGNATURE):
        names = [part.broken for part in _jpeg_parts(data)]
    else:
        names = broken_notes(data) if data.startswith((b"II", b"MM")) else []
    return tuple(dict.fromkeys(filter(None, names)))


def with_sound_metadata(data: bytes) -> bytes:
    """The file without broken or needless metadata if it is a PNG, JPEG, GIF or TIFF; its pixels are not touched."""
    if data.startswith(PNG_SIGNATURE):
        return PNG_SIGNATURE + b"".join(part.kept for part in _png_parts(data))
    if data.startswith(JPEG_SIGNATURE):
        return b"\xff\xd8" + b"".join(part.kept for part in _jpeg_parts(data))
    if data.startswith((b"GIF87a", b"GIF89a")) and len(data) > GIF_HEAD:
        return b"".join(_gif_parts(data))
    if data.startswith((b"II", b"MM")):
        return with_sound_directory(data)
    return data


# --- PNG: a length, a kind, a body and a checksum each; kinds that begin with a small letter are not critical


def _png_parts(data: bytes) -> Iterator[_Part]:
    place, header, colours, passed = len(PNG_SIGNATURE), b"", 0, set[bytes]()
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data) or kind == b"IEND":
            break
        if kind[:1].islower():
            body, (checksum,) = data[place + 8 : end - 4], struct.unpack_from(">I", data, end - 4)
            is_whole = zlib.crc32(kind + body) == checksum
            is_late = kind in _BEFORE_PIXELS and not passed.isdisjoint((kind, b"IDAT"))
            if is_whole and not is_late and _is_of_use(kind, body, header, colours):
                yield _Part(data[place:end])
                passed.add(kind)
            elif not is_whole or is_late or _is_broken(kind, body):
                yield _Part(broken=kind.decode("latin-1"))
        else:
            passed.add(kind)
            header = data[place + 8 : end - 4] if kind == b"IHDR" else header
            colours = length // 3 if kind == b"PLTE" else colours
            yield _Part(data[place:end])
        place = end
    # What is cut short behind the pixels does not matter; Pillow notices where pixels are missing.
    is_cut = b"IDAT" in passed and data[place + 4 : place + 8] not in (b"IDAT", b"IEND")
    yield _Part(_END, broken="IEND") if is_cut or len(data) - place <= 8 else _Part(data[place:])


def _is_broken(kind: bytes, body: bytes) -> bool:
    """Whether a chunk that is not of use should have been, but is malformed."""
    if kind in (b"iCCP", b"zTXt"):
        return not _unpacks(body.partition(b"\0")[2])
    return kind == b"tRNS" or len(body) != _LENGTHS.get(kind, len(body))


def _is_of_use(kind: bytes, body: bytes, header: bytes, colours: int) -> bool:
    """Whether a chunk that is not critical is sound, and says something about the first frame's pixels."""
    if kind == b"tRNS":
        colour_type = header[9] if len(header) > 9 else -1
        return 0 < len(body) <= colours if colour_type == 3 else len(body) == _TRANSPARENT_BYTES.get(colour_type)
    if kind in _COLOUR_BYTES:
        return len(body) == _COLOUR_BYTES[kind]
    if kind == b"iCCP":
        return _unpacks(body.partition(b"\0")[2])
    if kind == b"zTXt":
        keyword, _, packed = body.partition(b"\0")
        return keyword in _ORIENTING_TEXTS and _unpacks(packed)
    if kind in (b"tEXt", b"iTXt"):
        return body.partition(b"\0")[0] in _ORIENTING_TEXTS and len(body) <= MOST_TEXT
    return kind == b"eXIf"


def _unpacks(packed: bytes) -> bool:
    """Whether it is of the only method of compression that there is, and not too long."""
    if packed[:1] != b"\0":
        return False
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed[1:], MOST_TEXT)
    except zlib.error:
        return False
    return not unpacking.unconsumed_tail


# --- JPEG: 0xFF, a marker, a length and a body each, until the pixels begin


def _jpeg_parts(data: bytes) -> Iterator[_Part]:
    place = 2
    while start := re.compile(rb"\xff+([^\xff\0])").match(data, place):
        (marker,) = start[1]
        body = start.end() + 2
        if marker == _JPEG_PIXELS or 0xD0 <= marker <= 0xD9 or body > len(data):
            break
        (length,) = struct.unpack_from(">H", data, start.end())
        end = start.end() + length
        if end > len(data) or length < 2:
            break
        beginning, name = _JPEG_NOTES.get(marker, (b"", ""))
        if marker < 0xE0 or _is_sound(marker, data[body:end]):
            yield _Part(data[place:end])
        elif name and data.startswith(beginning, body):
            yield _Part(broken=name)
        place = end
    yield _Part(data[place:])


def _is_sound(marker: int, body: bytes) -> bool:
    """Whether a segment of metadata is whole, and matters for how the pixels are shown."""
    match marker:
        case 0xE0:  # with which, and without the one at the end, three components are not RGB
            return body.startswith(b"JFIF\0") and len(body) >= 14
        case 0xE1:
            return body.startswith((b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"))
        case 0xE2:
            return body.startswith(b"ICC_PROFILE\0") and len(body) > 14 and 1 <= body[12] <= body[13]
        case 0xEE:
            return body.startswith(b"Adobe") and len(body) >= 12
    return 0xF0 <= marker < 0xFE  # reserved for codings to come


# --- GIF: before the first frame there may be extensions, in blocks with their lengths in front, until an empty one


def _gif_parts(data: bytes) -> Iterator[bytes]:
    place = GIF_HEAD + (6 << (data[10] & 7) if data[10] & 0x80 else 0)
    yield data[:place]
    while data[place : place + 1] == b"!":
        end = place + 2
        while end < len(data) and data[end]:
            end += data[end] + 1
        if data[place + 1 : place + 3] == b"\xf9\4":  # says which colour is transparent
            yield data[place : end + 1]
        place = end + 1
    yield data[place:]
