"""Damaged image files of every accepted format, some with valid checksums, and files made to do harm."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from random import Random
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

from benchmarks.harness.fuzzing.base import ACCEPTED, ANYWHERE, Kind, Mutation, check_sentence, damaged, number_at
from benchmarks.harness.fuzzing.image_files import PNG_SIGNATURE, chunk, png, png_of, saved, small_image, valid_files
from crosspool.errors import ImageError
from crosspool.images import MIN_SIDE, load_image
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import STORAGE_FORMAT

SEGMENTS = re.compile(rb"\xff[\xc0-\xc4\xda-\xdd\xe0-\xee]")  # the markers that begin a JPEG's segments
MARKS = {
    "jpeg": SEGMENTS,
    "mpo": SEGMENTS,
    "webp": re.compile(rb"VP8[ LX]|ANIM|ANMF|ALPH|EXIF|ICCP|RIFF"),
    "gif": re.compile(rb"GIF8|[\x2c\x21]"),
}
BOXES = re.compile(rb"ftyp|meta|iloc|iinf|infe|iprp|ipco|ipma|ispe|pixi|hvcC|av1C|irot|imir|colr|mdat|moov|stsz|grid")


def image_case(random: Random) -> bytes:
    """A file that is usually damaged, and sometimes made to do harm."""
    if random.random() < 0.1:
        return random.choice(HARMFUL)(random)
    names = sorted(valid_files())
    name = random.choice(names)
    return damaged(valid_files()[name], random, (*ANYWHERE, *_own_damage(name), splice))


# --- damage to fields that decoders believe


def splice(data: bytes, random: Random) -> bytes:
    """Join the beginning of this file and the end of another, of any format."""
    other = random.choice(list(valid_files().values()))
    return data[: random.randrange(len(data))] + other[random.randrange(len(other)) :]


def _own_damage(name: str) -> tuple[Mutation, ...]:
    """Damage that suits the format, as often as everything else together."""
    kind = name.split(maxsplit=1)[0]
    if kind == "png":
        return 2 * (in_png, repeat_chunk, intact_pixels)
    if kind in ("tiff", "bmp"):
        return 8 * (in_tiff if kind == "tiff" else _in_bmp,)
    return 8 * (partial(_near, MARKS.get(kind, BOXES)),)


def _near(marks: re.Pattern[bytes], data: bytes, random: Random) -> bytes:
    """Change a number within the first bytes after one of the marks: lengths, sides, counts."""
    ends = [mark.end() for mark in marks.finditer(data)] or [0]
    return number_at(data, random.choice(ends) + random.randrange(24), random.choice((1, 2, 4)), random)


def _in_bmp(data: bytes, random: Random) -> bytes:
    return number_at(data, 2 * random.randrange(27), random.choice((2, 4)), random)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _with_chunk(data: bytes, random: Random, change: Callable[[bytes, bytes], bytes]) -> bytes:
    chunks = list(_chunks(data))
    if not data.startswith(PNG_SIGNATURE) or not chunks:
        return data
    chosen = random.randrange(len(chunks))
    return PNG_SIGNATURE + b"".join((change if i == chosen else chunk)(*pair) for i, pair in enumerate(chunks))


def in_png(data: bytes, random: Random) -> bytes:
    """Change a field of a chunk, and make its checksum agree."""

    def change(kind: bytes, body: bytes) -> bytes:
        start = random.randrange(min(len(body), 14) or 1)
        return chunk(kind, number_at(body, start, random.choice((1, 1, 4)), random))

    return _with_chunk(data, random, change)


def repeat_chunk(data: bytes, random: Random) -> bytes:
    return _with_chunk(data, random, lambda kind, body: chunk(kind, body) * random.choice((2, 30, 3000)))


def intact_pixels(data: bytes, random: Random) -> bytes:
    """Damage the pixels or a profile before they are compressed."""

    def change(kind: bytes, body: bytes) -> bytes:
        try:
            plain = zlib.decompress(body)
        except zlib.error:
            return chunk(kind, damaged(body, random))
        return chunk(kind, zlib.compress(damaged(plain, random), 1))

    return _with_chunk(data, random, change)


def in_tiff(data: bytes, random: Random) -> bytes:
    """Change a part of an entry of the first directory: its tag, type, count or value."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)
    count = int.from_bytes(data[start : start + 2], order)
    entry = start + 2 + 12 * random.randrange(min(count, 40) or 1)
    offset, width = random.choice(((0, 2), (2, 2), (4, 4), (8, 4), (8, 2)))
    if random.random() < 0.1:  # the address of the next directory: this one
        return data[: start + 2 + 12 * count] + struct.pack("<I", start) + data[start + 6 + 12 * count :]
    return number_at(data, entry + offset, width, random)


# --- made to do harm


def huge_sides(random: Random) -> bytes:
    """A few bytes that claim to be an image of millions of pixels, or of none."""
    sides = tuple(random.choice((0, 1, 7071, 30_000, 65_535, 2**31 - 1)) for _ in range(2))
    short = tuple(min(side, 65_535) for side in sides)
    files = valid_files()
    jpeg = bytearray(files["jpeg"])
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", *short)
    bmp = bytearray(files["bmp RGB"])
    bmp[18:26] = struct.pack("<II", *sides)
    gif = bytearray(files["gif"])
    gif[6:10] = struct.pack("<HH", *short)
    return random.choice((
        png_of(struct.pack(">IIBBBBB", *sides, random.choice((1, 8, 16)), random.choice((0, 2, 6)), 0, 0, 0), b""),
        bytes(jpeg), bytes(bmp), bytes(gif),
    ))  # fmt: skip


def text_bomb(random: Random) -> bytes:
    """A PNG with at least a megabyte of compressed zeros in a label or in its profile."""
    zeros = _deflated_zeros(random.choice((2**20, 2**26)))
    kind, head = random.choice(((b"zTXt", b"Title\0\0"), (b"iTXt", b"Title\0\1\0\0\0"), (b"iCCP", b"sRGB\0\0")))
    extra = chunk(kind, head + zeros) * random.choice((1, 1, 40))
    return png(8, 2, np.zeros((36, 44 * 3), np.uint8), extra)


@cache
def _deflated_zeros(length: int) -> bytes:
    return zlib.compress(bytes(length), 9)


def pixel_bomb(random: Random) -> bytes:
    """Kilobytes that hold millions of pixels, within the limit or just beyond it."""
    side = random.choice((1000, 3000, 7000, 8000) if random.random() < 0.1 else (1000, 1500))
    return _blank(side, random.choice(("PNG", "GIF", "JPEG", "WEBP", "TIFF")))


@cache
def _blank(side: int, kind: str) -> bytes:
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    return saved(Image.new("L", (side, side)), kind, **options)


def many_frames(random: Random) -> bytes:
    """Hundreds of frames in a file of some kilobytes."""
    return _many_frames(random.choice(("GIF", "WEBP", "PNG")), random.choice((100, 1000)))


@cache
def _many_frames(kind: str, count: int) -> bytes:
    frames = [Image.new("P", (20, 20), number % 7) for number in range(count)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=20)


def chained_directories(random: Random) -> bytes:
    """A TIFF of thousands of directories one after the other, the first of them the image's or not even that."""
    base = valid_files()["tiff raw"]
    count, at = random.choice((10, 5000)), len(base) + len(base) % 2
    chain = b"".join(struct.pack("<HHHIII", 1, 256, 3, 1, 44, at + 18 * (number + 1)) for number in range(count))
    start = int.from_bytes(base[4:8], "little")
    entries = int.from_bytes(base[start : start + 2], "little")
    pointer = start + 2 + 12 * entries if random.random() < 0.7 else 4
    base = base[:pointer] + struct.pack("<I", at) + base[pointer + 4 :]
    return base.ljust(at, b"\0") + chain


def damaged_labels(random: Random) -> bytes:
    """A valid image whose EXIF data, profile or XMP are damaged."""
    exif, profile = Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif[0x0112], exif[0x010E] = random.randrange(12), "x" * random.choice((1, 5000))
    labels = {"exif": b"Exif\0\0" + damaged(exif.tobytes(), random), "icc_profile": damaged(profile, random)}
    kind = random.choice(("JPEG", "PNG", "WEBP"))
    if kind == "JPEG":
        labels["xmp"] = damaged(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a/></x:xmpmeta>", random)
    return saved(small_image(), kind, **labels)


def not_an_image(random: Random) -> bytes:
    """A file that people upload by mistake, or to see what happens."""
    noise = random.randbytes(random.choice((0, 1, 3, 12, 500)))
    heads = [data[: random.choice((2, 4, 12))] for data in valid_files().values()]
    words = (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"%PDF-1.7\n", b"PK\3\4", b"")
    return random.choice((*words, *random.sample(heads, 4))) + noise


HARMFUL = (
    huge_sides, text_bomb, pixel_bomb, many_frames, chained_directories, damaged_labels, damaged_labels, not_an_image,
)  # fmt: skip


def judge(data: bytes) -> str:
    """The page stores an upright image in RGB within the limits, or a sentence says why not."""
    try:
        stored = current_server().decoders.store(data, "holiday.jpg", STORAGE_FORMAT)
    except ImageError as error:
        return check_sentence(str(error))
    image = load_image(stored.file)
    assert type(image) is Image.Image
    assert (image.mode, image.info) == ("RGB", {})
    assert MIN_SIDE <= min(image.size) <= max(image.size) <= STORAGE_FORMAT.side
    assert load_image(stored.thumbnail).size == (STORAGE_FORMAT.thumbnail, STORAGE_FORMAT.thumbnail)
    return ACCEPTED


KIND = Kind("images", image_case, judge)
