"""Read image files as upright RGB: photos from phones and cameras, scans, images from the web, screenshots."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from typing import BinaryIO, TypeAlias

from PIL import Image, UnidentifiedImageError

from crosspool.bitmaps import with_whole_palette
from crosspool.colours import LYING, orientation_of, upright_rgb
from crosspool.errors import ImageError, not_found
from crosspool.png_transparency import with_exact_transparency
from crosspool.sound_metadata import with_sound_metadata
from crosspool.tiff_files import PlainTiff
from crosspool.tiff_layout import TiffKindError, tiff_layout

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

MAX_PIXELS = 50_000_000
MAX_BYTES = 512 * 2**20  # an uncompressed 16-bit RGBA image of MAX_PIXELS is 400 MB
HEAD_BYTES = 4096  # enough to tell what a file is
MIN_SIDE = 16  # pixels; in smaller images there is nothing for a network to see

# The formats that Pillow may decode here. MPO, a phone's JPEG with several images, is part of JPEG; HEIC is opened
# separately. Not allowed are formats that start another program (EPS) or that browsers and cameras do not write.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF", "TIFF")  # formats of animations and of documents with pages
_SILENT = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # as an entry of `warnings.filters`
_RARE_BMP = "Unsupported BMP "  # so begins what Pillow says of a bitmap that it does not read
_FORMATS_FOR_PEOPLE = "JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP"


def load_image(source: ImageSource, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read an image as upright RGB, 8 bits per channel, without metadata.

    Transparency is laid over white, an embedded colour profile, or the gamma and chromaticities of a PNG, are converted
    to sRGB, and only the first of several frames is read. From the first call on, Pillow keeps each new image of this
    process in one piece of memory, so that its pixels are used in place.

    Args:
        source: A path, the bytes of a file, or a binary file object, which is read from its start; its position is
            restored if possible.
        name: The name of the file in messages.
        max_pixels: The largest number of pixels that it may have.

    Returns:
        PIL.Image.Image: An image of mode "RGB".

    Raises:
        ImageError: There is no such file, or it is empty, not an image, damaged, cut short, has sides shorter than
            `MIN_SIDE` or more than `max_pixels` pixels (as its header says, before it is decoded).

    Example:
        >>> import crosspool
        >>> image = crosspool.load_image("assets/samples/cat.jpg")
        >>> image.mode, image.size
        ('RGB', (451, 300))
    """
    label = name or _name_of(source)
    data = file_bytes(source, label)
    data = with_whole_palette(with_sound_metadata(data))
    image = _open(data, label, max_pixels)
    _check_size(image.size, label, max_pixels)
    try:
        image.load()
        upright = upright_rgb(with_exact_transparency(image, data))
    except MemoryError as error:
        raise ImageError(f"{label} needs more memory to decode than there is; scale it down and try again.") from error
    except Exception as error:  # decoders raise all kinds of errors, and the data may be anybody's
        problem = f"{label} is damaged or cut short and cannot be decoded ({_reason(error)})"
        raise ImageError(f"{problem}; export it again.") from error
    return upright


def expect_image(path: str) -> None:
    """Raise ImageError, as `load_image` would, for a file that is missing or does not begin as images do."""
    with _opened(path, path) as file:
        head = file.read(HEAD_BYTES)
    _expect_some(head, path)
    if not signature_of(head):
        raise _no_image(path)


def opened_image(data: bytes, name: str) -> Image.Image:
    """The image as its header describes it; no pixel is decoded. Raises ImageError, as `load_image` would."""
    return _open(with_whole_palette(with_sound_metadata(data)), name, MAX_PIXELS)


def upright_size(data: bytes, name: str) -> tuple[int, int]:
    """The width and height that `load_image` would give; no pixel is decoded. Raises ImageError as it does."""
    image = opened_image(data, name)
    is_lying = orientation_of(image) in LYING and image.format != "TIFF"  # whose sides Pillow gives upright
    return image.size[::-1] if is_lying else image.size


def frame_count(data: bytes) -> int:
    """How many frames an image's file holds, or pages; 1 where they cannot be counted.

    A phone's JPEG or HEIC may hold other images beside the photo: these are not counted.
    """
    try:
        image = _open_any(data)
        count: int = getattr(image, "n_frames", 1) if image.format in ANIMATED else 1
    except Exception:  # as in load_image; its first frame may be fine
        return 1
    return count


def shrunk_file(image: Image.Image, side: int, quality: int = 95) -> bytes:
    """A JPEG file of the image (RGB), shrunk by `shrink_image`; colours are not subsampled."""
    file = BytesIO()
    shrink_image(image, side).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


def shrink_image(image: Image.Image, side: int) -> Image.Image:
    """The image with sides of at most `side` pixels; a strip stays `MIN_SIDE` wide, so that it can be read."""
    if max(image.size) <= side:
        return image
    scale = side / max(image.size)
    width, height = (max(round(scale * length), min(length, MIN_SIDE)) for length in image.size)
    return image.resize((width, height), reducing_gap=2.0)


# --- reading


def _name_of(source: ImageSource) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source) or "A file without a name"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else "The image"


def file_bytes(source: ImageSource, label: str) -> bytes:
    """The bytes of an image's file, called `label` in messages. Raises ImageError where there are none, or too many."""
    data = _read(source, label)
    _expect_some(data, label)
    return data


def _read(source: ImageSource, label: str) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        with _opened(source, label) as file:
            return _read_stream(file, label)
    with _reading(label, "read", "open it again"):
        return _read_stream(source, label)


@contextmanager
def _opened(path: str | os.PathLike[str], label: str) -> Iterator[BinaryIO]:
    """A file that is open for reading, within `_reading`."""
    with _reading(label, "opened", "check its name and permissions"):
        if os.path.isdir(path):
            raise ImageError(f"{label} is a folder, not an image; name a file inside it.")
        with open(path, "rb") as file:
            yield file


@contextmanager
def _reading(label: str, problem: str, advice: str) -> Iterator[None]:
    """Turn errors of the file system into ImageErrors."""
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(not_found(label)) from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name, or a closed file object
        raise ImageError(f"{label} cannot be {problem} ({_reason(error)}); {advice}.") from error


def _expect_some(data: bytes, label: str) -> None:
    if not data:
        raise ImageError(f"{label} is empty (0 bytes); choose another file.")


def _read_stream(stream: BinaryIO, label: str) -> bytes:
    with ExitStack() as stack:
        if stream.seekable():
            stack.callback(stream.seek, stream.tell())
            stream.seek(0)
        return _read_all(stream, label)


def _read_all(stream: BinaryIO, label: str) -> bytes:
    data = bytearray()
    while chunk := stream.read(2**20):
        if not isinstance(chunk, bytes):
            raise ImageError(f"{label} was opened as text; open it in binary mode ('rb').")
        data += chunk
        if len(data) > MAX_BYTES:
            raise ImageError(f"{label} is larger than {MAX_BYTES >> 20} MB; scale the image down and try again.")
    return bytes(data)


# --- opening: headers only, no pixel is decoded


def _open(data: bytes, label: str, max_pixels: int) -> Image.Image:
    try:
        return _open_any(data)
    except Image.DecompressionBombError as error:
        limit = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))  # Pillow refuses twice its own limit
        millions = f"{limit / 1e6:,.10g} million"
        raise ImageError(f"{label} has more than {millions} pixels; scale it down and try again.") from error
    except MemoryError as error:
        raise ImageError(f"{label} needs more memory to open than there is; scale it down and try again.") from error
    except TiffKindError as error:
        raise _rare_kind(label, "TIFF", str(error), "8-bit RGB, or as PNG or JPEG") from error
    except Exception as error:
        if isinstance(error, OSError) and str(error).startswith(_RARE_BMP):
            raise _rare_kind(label, "BMP", str(error).removeprefix(_RARE_BMP), "PNG or JPEG") from error
        if kind := signature_of(data):
            problem = f"{label} begins like a {kind} image, but is damaged or cut short"
            raise ImageError(f"{problem}; copy or export it again.") from error
        raise _no_image(label) from error


def _rare_kind(label: str, kind: str, about: str, advice: str) -> ImageError:
    return ImageError(f"{label} is a {kind} of a kind that is not read here ({about}); save it as {advice}.")


def _no_image(label: str) -> ImageError:
    return ImageError(f"{label} is not an image that can be read here; save it as {_FORMATS_FOR_PEOPLE}.")


def _open_any(data: bytes) -> Image.Image:
    _prepare_pillow()
    layout = tiff_layout(data)
    if layout is not None and layout.is_misread:
        return PlainTiff(BytesIO(data))
    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except (UnidentifiedImageError, ValueError, RuntimeError):
        if layout is not None:
            return PlainTiff(BytesIO(data))
        if not _is_heif(data):
            raise
    # Opened directly, as registering pillow-heif's plugin would change Pillow for the whole process.
    from pillow_heif.as_plugin import HeifImageFile

    heif: Image.Image = HeifImageFile(BytesIO(data))  # type: ignore[no-untyped-call]
    return heif


def _prepare_pillow() -> None:
    """Let Pillow keep each image in one piece, whose pixels others can use in place, and not warn of metadata that it
    ignores: what matters is said in an error.

    For the whole process, as neither can be had for one image while other threads run; and warnings only once, as
    Python then forgets which warnings of others were shown.
    """
    Image.core.set_use_block_allocator(1)  # type: ignore[attr-defined]  # as Pillow's documentation has it
    if _SILENT not in warnings.filters:
        warnings.filterwarnings("ignore", module=_SILENT[3].pattern)


def _is_heif(data: bytes) -> bool:
    if data[4:8] != b"ftyp":
        return False
    import pillow_heif  # only for the files that need it

    return bool(pillow_heif.is_supported(BytesIO(data)))


def signature_of(data: bytes) -> str | None:
    """The format that the first bytes are a signature of; None for other than images."""
    Image.init()
    for kind in FORMATS:
        accept = Image.OPEN[kind][1]
        if accept is not None and accept(data[:16]) is True:
            return kind
    return "HEIC" if _is_heif(data) else None


def _check_size(size: tuple[int, int], label: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        share = f"{width * height / 1e6:,.1f} million of at most {max_pixels / 1e6:,.10g} million"
        raise ImageError(f"{label} has {width:,}×{height:,} pixels, {share}; scale it down and try again.")
    if min(size) < MIN_SIDE:
        raise ImageError(f"{label} has only {width:,}×{height:,} pixels; choose one of at least {MIN_SIDE}×{MIN_SIDE}.")


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split()).rstrip(".")
