"""What two decoders see in one file, in small: whether they agree on its size, its orientation and its colours."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

SMALL = 64  # pixels: the side of the square that images are compared as, whatever their shape
MEAN_STEPS = 6.0  # of 255, that the mean of a channel may differ by: decoders round, and turn YCbCr into RGB, their way
LEAST_CORRELATION = 0.98
EVEN = 3.0  # the standard deviation of an image that is of one colour: there is nothing to correlate then
CLEARLY = 0.01  # by which a turned image has to correlate better to say that it is turned
TURNS = ("upright", "turned left", "upside down", "turned right")


@dataclass(frozen=True)
class Picture:
    """An image's width and height, and its colours in small: SMALL x SMALL x RGB.

    `is_relative` says that what black and white are is left to the reader of such a file, as in floating point.
    """

    width: int
    height: int
    small: np.ndarray
    is_relative: bool = False

    @classmethod
    def of(cls, image: Image.Image, *, is_relative: bool = False) -> "Picture":
        """The picture of an image of mode "RGB"."""
        small = image.resize((SMALL, SMALL), Image.Resampling.BOX)
        return cls(*image.size, np.asarray(small, np.float32), is_relative)


def differences(picture: Picture, reference: Picture) -> list[str]:
    """What is different about a picture, in a few words each; nothing where they agree."""
    words = []
    if (picture.width, picture.height) != (reference.width, reference.height):
        words.append(f"{picture.width}×{picture.height} instead of {reference.width}×{reference.height}")
    if reference.small.std() > EVEN and (turn := _turn(picture.small, reference.small)):
        words.append(turn)
    steps = np.abs(_means(picture) - _means(reference)).max()
    if steps > MEAN_STEPS and not reference.is_relative:
        words.append(f"means {_numbers(picture)} instead of {_numbers(reference)}")
    if min(picture.small.std(), reference.small.std()) > EVEN:
        correlation = _correlation(picture.small, reference.small)
        if correlation < LEAST_CORRELATION:
            words.append(f"correlation {correlation:.3f}")
    elif max(picture.small.std(), reference.small.std()) > 3 * EVEN:
        words.append("of one colour, only one of the two")
    return words


def _turn(small: np.ndarray, reference: np.ndarray) -> str:
    """How the image has been turned or mirrored, or ""."""
    values = {}
    for quarters, turn in enumerate(TURNS):
        turned = np.rot90(reference, quarters)
        values[turn] = _correlation(small, turned)
        values[f"{turn}, mirrored"] = _correlation(small, turned[:, ::-1])
    best = max(values, key=values.__getitem__)
    return best if values[best] > values[TURNS[0]] + CLEARLY else ""


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) if one.std() > 0 and other.std() > 0 else 0.0


def _means(picture: Picture) -> np.ndarray:
    means: np.ndarray = picture.small.mean(axis=(0, 1))
    return means


def _numbers(picture: Picture) -> str:
    return "/".join(f"{value:.0f}" for value in _means(picture))


# --- which files are images, and of what kind they say that they are

KINDS = {
    "JPEG": (b"\xff\xd8\xff",), "PNG": (b"\x89PNG",), "GIF": (b"GIF8",), "BMP": (b"BM",),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "ICO": (b"\0\0\1\0", b"\0\0\2\0"),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
}  # fmt: skip
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".avif", ".heic", ".heif", ".hif"),
    *(".tif", ".tiff", ".bmp", ".dib", ".ico", ".cur", ".jp2", ".j2k", ".jpc", ".jxl"),
)


def is_image_file(path: Path) -> bool:
    """Whether a file is an image, by its name or by its content."""
    return path.is_file() and (path.suffix.lower() in SUFFIXES or kind_of_image(path.read_bytes()[:16]) != "other")


def kind_of_image(head: bytes) -> str:
    """The kind of image that a file begins as, or "other"."""
    if head[4:8] == b"ftyp":
        return "AVIF" if head[8:12] in (b"avif", b"avis") else "HEIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return next((kind for kind, starts in KINDS.items() if head.startswith(starts)), "other")


def picture_of_file(data: bytes, *, is_relative: bool = False) -> Picture:
    """The picture of an encoded image without rare features, as a browser's canvas writes it."""
    with Image.open(BytesIO(data)) as image:
        return Picture.of(image.convert("RGB"), is_relative=is_relative)
