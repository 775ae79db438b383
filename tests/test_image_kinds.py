"""Image files of rare kinds: read as they are meant, or refused in a sentence that names the kind."""

import io
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import TiffImageFile

from crosspool.errors import ImageError
from crosspool.images import load_image
from crosspool.plain_profiles import plain_profile
from tests.test_images import encode, image_or_message, message, photo, pixel, png, quarters

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
LONG, LONG8 = 4, 16


def packed_bits(values, bits):
    """Numbers of any number of bits, each row beginning a byte."""
    rows = values.reshape(len(values), -1, 1)
    return np.packbits((rows >> np.arange(bits)[::-1] & 1).astype(np.uint8).reshape(len(rows), -1), axis=1).tobytes()


def tiff(values, *, bits=0, photometric=1, planar=False, order="<", tile=None, rows=None, big=False, pack=None, **tags):
    """A TIFF file written by hand: `values` is height x width x bands, `pack` compresses, `tags` are t258=(8,) etc."""
    height, width, bands = values.shape
    bits = bits or 8 * values.itemsize
    form = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    step_y, step_x = tile or (rows or height, width)
    pieces = []
    for plane in np.split(values, bands, axis=2) if planar else [values]:
        for top in range(0, height, step_y):
            for left in range(0, width, step_x):
                piece = plane[top : top + step_y, left : left + step_x]
                if tile:
                    piece = np.pad(piece, [(0, step_y - len(piece)), (0, step_x - piece.shape[1]), (0, 0)])
                whole = bits in (8, 16, 32, 64)
                data = piece.astype(piece.dtype.newbyteorder(order)).tobytes() if whole else packed_bits(piece, bits)
                pieces.append(pack(data) if pack else data)
    start = np.cumsum([16 if big else 8, *map(len, pieces[:-1])]).tolist()
    entries = {
        256: (width,), 257: (height,), 258: (bits,) * bands, 259: (1,), 262: (photometric,), 277: (bands,),
        284: (2 if planar else 1,), 339: (form,) * bands,
    }  # fmt: skip
    counts = tuple(map(len, pieces))
    entries |= {322: (step_x,), 323: (step_y,), 324: tuple(start), 325: counts} if tile else {
        273: tuple(start), 278: (step_y,), 279: counts,
    }  # fmt: skip
    entries |= {int(name[1:]): value for name, value in tags.items() if value}
    return with_directory(b"".join(pieces), entries, order, big)


def with_directory(body, entries, order="<", big=False):
    """A TIFF file with its directory at the end; all values are 4 bytes, or 8 in a BigTIFF."""
    letter, kind, room = ("Q", LONG8, 8) if big else ("I", LONG, 4)
    head = 16 if big else 8
    start = head + len(body)
    lists = start + (8 if big else 2) + len(entries) * (20 if big else 12) + room
    directory, more = struct.pack(f"{order}{'Q' if big else 'H'}", len(entries)), b""
    for tag, values in sorted(entries.items()):
        data = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(data) > room:
            data, more = struct.pack(f"{order}{letter}", lists + len(more)), more + data
        directory += struct.pack(f"{order}HH{letter}", tag, kind, len(values)) + data
    mark = b"II" if order == "<" else b"MM"
    first = struct.pack(f"{order}HHHQ", 43, 8, 0, start) if big else struct.pack(f"{order}HI", 42, start)
    return mark + first + body + directory + bytes(room) + more


def random_values(dtype, bands=3, size=(20, 33), top=None):
    numbers = np.random.default_rng(bands).random((*size, bands))
    return (
        numbers.astype(dtype) if np.dtype(dtype).kind == "f" else (numbers * (top or np.iinfo(dtype).max)).astype(dtype)
    )


def in_8_bits(values, top):
    return np.rint(values.astype(np.float64) / top * 255).astype(np.uint8)


def shown(data):
    return np.asarray(load_image(data))


# --- TIFF


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bands", [3, 4])
def test_colours_of_16_bits_in_separate_planes(order, bands):
    values = random_values(np.uint16, bands)
    values[..., 3:] = 65535
    data = tiff(values, photometric=2, planar=True, order=order, rows=7, t338=(2,) * (bands - 3))
    assert np.abs(shown(data).astype(int) - in_8_bits(values[..., :3], 65535)).max() <= 1


@pytest.mark.parametrize("rows", [20, 7])
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_planes_that_are_compressed(compression, rows):
    """Each strip is compressed as Pillow does it."""
    values = random_values(np.uint16)

    def pack(data):
        strip = np.frombuffer(data, np.uint8).reshape(-1, 66)
        file = encode(Image.fromarray(strip), "TIFF", compression=compression, tiffinfo={278: 99})
        tags = TiffImageFile(io.BytesIO(file)).tag_v2
        (offset,), (length,) = tags[273], tags[279]
        return file[offset : offset + length]

    number = {"tiff_lzw": 5, "tiff_deflate": 8, "packbits": 32773}[compression]
    data = tiff(values, photometric=2, planar=True, rows=rows, pack=pack, t259=(number,))
    assert (shown(data) == in_8_bits(values, 65535)).all()


def test_tiles_and_differences_between_neighbours():
    values = random_values(np.uint16, size=(40, 50))
    differences = values.copy()
    differences[:, 1:] -= values[:, :-1]
    for left in range(16, 50, 16):  # each tile begins anew
        differences[:, left] = values[:, left]
    data = tiff(differences, photometric=2, planar=True, tile=(16, 16), pack=zlib.compress, t259=(8,), t317=(2,))
    assert (shown(data) == in_8_bits(values, 65535)).all()


@pytest.mark.parametrize(
    ("dtype", "top"), [(np.uint16, 65535), (np.float32, 1.0), (np.float64, 1.0), (np.uint32, 2**32 - 1)]
)
def test_white_that_is_0_is_no_negative(dtype, top):
    values = random_values(dtype, bands=1)
    values.flat[:2] = 0, top
    expected = 255 - in_8_bits(values, top)
    for order in "<>":
        assert np.abs(shown(tiff(values, photometric=0, order=order)).astype(int) - expected).max() <= 1


def test_grey_of_12_bits_is_not_dark():
    values = random_values(np.uint16, bands=1, top=4095)
    assert (shown(tiff(values, bits=12)) == in_8_bits(values, 4095)).all()


def test_signed_bytes_are_not_taken_for_unsigned_ones():
    values = np.full((16, 16, 1), 127, np.int8)
    values[0, 0], values[0, 1] = -128, 0
    assert shown(tiff(values))[0, :3, 0].tolist() == [0, 128, 255]


def test_whole_numbers_of_32_bits_are_never_negative():
    values = np.zeros((16, 16, 1), np.uint32)
    values[0, :2] = [[2**31], [2**32 - 1]]
    assert shown(tiff(values))[0, :3, 0].tolist() == [128, 255, 0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("planar", [False, True])
def test_colours_in_floating_point(dtype, planar):
    values = random_values(dtype)
    data = tiff(values, photometric=2, planar=planar, order=">")
    assert np.abs(shown(data).astype(int) - in_8_bits(values, 1.0)).max() <= 1
    assert (shown(tiff((values * 255).astype(dtype), photometric=2)).astype(int) - shown(data)).max() <= 1


def test_the_predictor_of_floating_point():
    values = random_values(np.float32)
    of_bytes = values.astype(">f4").view(np.uint8).reshape(20, 99, 4).swapaxes(1, 2).reshape(20, -1, 3)
    differences = of_bytes.copy()
    differences[:, 1:] -= of_bytes[:, :-1]
    packed = zlib.compress(differences.tobytes())
    data = tiff(values, photometric=2, pack=lambda _: packed, t259=(8,), t317=(3,))
    assert (shown(data) == in_8_bits(values, 1.0)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bands_beside_the_colours_are_left_out(dtype):
    values = random_values(dtype, bands=9)
    data = tiff(values, photometric=2, t338=(0,) * 6)
    assert (shown(data) == in_8_bits(values[..., :3], np.iinfo(dtype).max)).all()


def test_alpha_of_planes_lies_over_white():
    values = np.zeros((16, 16, 4), np.uint16)
    values[0, 0] = 65535, 0, 0, 65535
    data = tiff(values, photometric=2, planar=True, t338=(2,))
    assert (pixel(data), pixel(data, (1, 0))) == ((255, 0, 0), WHITE)
    values[0, 0] = 32896, 0, 0, 32896
    assert pixel(tiff(values, photometric=2, planar=True, t338=(1,))) == (255, 127, 127)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("extra", "grey"), [(2, 64), (1, 32)])
def test_grey_with_transparency(planar, extra, grey):
    """Also where the grey values are multiplied by the transparency."""
    values = np.zeros((16, 16, 2), np.uint8)
    values[0, 0] = grey, 128
    values[0, 1] = 100, 255
    data = tiff(values, planar=planar, t338=(extra,))
    assert abs(pixel(data)[0] - (64 * 128 + 255 * 127) / 255) <= 1
    assert (pixel(data, (1, 0)), pixel(data, (2, 0))) == ((100, 100, 100), WHITE)


def test_cmyk_of_16_bits_in_planes():
    values = np.zeros((16, 16, 4), np.uint16)
    values[0, 0, 0] = 65535
    data = tiff(values, photometric=5, planar=True)
    assert (pixel(data), pixel(data, (1, 0))) == ((0, 255, 255), WHITE)


@pytest.mark.parametrize("planar", [False, True])
def test_cielab(planar):
    values = np.zeros((16, 16, 3), np.uint8)
    values[0, :3] = [[255, 0, 0], [136, 208, 195], [136, 0, 0]]  # a* -48, b* -61: a blue
    image = shown(tiff(values, photometric=8, planar=planar)).astype(int)
    assert np.abs(image[0, [0, 2, 3]] - [[255] * 3, [127] * 3, [0] * 3]).max() <= 2
    assert image[0, 1, 2] > image[0, 1, 1] > image[0, 1, 0]


@pytest.mark.parametrize("top", [255, 65535])
def test_a_palette_of_8_or_16_bits(top):
    values = np.zeros((16, 16, 1), np.uint8)
    values[0, 0] = 1
    colours = [0] * 768
    colours[1], colours[256 + 1] = top, top // 2
    data = tiff(values, photometric=3, t320=tuple(colours))
    assert (pixel(data), pixel(data, (1, 0))) == ((255, 127, 0), BLACK)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("extra", [1, 2])
def test_a_palette_with_transparency(bits, extra):
    """Of the palette's colours, none is multiplied by it."""
    values = np.zeros((16, 16, 2), np.uint8)
    values[0, :2] = [[1, 2**bits - 1], [1, 0]]
    colours = [0] * (3 << bits)
    colours[1], colours[(1 << bits) + 1] = 65535, 32768
    data = tiff(values, bits=bits, photometric=3, t320=tuple(colours), t338=(extra,))
    assert (pixel(data), pixel(data, (1, 0))) == ((255, 128, 0), WHITE)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_bigtiff(dtype, order):
    values = random_values(dtype)
    top = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    data = tiff(values, photometric=2, order=order, big=True, rows=7)
    assert np.abs(shown(data).astype(int) - in_8_bits(values, top)).max() <= 1


def reversed_bits(data):
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


def test_bits_in_the_other_order():
    values = random_values(np.uint16)
    data = tiff(values, photometric=2, planar=True, pack=reversed_bits, t266=(2,))
    assert (shown(data) == in_8_bits(values, 65535)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rare_kinds_are_turned_upright(orientation):
    values = (np.asarray(quarters()) * np.float32(1 / 255)).astype(np.float32)
    upright = {1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB"}[orientation]
    image = load_image(tiff(values, photometric=2, t274=(orientation,)))
    assert image.size == ((64, 48) if orientation < 5 else (48, 64))
    assert image == load_image(encode(quarters(upright, image.size), "PNG"))


RARE = {
    "1 band of 32-bit numbers of another kind": {"values": random_values(np.float32, 1), "t339": (6,)},
    "5 bands of 16-bit whole numbers": {"values": random_values(np.uint16, 5), "t338": (0,) * 4},
    "7 bands of 8-bit whole numbers": {"values": random_values(np.uint8, 7), "t338": (0,) * 6},
    "CIELab, 3 bands of 16-bit whole numbers": {"values": random_values(np.uint16), "photometric": 8},
    "a camera's raw data, 1 band of 16-bit whole numbers": {
        "values": random_values(np.uint16, 1), "photometric": 32803,
    },
    "3 bands of 8-bit whole numbers, compression 34712": {
        "values": random_values(np.uint8), "photometric": 2, "t259": (34712,),
    },
    "YCbCr, 3 bands of 8-bit whole numbers": {
        "values": random_values(np.uint8)[:, :20], "photometric": 6, "t256": (33,),
    },
    "3 bands of 8-bit whole numbers, compression 50001": {  # WebP
        "values": random_values(np.uint8), "photometric": 2, "t259": (50001,),
    },
    "a camera's raw data behind a preview": {
        "values": random_values(np.uint8), "photometric": 2, "t254": (1,), "t330": (8,),
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", RARE)
def test_other_kinds_of_tiff_are_named(kind):
    expected = f"scan.tif is a TIFF of a kind that is not read here ({kind}); save it as 8-bit RGB, or as PNG or JPEG."
    assert message(tiff(**RARE[kind]), name="scan.tif") == expected


@pytest.mark.parametrize("order", ["<", ">"])
def test_notes_that_lie_outside_a_tiff_do_not_fail_its_pixels(order):
    values = random_values(np.uint8)
    data = tiff(values, photometric=2, order=order, t270=(1, 2), t305=(3, 4))
    start = struct.unpack(f"{order}I", data[4:8])[0]
    for tag in (270, 305):
        place = data.index(struct.pack(f"{order}HHI", tag, LONG, 2), start) + 8
        data = data[:place] + struct.pack(f"{order}I", 10**8) + data[place + 4 :]
    assert (shown(data) == values).all()


def test_rare_kinds_that_are_cut_short():
    data = tiff(random_values(np.float32), photometric=2, rows=7)
    directory = data[struct.unpack("<I", data[4:8])[0] :]
    for length in (8, 40, 2000, len(data) - len(directory) - 1):
        cut = data[:4] + struct.pack("<I", length) + data[8:length] + directory
        image, text = image_or_message(cut, name="cut")
        assert image is None
        assert text.startswith("cut ")
    assert "damaged or cut short" in message(data[:-30], name="cut")


def test_libraries_say_nothing_on_standard_error(tmp_path):
    """Of a tag that is broken, of too many bands, of the size of a bomb, and of EXIF."""
    entries = {256: (33,), 257: (20,), 258: (8, 8), 259: (1,), 262: (1,), 273: (8,), 277: (1,), 278: (20,), 279: (660,)}
    (tmp_path / "broken tag.tif").write_bytes(with_directory(bytes(660), {**entries, 305: (1, 2, 3), 700: (10**9,)}))
    (tmp_path / "bands.tif").write_bytes(tiff(random_values(np.uint8, 12)))
    (tmp_path / "webp.tif").write_bytes(tiff(random_values(np.uint8), photometric=2, t259=(50001,)))
    (tmp_path / "bomb.png").write_bytes(png(10_000, 9_000, 8, 2))
    (tmp_path / "exif.jpg").write_bytes(encode(quarters(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\xff"))
    (tmp_path / "mpo.jpg").write_bytes(segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1"))
    code = (
        "import sys; from crosspool.images import frame_count, load_image\nfor path in sys.argv[1:]:\n"
        " try: frame_count(open(path, 'rb').read()); load_image(path)\n except ValueError: print('refused')"
    )
    paths = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout == "refused\n" * 3


def test_warnings_of_others_are_still_shown_once(recwarn):
    load_image(encode(quarters(), "TIFF"))
    before = list(warnings.filters)
    load_image(encode(quarters(), "TIFF"))
    assert warnings.filters == before
    warnings.warn("of somebody else", stacklevel=1)
    assert len(recwarn) == 1


# --- bitmaps


def bitmap(bits, colours, rows, *, compression=0, masks=b"", palette=b""):
    """A bitmap of 16 x 16 pixels."""
    start = 14 + 40 + len(masks) + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, 16, 16, 1, bits, compression, 0, 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + masks + palette + rows


@pytest.mark.parametrize(("bits", "row"), [(8, bytes([0] * 8 + [1] * 8)), (4, bytes([0] * 4 + [0x11] * 4))])
@pytest.mark.parametrize("colours", [1, 2])
def test_black_and_white_of_more_than_1_bit(bits, row, colours):
    data = bitmap(bits, colours, row * 16, palette=bytes([0, 0, 0, 0, 255, 255, 255, 0])[: 4 * colours])
    assert shown(data)[:, :, 0].tolist() == [[0] * 8 + [255 * (colours - 1)] * 8] * 16


@pytest.mark.parametrize("colours", [300, 2**31 + 16])
def test_a_palette_with_more_colours_than_can_be_named(colours):
    palette = bytes(range(256)) * 4 + bytes(176)
    data = bitmap(8, colours, bytes(range(256)), palette=palette)
    assert (
        shown(data)[::-1, :, ::-1].reshape(256, 3) == np.frombuffer(palette[:1024], np.uint8).reshape(256, 4)[:, :3]
    ).all()


@pytest.mark.parametrize("colours", [0, 252, 256])
@pytest.mark.parametrize("offset", [0, 54])
def test_pixels_that_are_said_to_begin_with_the_palette(colours, offset):
    palette, rows = bytes(range(256)) * 4, bytes(range(250)) + bytes(6)
    data = bitmap(8, colours, rows, palette=palette[: 4 * (colours or 256)])
    data = data[:10] + struct.pack("<I", offset) + data[14:]
    assert load_image(data) == load_image(bitmap(8, 0, rows, palette=palette))


def test_black_and_white_of_1_bit():
    data = bitmap(1, 2, bytes([0, 255, 0, 0]) * 16, palette=bytes([0, 0, 0, 0, 255, 255, 255, 0]))
    assert shown(data)[:, :, 0].tolist() == [[0] * 8 + [255] * 8] * 16


@pytest.mark.parametrize(
    ("data", "about"),
    [
        (bitmap(16, 0, bytes(512), compression=3, masks=struct.pack("<3I", 0xF00, 0xF0, 0xF)), "bitfields layout"),
        (bitmap(64, 0, bytes(2048)), r"pixel depth \(64\)"),
        (bitmap(24, 0, encode(quarters(), "JPEG"), compression=4), r"compression \(4\)"),
        (b"BM" + struct.pack("<IHHII", 0, 0, 0, 30, 16) + bytes(2000), r"header type \(16\)"),
    ],
)
def test_other_kinds_of_bitmap_are_named(data, about):
    with pytest.raises(ImageError, match=rf"^The image is a BMP of a kind that is not read here \({about}\); save it"):
        load_image(data)


# --- PNG


def chunk(kind, body, crc=None):
    whole = kind + body
    return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole) if crc is None else crc)


def grey_rows(depth, values):
    return b"".join(b"\0" + packed_bits(np.array([row]), depth) for row in values)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("key", [0, 1])
def test_the_transparent_value_of_grey_is_that_value_alone(depth, key):
    top = 2**depth - 1
    values = np.arange(16 * 16).reshape(16, 16) % (top + 1)
    data = png(16, 16, depth, 0, grey_rows(depth, values), extra=chunk(b"tRNS", struct.pack(">H", key)))
    expected = np.where(values == key, 255, in_8_bits(values, top))
    assert (shown(data) == expected[..., None]).all()


def test_the_transparent_value_0_of_16_bits():
    values = np.full((16, 16), 300)
    values[0, 0] = 0
    data = png(16, 16, 16, 0, grey_rows(16, values), extra=chunk(b"tRNS", bytes(2)))
    assert (pixel(data), pixel(data, (1, 0))) == (WHITE, (1, 1, 1))


@pytest.mark.parametrize("kind", ["flat", "interlaced"])
def test_the_transparent_colour_of_16_bits_is_that_colour_alone(kind):
    row = struct.pack(">9H", 1000, 2000, 3000, 1001, 2000, 3000, 1000, 2000, 3001) + bytes(6 * 13)
    extra = chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000))
    data = png(16, 16, 16, 2, (b"\0" + row) * 16, extra=extra)
    if kind == "interlaced":  # Adam7's first pass has a pixel of every eighth row and column
        passes = [(8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2)]
        sizes = [(2, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16)]
        assert len(passes) == len(sizes)
        body = b"".join((b"\0" + row[:6] * columns) * lines for lines, columns in sizes)
        header = data.index(b"IHDR") + 4
        fields = data[header : header + 12] + b"\1"
        data = data[:8] + chunk(b"IHDR", fields) + extra + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
        assert (shown(data) == 255).all()
    else:
        assert shown(data)[0, :4].tolist() == [[255] * 3, [3, 7, 11], [3, 7, 11], [0, 0, 0]]


def test_higher_bits_of_a_transparent_value_do_not_count():
    values = np.arange(256).reshape(16, 16)
    data = png(16, 16, 8, 0, grey_rows(8, values), extra=chunk(b"tRNS", struct.pack(">H", 256 + 5)))
    assert (pixel(data, (5, 0)), pixel(data, (6, 0))) == (WHITE, (6, 6, 6))
    extra = chunk(b"tRNS", struct.pack(">3H", 257, 258, 259))
    data = png(16, 16, 8, 2, (b"\0" + bytes([1, 2, 3]) * 16) * 16, extra=extra)
    assert pixel(data) == WHITE


BROKEN_CHUNKS = {
    "pHYs, checksum": chunk(b"pHYs", bytes(9), crc=1),
    "tEXt, checksum": chunk(b"tEXt", b"Title\0cat", crc=1),
    "zTXt, method": chunk(b"zTXt", b"Title\0\7" + zlib.compress(b"cat")),
    "iCCP, method": chunk(b"iCCP", b"Name\0\7" + zlib.compress(b"profile")),
    "zTXt, 2 MB": chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(2 * 2**20))),
    "zTXt of EXIF, 2 MB": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(2 * 2**20))),
    "pHYs, short": chunk(b"pHYs", bytes(5)),
    "gAMA, short": chunk(b"gAMA", bytes(2)),
    "cHRM, short": chunk(b"cHRM", bytes(31)),
    "tRNS, empty": chunk(b"tRNS", b""),
    "tRNS, short": chunk(b"tRNS", bytes(5)),
    "sRGB, empty": chunk(b"sRGB", b""),
    "iCCP, 2 MB": chunk(b"iCCP", b"Name\0\0" + zlib.compress(bytes(2 * 2**20))),
    "iCCP, empty": chunk(b"iCCP", b""),
    "iTXt, 2 MB": chunk(b"iTXt", b"Title\0\1\0\0\0" + zlib.compress(bytes(2 * 2**20))),
    "acTL, short": chunk(b"acTL", bytes(4)),
    "fcTL, sequence": chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", bytes(3) + b"\7" + bytes(22)),
    "a text called interlace": chunk(b"tEXt", b"interlace\0no"),
    "a text called transparency": chunk(b"tEXt", b"transparency\0no"),
    "a text called icc_profile": chunk(b"tEXt", b"icc_profile\0no"),
    "a text called bbox": chunk(b"tEXt", b"bbox\0no"),
}


@pytest.mark.parametrize("kind", BROKEN_CHUNKS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_broken_metadata_of_a_png_does_not_fail_its_pixels(kind, place):
    original = photo((40, 30))
    data = encode(original, "PNG")
    at = data.index(b"IDAT") - 4 if place == "before" else data.index(b"IEND") - 4
    assert load_image(data[:at] + BROKEN_CHUNKS[kind] + data[at:]).tobytes() == original.tobytes()


@pytest.mark.parametrize(
    "tail", [chunk(b"tEXt", b"Title\0cat")[:-6], chunk(b"eXIf", bytes(99))[:9], chunk(b"IDAT", b"abc")[:8], b"\0", b""]
)
def test_what_is_cut_short_behind_the_pixels_of_a_png_does_not_fail_them(tail):
    original = photo((40, 30))
    data = encode(original, "PNG")
    assert load_image(data[: data.index(b"IEND") - 4] + tail).tobytes() == original.tobytes()


def test_pixels_of_a_png_that_are_cut_short_are_damage():
    data = encode(photo((400, 300)), "PNG")
    assert load_image(data[:-16]) == load_image(data)  # without the last checksum
    assert "damaged or cut short" in message(data[:-2000])


def test_a_palette_whose_transparency_is_empty_or_too_long():
    indexed = Image.new("P", (16, 16), 1)
    indexed.putpalette([0, 0, 0, 10, 20, 30])
    data = encode(indexed, "PNG")
    at = data.index(b"IDAT") - 4
    for alphas in (b"", bytes(3)):
        assert pixel(data[:at] + chunk(b"tRNS", alphas) + data[at:]) == (10, 20, 30)
    assert pixel(data[:at] + chunk(b"tRNS", bytes(2)) + data[at:]) == WHITE


def srgb_of_light(light):
    """The 8-bit value of sRGB for a share of light."""
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def gamma_chunk(gamma):
    return chunk(b"gAMA", struct.pack(">I", round(100_000 * gamma)))


def chromaticities_chunk(*coordinates):
    return chunk(b"cHRM", struct.pack(">8I", *(round(100_000 * coordinate) for coordinate in coordinates)))


SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
ADOBE_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
ALL_GREYS = np.arange(256).reshape(16, 16)


@pytest.mark.parametrize("colour_type", [0, 2, 4])
@pytest.mark.parametrize("gamma", [1.0, 0.55556, 0.35])
def test_the_gamma_of_a_png_is_applied(colour_type, gamma):
    values = np.repeat(ALL_GREYS[..., None], {0: 1, 2: 3, 4: 2}[colour_type], axis=2).astype(np.uint8)
    values[..., 1:] = 255 if colour_type == 4 else values[..., 1:]
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    data = png(16, 16, 8, colour_type, rows, extra=gamma_chunk(gamma))
    expected = srgb_of_light((ALL_GREYS / 255) ** (1 / gamma))
    assert np.abs(shown(data) - expected[..., None]).max() <= 1.5


def test_the_chromaticities_of_a_png_are_applied():
    """Adobe RGB 100, 150, 200, by the matrices that are published for it and for sRGB."""
    rows = (b"\0" + bytes((100, 150, 200)) * 16) * 16
    data = png(16, 16, 8, 2, rows, extra=gamma_chunk(1 / 2.2) + chromaticities_chunk(*ADOBE_PRIMARIES))
    assert np.abs(np.subtract(pixel(data), (66, 151, 203))).max() <= 1


def test_colours_are_converted_before_they_lie_over_white():
    rows = (b"\0" + bytes((64, 64, 64, 128)) * 16) * 16
    dark = float(srgb_of_light(64 / 255))
    assert abs(pixel(png(16, 16, 8, 6, rows, extra=gamma_chunk(1.0)))[0] - (dark + 255) / 2) <= 1.5


@pytest.mark.parametrize(
    "extra",
    [
        gamma_chunk(0.45455),
        gamma_chunk(0.45455) + chromaticities_chunk(*SRGB_PRIMARIES),
        gamma_chunk(1.0) + chunk(b"sRGB", b"\0"),
        gamma_chunk(0.45455) + gamma_chunk(1.0),  # of two, the first counts
        gamma_chunk(0.0),
        gamma_chunk(40_000.0),
        chromaticities_chunk(0.3, 0, *SRGB_PRIMARIES[2:]),
        chromaticities_chunk(0.3, 0.3, *[0.2, 0.5] * 3),
        chromaticities_chunk(*[20_000.0] * 8),
        chromaticities_chunk(0.0, 1.0, *SRGB_PRIMARIES[2:]),
    ],
)
def test_what_is_srgb_or_makes_no_sense_leaves_a_png_as_it_is(extra):
    rows = b"".join(b"\0" + row.tobytes() for row in np.repeat(ALL_GREYS[..., None], 3, axis=2).astype(np.uint8))
    assert (shown(png(16, 16, 8, 2, rows, extra=extra)) == ALL_GREYS[..., None]).all()


@pytest.mark.parametrize(
    "late", [gamma_chunk(1.0), chunk(b"tRNS", bytes(2)), chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a"))]
)
def test_what_is_said_of_colours_after_the_pixels_of_a_png_does_not_count(late):
    data = png(16, 16, 8, 0, grey_rows(8, ALL_GREYS))
    at = data.index(b"IEND") - 4
    assert (shown(data[:at] + late + data[at:]) == ALL_GREYS[..., None]).all()


def test_a_damaged_header_is_damage():
    data = bytearray(encode(quarters(), "PNG"))
    data[30] ^= 1
    assert "damaged or cut short" in message(bytes(data))


# --- JPEG, WebP, GIF and TIFF


def segment(marker, body):
    data = encode(quarters(), "JPEG")
    return data[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body + data[2:]


BROKEN_SEGMENTS = {
    "JFIF, short": (0xE0, b"JFIF\0"),
    "Adobe, short": (0xEE, b"Adobe\0"),
    "profile, short": (0xE2, b"ICC_PROFILE\0"),
    "profile, part 5 of 2": (0xE2, b"ICC_PROFILE\0\5\2abc"),
    "list of images": (0xE2, b"MPF\0abc"),
    "Photoshop, short": (0xED, b"Photoshop 3.0\x008BIM\3\xed"),
    "Photoshop, resolution": (0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\2ab"),
    "EXIF, short": (0xE1, b"Exif\0\0MM"),
    "XMP": (0xE1, b"http://ns.adobe.com/xap/1.0/\0<<< tiff:Orientation='9'"),
    "comment, empty": (0xFE, b""),
}


@pytest.mark.parametrize("kind", BROKEN_SEGMENTS)
def test_broken_metadata_of_a_jpeg_does_not_fail_its_pixels(kind):
    assert load_image(segment(*BROKEN_SEGMENTS[kind])) == load_image(encode(quarters(), "JPEG"))


def webp(*chunks, flags=0):
    """An extended WebP file of 64 x 48 pixels."""
    canvas = struct.pack("<I", 63)[:3] + struct.pack("<I", 47)[:3]
    still = encode(quarters(), "WEBP", lossless=True)[12:]
    parts = [(b"VP8X", bytes([flags, 0, 0, 0]) + canvas), *chunks]
    body = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in parts)
    return b"RIFF" + struct.pack("<I", len(body) + len(still) + 4) + b"WEBP" + body + still


@pytest.mark.parametrize(
    "data",
    [
        webp((b"ICCP", b"nonsense"), flags=0x20), webp(flags=0x2C), webp((b"odd ", b"x")),
        webp((b"EXIF", b"Exif\0\0MM"), flags=8), webp((b"XMP ", b"<x"), flags=4),
    ],
)  # fmt: skip
def test_broken_metadata_of_a_webp_does_not_fail_its_pixels(data):
    assert load_image(data) == load_image(encode(quarters(), "PNG"))


@pytest.mark.parametrize(
    "block",
    [
        b"!\xf9\0",
        b"!\xf9\1\0\0",
        b"!\xff\0",
        b"!\xff\x0bNETSCAPE2.0\0",
        b"!\xff\x0bNETSCAPE2.0\1\1\0",
        b"!\xfe\3abc\0",
        b"!\x77\3abc\0",
    ],
)
def test_broken_metadata_of_a_gif_does_not_fail_its_pixels(block):
    data = encode(quarters(), "GIF")
    at = 13 + 3 * (2 << (data[10] & 7))
    assert load_image(data[:at] + block + data[at:]) == load_image(encode(quarters(), "PNG"))


@pytest.mark.parametrize("version", [b"GIF87a", b"GIF89a"])
def test_what_the_first_frame_of_a_gif_leaves_out_is_white(version):
    """As in browsers, whatever the first colour of its palette is."""
    image = Image.new("P", (20, 20), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    data = encode(image, "GIF")
    at = data.index(b",", 13 + 3 * (2 << (data[10] & 7)))
    data = version + struct.pack("<HH", 40, 30) + data[10:at] + b"," + struct.pack("<HH", 5, 6) + data[at + 5 :]
    pixels = shown(data)
    assert pixels.shape == (30, 40, 3)
    assert (pixels[6:26, 5:25] == (10, 20, 30)).all()
    assert (pixels != 255).all(axis=2).sum() == 20 * 20


@pytest.mark.parametrize(
    "tags",
    [
        {282: (1, 2)},
        {34675: (1, 2, 3)},
        {700: (10**9,)},
        {274: (9,)},
        {296: (2, 3)},
        {34665: (10**6,)},
        {34665: (8,)},
        {282: (0,)},
    ],
)
def test_broken_metadata_of_a_tiff_does_not_fail_its_pixels(tags):
    values = np.asarray(quarters()).astype(np.uint8)
    data = tiff(values, photometric=2, **{f"t{tag}": numbers for tag, numbers in tags.items()})
    assert load_image(data) == load_image(encode(quarters(), "PNG"))


# --- orientation and colour profiles


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def test_an_avif_is_turned_by_its_boxes_alone():
    """As its standard has it; a JPEG, which has none, by what else says so."""
    assert load_image(encode(quarters(), "AVIF", xmp=XMP)).size == (64, 48)
    turned = encode(quarters(), "AVIF", exif=exif_of(6))
    assert b"irot" in turned
    assert load_image(turned).size == (48, 64)
    assert load_image(encode(quarters(), "JPEG", xmp=XMP)).size == (48, 64)


@pytest.mark.parametrize("mark", [b"II", b"MM"])
@pytest.mark.parametrize(("kind", "letter"), [(3, "H"), (1, "B"), (4, "I"), (8, "h"), (9, "i")])
@pytest.mark.parametrize("file", ["JPEG", "PNG", "WEBP"])
def test_only_an_orientation_of_its_type_turns_a_photo(mark, kind, letter, file):
    """Browsers ignore others, and photos with them stand upright as they are."""
    order = "<" if mark == b"II" else ">"
    value = struct.pack(f"{order}{letter}", 6).ljust(4, b"\0")
    exif = b"Exif\0\0" + mark + struct.pack(f"{order}HIHHHI", 42, 8, 1, 274, kind, 1) + value + bytes(4)
    assert load_image(encode(quarters(), file, exif=exif)).size == ((48, 64) if kind == 3 else (64, 48))


def exif_of(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def profile(*, gamma, primaries, name):
    """A colour profile with a description of one's own, as long as the one that is written."""
    written = "From gamma and chromaticities".encode("utf-16-be")
    data = plain_profile(gamma, primaries)
    assert data is not None
    return data.replace(written, name.ljust(len(written) // 2)[:29].encode("utf-16-be"))


@pytest.mark.parametrize(
    ("gamma", "primaries", "name"),
    [
        (1.0, SRGB_PRIMARIES, "sRGB (Linear RGB Profile)"),
        (1 / 2.2, ADOBE_PRIMARIES, "Wide Gamut with sRGB Transfer"),
        (0.55556, SRGB_PRIMARIES, "not quite sRGB"),
    ],
)
def test_a_profile_that_only_has_srgb_in_its_name_is_applied(gamma, primaries, name):
    """As phones with Android write it: Display P3 Gamut with sRGB Transfer."""
    image = Image.new("RGB", (16, 16), (100, 150, 200))
    colours = profile(gamma=gamma, primaries=primaries, name=name)
    expected = load_image(encode(image, "PNG", icc_profile=profile(gamma=gamma, primaries=primaries, name="another")))
    assert name.encode("utf-16-be") in colours
    assert load_image(encode(image, "PNG", icc_profile=colours)) == expected
    assert np.abs(np.asarray(expected)[0, 0] - np.array([100, 150, 200])).max() > 10


def test_a_profile_of_srgb_changes_no_pixel_whatever_its_name():
    original = photo((40, 30))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    renamed = srgb.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    assert renamed != srgb
    assert load_image(encode(original, "PNG", icc_profile=renamed)).tobytes() == original.tobytes()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_profile_is_applied_to_transparent_images(mode):
    colours = profile(gamma=1.0, primaries=SRGB_PRIMARIES, name="linear")
    image = Image.new("L", (16, 16), 64).convert(mode)
    image.putalpha(128)
    dark = float(srgb_of_light(64 / 255))
    assert abs(pixel(encode(image, "PNG", icc_profile=colours))[0] - (dark * 128 + 255 * 127) / 255) <= 1.5
