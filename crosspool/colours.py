"""Any image as upright 8-bit RGB in sRGB: without orientation, higher precision, transparency and colour profile."""

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

from crosspool.plain_profiles import plain_profile

_UPRIGHT = {  # EXIF orientation -> the operation that undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

LYING = (5, 6, 7, 8)  # orientations of images whose width becomes their height

_SHORT = 3  # as a type of EXIF's values

WHITES = (255.0, 65535.0)  # what usually means white in images of whole numbers,
WHITES_OF_FLOATS = (1.0, *WHITES)  # and of others
MOST_STEPS = 3  # of 255, by which a profile of sRGB may change a colour


def upright_rgb(image: Image.Image) -> Image.Image:
    """The image as upright 8-bit RGB in sRGB, over white; the argument itself if it is that already."""
    orientation, profile = orientation_of(image), profile_of(image)
    if image.mode == "RGB" and orientation not in _UPRIGHT and not image.info and type(image) is Image.Image:
        return image
    upright = _eight_bit(_with_clear_margins(image))
    if orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
    if upright.mode == "La":  # multiplied by its transparency, which Pillow takes back only like this
        upright = upright.convert("LA")
    if upright.mode == "LAB":
        upright, profile = _from_lab(upright), None
    alpha = None
    if upright.has_transparency_data:
        coloured = upright.convert("RGBA") if upright.mode != "RGBA" else upright
        alpha = coloured.getchannel("A")
        upright = coloured.getchannel("R") if upright.mode in ("L", "LA") else coloured.convert("RGB")
        del coloured
    elif upright.mode not in ("L", "RGB", "CMYK"):
        upright = upright.convert("RGB")
    upright = _to_srgb(upright, profile)
    if alpha is None:
        upright = upright.convert("RGB")
    else:
        white = Image.new("RGB", upright.size, "white")
        white.paste(upright, mask=alpha)
        upright = white
    upright.info = {}  # saved again, the image must not be turned or colour-managed a second time
    return upright


def profile_of(image: Image.Image) -> bytes | None:
    """The embedded colour profile, or that of the numbers that a PNG has in its place."""
    info = image.info
    if "icc_profile" in info or "srgb" in info:
        return info.get("icc_profile")
    return plain_profile(info.get("gamma"), info.get("chromaticity"))


def orientation_of(image: Image.Image) -> Any:
    """How the image is to be turned, by EXIF's numbers; None where it does not say."""
    if image.format == "AVIF":  # turned by boxes of its own, which Pillow writes into its EXIF, whatever XMP says
        image.info.pop("xmp", None)
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        return orientation if _has_sound_orientation(image.info.get("exif", b"")) else None
    except Exception:  # broken metadata must not fail an image whose pixels are fine
        return None


def _has_sound_orientation(exif: bytes) -> bool:
    """Whether EXIF's orientation, if there is one, is of its type: cameras have written others, and turned nothing."""
    data = exif.removeprefix(b"Exif\0\0")
    if not data:
        return True
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    places = range(start + 2, min(start + 2 + 12 * count, len(data) - 3), 12)
    entries = (struct.unpack_from(f"{order}HH", data, place) for place in places)
    return all(tag != ExifTags.Base.Orientation or kind == _SHORT for tag, kind in entries)


def _with_clear_margins(image: Image.Image) -> Image.Image:
    """The image, transparent where a GIF's first frame draws nothing; Pillow gives that some colour."""
    box = getattr(image, "dispose_extent", None)
    if image.format != "GIF" or box in (None, (0, 0, *image.size)):
        return image
    drawn = image.convert("RGBA").crop(box)
    clear = Image.new("RGBA", image.size)
    clear.paste(drawn, box[:2])
    return clear


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and floating-point grey values to 8 bits; Pillow itself would clip to white."""
    if not image.mode.startswith(("I", "F")):
        return image
    usual = WHITES_OF_FLOATS if image.mode == "F" else (65535.0,) if image.mode.startswith("I;16") else WHITES
    values: np.ndarray = np.asarray(image)
    grey = Image.fromarray(eight_bit(values, usual))
    key = image.info.get("transparency")
    if isinstance(key, int):  # the value of a PNG that means transparent
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def eight_bit(values: np.ndarray, usual: Sequence[float]) -> np.ndarray:
    """The values as 8 bits, where the smallest of the `usual` whites that none of them exceeds is 255.

    Where no convention fits, they are stretched from their smallest to their largest.
    """
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    ceiling = next((white for white in usual if low >= 0 and high <= white), None)
    if ceiling is None:  # in double precision, as they may be huge
        values, ceiling = values.astype(np.float64) - low, high - low or 1.0
    scaled: np.ndarray = np.rint(values / ceiling * 255).clip(0, 255).astype(np.uint8)
    return scaled


def _from_lab(image: Image.Image) -> Image.Image:
    """CIELab as sRGB, which Pillow does by its colour management only."""
    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert converted is not None  # as it is not done in place
    return converted


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an embedded colour profile to sRGB, as browsers do, so that images from phones (Display P3), cameras
    (Adobe RGB) and print (CMYK) have the colours that people and networks expect.

    An image in sRGB stays as it is, and so does one whose profile is broken or belongs to another colour space.
    """
    if not profile:
        return image
    try:
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        if image.mode == "L" and embedded.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        transform = ImageCms.buildTransform(embedded, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        if image.mode == "RGB" and _changes_little(transform):
            return image
        converted = ImageCms.applyTransform(image, transform)
    except Exception:  # Pillow's colour management has no common error; the pixels are fine without it
        return image
    return image if converted is None else converted


def _changes_little(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether colours stay what they are, up to rounding: many profiles of sRGB differ in a digit."""
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(6, 36, 3)
    converted = ImageCms.applyTransform(Image.fromarray(colours), transform)
    return bool(np.abs(np.asarray(converted, np.int16) - colours).max() <= MOST_STEPS)
