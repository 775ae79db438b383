"""Bytes to an upright RGB picture, the crop of it that a network sees, and that crop as a tensor.

`load_image` reads what people have: phone photos, scans, web pictures, screenshots. `frame` gives the very
picture that the network sees as 8-bit RGB, and `to_tensor` only normalises it: what is shown is the input.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, get_args

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from crosspool.errors import ImageError, SettingError

if TYPE_CHECKING:
    import torch

Framing: TypeAlias = Literal["crop", "squash"]
Interpolation: TypeAlias = Literal["bilinear", "bicubic"]
ImageSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

MAX_PIXELS = 50_000_000
MAX_BYTES = 512 * 2**20  # an uncompressed 16-bit RGBA picture of MAX_PIXELS is 400 MB
MIN_SIDE = 16  # pixels; below that there is nothing for a network to see
MIN_SIZE, MAX_SIZE = 128, 896  # sides of the network's input, in pixels
MAX_ASPECT = 16  # sides of a strip beyond that are cut before it is enlarged

# What Pillow itself may decode here. MPO, a phone's JPEG with several pictures, comes with JPEG; HEIC has its
# own opener below. No format that starts another program (EPS) or that browsers and cameras do not write.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
_FORMATS_FOR_PEOPLE = "JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP"

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

_UPRIGHT = {  # EXIF orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its pictures: sides in pixels, mean and std of RGB values between 0 and 1."""

    size: int
    """The side of the network's own square input."""
    crop_fraction: float
    """The side of the crop over the shorter side of the resized picture, such as 224 / 256 = 0.875."""
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not 0 < self.crop_fraction <= 1:
            raise SettingError(f"The crop fraction must be above 0 and at most 1, not {self.crop_fraction}.")
        if self.interpolation not in _RESAMPLING:
            raise SettingError(f"The interpolation must be bilinear or bicubic, not {self.interpolation!r}.")


def load_image(source: ImageSource, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture as upright RGB, 8 bits a channel, without metadata.

    `source` is a path, the bytes of a file, or a binary file object, which is read from its start and whose
    position is left as it was if it can be. Transparency is laid over white, an embedded colour profile is
    converted to sRGB, and of several frames the first is taken. `name` stands for the file in messages.

    Raises:
        ImageError: there is no such file, or it is empty, not an image, damaged, cut short, smaller than
            `MIN_SIDE` a side or larger than `max_pixels` (known from its header, before it is decoded).
    """
    label = name or _name_of(source)
    data = _read(source, label)
    if not data:
        raise ImageError(f"{label} is empty (0 bytes); choose another file.")
    image = _open(data, label, max_pixels)
    _check_size(image.size, label, max_pixels)
    try:
        image.load()
        upright = upright_rgb(image)
    except MemoryError as error:
        raise ImageError(
            f"{label} takes more memory to be decoded than there is; scale it down and try again."
        ) from error
    except Exception as error:  # decoders raise whatever they like, and the data are a stranger's
        raise ImageError(
            f"{label} is damaged or cut short and cannot be decoded ({_reason(error)}); export it again."
        ) from error
    return upright


def shrunk_file(image: Image.Image, side: int, quality: int = 95) -> bytes:
    """A JPEG file of the picture (RGB), as `shrunk` gives it; colours are not subsampled."""
    file = BytesIO()
    shrunk(image, side).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


def shrunk(image: Image.Image, side: int) -> Image.Image:
    """The picture with sides of at most `side` pixels; a strip keeps `MIN_SIDE` across, so that it can be read."""
    if max(image.size) <= side:
        return image
    scale = side / max(image.size)
    width, height = (max(round(scale * length), min(length, MIN_SIDE)) for length in image.size)
    return image.resize((width, height), reducing_gap=2.0)


def upright_rgb(image: Image.Image) -> Image.Image:
    """The picture as upright 8-bit RGB in sRGB, over white; the argument itself where it is that already."""
    orientation, profile = _orientation(image), image.info.get("icc_profile")
    if image.mode == "RGB" and orientation not in _UPRIGHT and not image.info and type(image) is Image.Image:
        return image
    picture = _eight_bit(image)
    if orientation in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[orientation])
    if picture.has_transparency_data:
        picture = _over_white(picture)
    elif picture.mode not in ("L", "RGB", "CMYK"):
        picture = picture.convert("RGB")
    picture = _to_srgb(picture, profile).convert("RGB")
    picture.info = {}  # saved again, the picture must not be turned or colour-managed a second time
    return picture


def frame(
    image: Image.Image, preprocessing: Preprocessing, size: int | None = None, framing: Framing = "crop"
) -> Image.Image:
    """What the network sees of a picture, as a `size` x `size` 8-bit RGB picture.

    "crop" resizes the shorter side to `size / crop_fraction` and cuts out the centre, pixel for pixel as
    torchvision's `Resize` and `CenterCrop` do (which round the longer side down, and halves to even), except
    that a strip longer than `MAX_ASPECT` times its width is shortened first: its ends are never seen, and
    enlarged they would fill the memory. "squash" resizes the whole picture without keeping its aspect.

    Raises:
        SettingError: `size` is neither the network's own nor from `MIN_SIZE` to `MAX_SIZE`, or `framing` is
            neither "crop" nor "squash".
    """
    if framing not in get_args(Framing):
        raise SettingError(f"The framing must be crop or squash, not {framing!r}.")
    return frame_at(image, preprocessing, input_side(preprocessing, size), framing)


def frame_at(image: Image.Image, preprocessing: Preprocessing, side: int, framing: Framing) -> Image.Image:
    """As `frame`, for a side that no network needs to take: a picture to cut crops from."""
    picture = upright_rgb(image)
    resampling = _RESAMPLING[preprocessing.interpolation]
    if framing == "squash":
        return picture.resize((side, side), resampling)
    picture = _shorten(picture)
    width, height = _resized(picture.size, round(side / preprocessing.crop_fraction))
    left, top = round((width - side) / 2), round((height - side) / 2)
    return picture.resize((width, height), resampling).crop((left, top, left + side, top + side))


def to_tensor(framed: Sequence[Image.Image], preprocessing: Preprocessing) -> "torch.Tensor":
    """Normalise pictures that `frame` gave: (B, 3, size, size), float32, on the CPU.

    Raises:
        SettingError: there are no pictures, they are not RGB, or their sizes differ.
    """
    import torch  # only here: pictures can be read and drawn long before it is loaded

    kinds = {(picture.mode, picture.size) for picture in framed}
    if len(kinds) != 1 or next(iter(kinds))[0] != "RGB":
        raise SettingError("A batch needs at least one picture, and all of them RGB and of one size.")
    pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in framed]))  # (B, size, size, 3)
    mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std).view(1, 3, 1, 1)
    return pixels.permute(0, 3, 1, 2).contiguous().float().div_(255).sub_(mean).div_(std)


# --- reading


def _name_of(source: ImageSource) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source) or "A file without a name"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else "The image"


def _read(source: ImageSource, label: str) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, str | os.PathLike):
        return _read_stream(source, label)
    if os.path.isdir(source):
        raise ImageError(f"{label} is a folder, not an image; name a file inside it.")
    try:
        with open(source, "rb") as file:
            return _read_stream(file, label)
    except FileNotFoundError as error:
        raise ImageError(f"{label} was not found; check the name and the folder.") from error
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ImageError(f"{label} cannot be opened ({_reason(error)}); check its name and rights.") from error


def _read_stream(stream: BinaryIO, label: str) -> bytes:
    try:
        if not stream.seekable():
            return _read_all(stream, label)
        position = stream.tell()
        try:
            stream.seek(0)
            return _read_all(stream, label)
        finally:
            stream.seek(position)
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # ValueError: the file object is closed
        raise ImageError(f"{label} cannot be read ({_reason(error)}); open it again.") from error


def _read_all(stream: BinaryIO, label: str) -> bytes:
    data = bytearray()
    while chunk := stream.read(2**20):
        if not isinstance(chunk, bytes):
            raise ImageError(f"{label} was opened as text; open it in binary mode ('rb').")
        data += chunk
        if len(data) > MAX_BYTES:
            limit = f"{MAX_BYTES // 2**20} MB"
            raise ImageError(f"{label} is larger than {limit}; scale the picture down and try again.")
    return bytes(data)


# --- opening: headers only, no pixel is decoded


def _open(data: bytes, label: str, max_pixels: int) -> Image.Image:
    try:
        return _open_any(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))  # Pillow refuses twice its own
        raise ImageError(
            f"{label} has more than {limit / 1e6:,.10g} million pixels; scale it down and try again."
        ) from error
    except MemoryError as error:
        raise ImageError(
            f"{label} takes more memory to be opened than there is; scale it down and try again."
        ) from error
    except Exception as error:
        if kind := _signature(data):
            raise ImageError(
                f"{label} begins like a {kind} image, but is damaged or cut short; copy or export it again."
            ) from error
        raise ImageError(f"{label} is not an image that can be read here; save it as {_FORMATS_FOR_PEOPLE}.") from error


def _open_any(data: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except (UnidentifiedImageError, ValueError, RuntimeError):
        if not _is_heif(data):
            raise
    # Called directly: registering pillow-heif's plugin would change Pillow for the whole process.
    from pillow_heif.as_plugin import HeifImageFile

    heif: Image.Image = HeifImageFile(BytesIO(data))  # type: ignore[no-untyped-call]
    return heif


def _is_heif(data: bytes) -> bool:
    if data[4:8] != b"ftyp":
        return False
    import pillow_heif  # only for the files that need it

    return bool(pillow_heif.is_supported(BytesIO(data)))


def _signature(data: bytes) -> str | None:
    """The format whose signature the data begin with."""
    for kind in FORMATS:
        accept = Image.OPEN[kind][1]
        if accept is not None and accept(data[:16]) is True:
            return kind
    return "HEIC" if _is_heif(data) else None


def _check_size(size: tuple[int, int], label: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        millions, limit = f"{width * height / 1e6:,.1f}", f"{max_pixels / 1e6:,.10g}"
        raise ImageError(
            f"{label} has {width} x {height} pixels, {millions} million of at most {limit} million; "
            "scale it down and try again."
        )
    if min(size) < MIN_SIDE:
        raise ImageError(f"{label} has only {width} x {height} pixels; choose one of at least {MIN_SIDE} x {MIN_SIDE}.")


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split()).rstrip(".")


# --- colours and orientation


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken metadata must not fail a picture whose pixels are fine
        return None


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and floating-point grey values to 8 bits; Pillow itself would clip to white."""
    if not image.mode.startswith(("I", "F")):
        return image
    values: np.ndarray = np.asarray(image).astype(np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    ceiling = _nominal_white(image.mode, low, high)
    if ceiling is None:  # no convention fits: stretch what is there, in double precision as it may be huge
        values, ceiling = values.astype(np.float64) - low, high - low or 1.0
    return Image.fromarray(np.rint(values / ceiling * 255).clip(0, 255).astype(np.uint8))


def _nominal_white(mode: str, low: float, high: float) -> float | None:
    """The value that means white: by the mode where it says, else the smallest usual one above all values."""
    if mode.startswith("I;16"):
        return 65535.0
    usual = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    return next((white for white in usual if low >= 0 and high <= white), None)


def _over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an embedded colour profile to sRGB, as browsers do, so that phone photos (Display P3), camera
    pictures (Adobe RGB) and print files (CMYK) have the colours that people and networks know them by.

    sRGB itself is left untouched, and so is a picture whose profile is broken or of another colour space.
    """
    if not profile:
        return image
    try:
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(embedded):
            return image
        if image.mode == "L" and embedded.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, embedded, srgb, outputMode="RGB")
    except Exception:  # Pillow's colour management has no common error; the pixels are fine without it
        return image
    return image if converted is None else converted


# --- framing


def input_side(preprocessing: Preprocessing, size: int | None) -> int:
    """The side of the network's input in pixels; raises SettingError for one that cannot be had."""
    if size is None or size == preprocessing.size:
        return preprocessing.size
    if type(size) is not int or not MIN_SIZE <= size <= MAX_SIZE:
        allowed = f"a whole number from {MIN_SIZE} to {MAX_SIZE}"
        raise SettingError(f"The input size must be {allowed}, not {size!r}.")
    return size


def _shorten(image: Image.Image) -> Image.Image:
    """Cut the ends off a strip that is longer than `MAX_ASPECT` times its width."""
    width, height = image.size
    limit = MAX_ASPECT * min(image.size)
    if max(image.size) <= limit:
        return image
    left, top = max(width - limit, 0) // 2, max(height - limit, 0) // 2
    return image.crop((left, top, left + min(width, limit), top + min(height, limit)))


def _resized(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter
