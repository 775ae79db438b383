"""Small files that are large once they are decoded, or never end."""

import io
import struct
import zipfile
import zlib
from collections.abc import Awaitable, Callable

from PIL import Image, PngImagePlugin

from benchmarks.harness.abuse.base import WHOLE, Attack, Target, shown
from benchmarks.harness.images import encoded, noise
from benchmarks.harness.tab import Tab

MEGABYTE = 2**20
File = tuple[str, bytes]
ENTRIES = 400_000
FRAMES = 10_000


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png() -> File:
    """50,000 × 50,000 black pixels of one bit."""
    side = 50_000
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8) * 1000
    rows = b"".join([*(packer.compress(row) for _ in range(side // 1000)), packer.flush()])
    head = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return "a.png", b"\x89PNG\r\n\x1a\n" + head + _png_chunk(b"IDAT", rows) + _png_chunk(b"IEND", b"")


def _png_text() -> File:
    """A small image with a text of 400 MB."""
    info = PngImagePlugin.PngInfo()
    for number in range(20):
        info.add_text(f"t{number}", "x" * (20 * MEGABYTE), zip=True)
    return "b.png", encoded(noise(1), "PNG", pnginfo=info)


def _icc() -> File:
    """A small image with a colour profile of 15 MB."""
    return "c.jpg", encoded(noise(2), "JPEG", icc_profile=b"\x00" * (15 * MEGABYTE))


def _gif() -> File:
    """10,000 frames on a canvas of 5,000 × 5,000 pixels."""
    head = b"GIF89a" + struct.pack("<HHBBB", 5000, 5000, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    frame = b"\x21\xf9\x04\x08\x00\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    return "d.gif", head + (frame + b"\x02\x02\x44\x01\x00") * FRAMES + b"\x3b"


def _tiff() -> File:
    """Directories that lead to each other in a circle."""
    entries = ((256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8))
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    size = len(directory) + 4
    first = directory + struct.pack("<I", 8 + size)
    return "e.tif", b"II*\0" + struct.pack("<I", 8) + first + directory + struct.pack("<I", 8)


def _webp() -> File:
    """16,000 × 8,000 pixels of one colour."""
    return "f.webp", encoded(Image.new("RGB", (16_000, 8_000)), "WEBP", quality=1, method=0)


def _avif() -> File:
    """10,000 × 6,000 pixels of one colour."""
    return "g.avif", encoded(Image.new("RGB", (10_000, 6_000)), "AVIF", speed=10, quality=1)


def _jpeg() -> File:
    """12,000 × 12,000 pixels of one colour, in several scans."""
    return "h.jpg", encoded(Image.new("L", (12_000, 12_000)), "JPEG", quality=1, progressive=True)


def _zip_of_zeros() -> File:
    """Twenty files of 25 MB that are all zeros, packed twice."""
    return "a.zip", _zip({f"a/{number}.jpg": bytes(25 * MEGABYTE) for number in range(20)})


def _nested_zip() -> File:
    """ZIPs within ZIPs, as files of a class."""
    data = _zip({"a/0.jpg": bytes(25 * MEGABYTE)})
    for _ in range(5):
        data = _zip({f"a/{number}.zip": data for number in range(10)})
    return "b.zip", data


def _many_entries() -> File:
    """400,000 entries, all of which are the same bytes."""
    image = encoded(noise(3, (96, 96)), "JPEG")
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, zlib.crc32(image), len(image), len(image), 7, 0)
    body = local + b"a/0.jpg" + image
    names = [f"a/{number}.jpg".encode() for number in range(ENTRIES)]
    sizes = zlib.crc32(image), len(image), len(image)
    central = b"".join(
        struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 0, *sizes, len(name), 0, 0, 0, 0, 0, 0) + name
        for name in names
    )
    start, end = len(body), len(body) + len(central)
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, ENTRIES, ENTRIES, len(central), start)
    locator = struct.pack("<IIQI", 0x07064B50, 0, end, 1)
    tail = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return "c.zip", body + central + end64 + locator + tail


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


async def _upload_image(tab: Tab, file: File) -> None:
    await tab.upload(file)


async def _upload_zip(tab: Tab, file: File) -> None:
    await tab.choose("labelled_source", "ZIP")
    await tab.upload(file, name="A ZIP with a folder")


def _uploading(*files: Callable[[], File], path: str = "/") -> Callable[[Target], Awaitable[None]]:
    """An attack that uploads these files, in turn, to the first page or to Train & compare."""

    async def attack(target: Target) -> None:
        bombs = [make() for make in files]

        async def visit(number: int) -> str:
            name, data = bombs[number % len(bombs)]
            async with target.tab(path) as tab:
                await (_upload_image if path == "/" else _upload_zip)(tab, (name, data))
                return f"{name}: {shown(tab.page, 'accepted')}"

        await target.repeat(visit, at_once=2)

    return attack


TRAIN = "/train_and_compare"
ATTACKS = (
    Attack("png-of-2.5-gigapixels", "PNGs of 50,000 × 50,000 pixels, in 300 kB.", _uploading(_png), "pixels|large"),
    Attack("image-metadata", "Images with texts of 400 MB and profiles of 15 MB.", _uploading(_png_text, _icc), WHOLE),
    Attack("endless-images", "A GIF of 10,000 large frames, and a TIFF in a circle.", _uploading(_gif, _tiff), WHOLE),
    Attack(
        "large-images",
        "WebP, AVIF and JPEG files of 60 to 144 million pixels, of a few kilobytes.",
        _uploading(_webp, _avif, _jpeg),
        WHOLE,
    ),
    Attack("zip-of-zeros", "ZIPs whose files are 500 MB of zeros.", _uploading(_zip_of_zeros, path=TRAIN), WHOLE),
    Attack("nested-zips", "ZIPs within ZIPs, five deep.", _uploading(_nested_zip, path=TRAIN), WHOLE),
    Attack(
        "zip-entries",
        "ZIPs of 400,000 entries that all are the same bytes.",
        _uploading(_many_entries, path=TRAIN),
        WHOLE,
    ),
)
