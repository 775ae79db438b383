"""What an image's file is, and how it is read."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from crosspool.colours import orientation_of, profile_of
from crosspool.images import frame_count, load_image, opened_image
from crosspool.sound_metadata import broken_metadata
from crosspool.text import plural, size_text
from crosspool.tiff_layout import CMYK, LAB, PALETTE, RGB, YCBCR, TiffLayout, tiff_layout

STRIP_BYTES = 2**22  # hashed at a time, so that no second copy of a large image is made
FEW_COLOURS = 8
UPRIGHT = "upright"
DARK = 64  # of 255: brightest values below it, in a file of more than 8 bits, may mean that not all bits are used
_TURNS = {
    1: UPRIGHT, 2: "mirrored", 3: "turned by 180°", 4: "mirrored and turned by 180°",
    5: "mirrored and turned by 90°", 6: "turned by 90°", 7: "mirrored and turned by 270°", 8: "turned by 270°",
}  # fmt: skip
_MODES = {
    "1": "black and white", "L": "grey", "LA": "grey", "I": "grey", "F": "grey", "P": "palette", "PA": "palette",
    "RGB": "RGB", "RGBA": "RGB", "RGBX": "RGB", "CMYK": "CMYK", "YCbCr": "YCbCr", "LAB": "CIELab",
}  # fmt: skip
_PHOTOMETRIC = {RGB: "RGB", PALETTE: "palette", CMYK: "CMYK", YCBCR: "YCbCr", LAB: "CIELab"}
_WEBP = {b"VP8 ": "lossy", b"VP8L": "lossless", b"VP8X": "extended"}


@dataclass(frozen=True)
class ImageFacts:
    """What an image is: its file's format and colour mode, and its size and the SHA-256 of its pixels as it is read.

    `has_few_colours` is whether these are at most `FEW_COLOURS`, as in masks and drawings.
    """

    format: str
    mode: str
    width: int
    height: int
    pixels: str
    has_few_colours: bool = False


@dataclass(frozen=True)
class ImageReport:
    """What an image's file is, and how it is read.

    `size` is that of the file, `read_size` that of the upright image: (width, height). `depth` is the bits of a
    number, None where that is not known. `broken` are the names of metadata that are skipped. `brightest` is the
    largest value that is read, of 255.
    """

    file: str
    bytes: int
    format: str
    subformat: str
    size: tuple[int, int]
    mode: str
    depth: int | None
    orientation: str
    profile: str | None
    frames: int
    alpha: bool
    broken: tuple[str, ...]
    read_size: tuple[int, int]
    brightest: int

    @property
    def sentence(self) -> str:
        """How it is read."""
        changes = [
            "" if self.orientation == UPRIGHT else "turned upright",
            "" if self.depth in (None, 8) or self.mode == "palette" else f"scaled from {plural(self.depth, 'bit')}",
            "transparency over white" if self.alpha else "",
            f"the first of {plural(self.frames, 'frame')}" if self.frames > 1 else "",
        ]
        read_as = f"Read as {', '.join(filter(None, [f'{size_text(self.read_size)} pixels of 8-bit RGB', *changes]))}."
        return f"{read_as} {self._darkness}".strip()

    @property
    def _darkness(self) -> str:
        """That a file may use fewer bits than it has, as those of microscopes do, which looks nearly black."""
        if self.depth is None or self.depth <= 8 or not 0 < self.brightest < DARK:
            return ""
        share = f"Its brightest value is only {self.brightest / 255:.0%} of white".replace("%", " %")
        return f"{share}: if the camera uses fewer than {self.depth} bits, spread its values over all of them first."


def inspect_image(data: bytes, name: str) -> ImageReport:
    """What an image's file is. Raises ImageError, as `load_image` does, where it cannot be read."""
    read = load_image(data, name=name)
    image, layout = opened_image(data, name), tiff_layout(data)
    image.load()
    return ImageReport(
        file=name,
        bytes=len(data),
        format=_format(image),
        subformat=_subformat(image, data, layout),
        size=_stored_size(image, layout),
        mode=_mode(image, layout),
        depth=_depth(image, data, layout),
        orientation=_TURNS.get(orientation_of(image), UPRIGHT),
        profile=_profile_name(image),
        frames=frame_count(data),
        alpha=image.has_transparency_data,
        broken=broken_metadata(data),
        read_size=read.size,
        brightest=int(np.asarray(read).max()),
    )


def image_facts(data: bytes, image: Image.Image, name: str) -> ImageFacts:
    """What is to be said of an image of many, which was read from `data`: no pixel is decoded again."""
    header = opened_image(data, name)
    mode, few = _full_mode(header, data), image.getcolors(FEW_COLOURS) is not None
    return ImageFacts(_format(header), mode, image.width, image.height, pixel_hash(image), few)


def pixel_hash(image: Image.Image) -> str:
    """The SHA-256 of an image's mode, size and pixels: equal for equal pixels, whatever their files."""
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
    rows = max(STRIP_BYTES // (image.width * len(image.getbands())), 1)
    for top in range(0, image.height, rows):
        digest.update(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())
    return digest.hexdigest()


def _full_mode(image: Image.Image, data: bytes) -> str:
    """A colour mode in words: 16-bit grey, RGB with alpha."""
    layout = tiff_layout(data)
    depth, alpha = _depth(image, data, layout), " with alpha" if image.has_transparency_data else ""
    mode = _mode(image, layout)
    return f"{'' if depth in (None, 8) or mode in ('palette', _MODES['1']) else f'{depth}-bit '}{mode}{alpha}"


def _format(image: Image.Image) -> str:
    return {"MPO": "JPEG", "HEIF": "HEIC"}.get(str(image.format), str(image.format))


def _stored_size(image: Image.Image, layout: TiffLayout | None) -> tuple[int, int]:
    return image.size if layout is None else (layout.width, layout.height)


def _mode(image: Image.Image, layout: TiffLayout | None) -> str:
    if layout is not None:
        return _PHOTOMETRIC.get(layout.photometric, "grey" if max(layout.bits) > 1 else _MODES["1"])
    return _MODES.get(image.mode, "grey" if image.mode.startswith("I;16") else image.mode)


def _depth(image: Image.Image, data: bytes, layout: TiffLayout | None) -> int | None:
    if layout is not None:
        return max(layout.bits)
    if image.format == "PNG":
        return data[24]
    if image.format == "AVIF":
        return None
    depth: int = image.info.get("bit_depth", 1 if image.mode == "1" else 8)
    return depth


def _subformat(image: Image.Image, data: bytes, layout: TiffLayout | None) -> str:
    if layout is not None:
        return f"{'BigTIFF, ' if 43 in data[2:4] else ''}{layout.kind}"
    describe: dict[str, Callable[[], str]] = {
        "JPEG": lambda: "progressive" if image.info.get("progressive") else "baseline",
        "MPO": lambda: f"MPO, with {plural(getattr(image, 'n_frames', 1) - 1, 'other image')} beside the first",
        "PNG": lambda: "interlaced" if data[28] else "not interlaced",
        "GIF": lambda: data[3:6].decode("latin-1"),
        "WEBP": lambda: _WEBP.get(data[12:16], ""),
        "BMP": lambda: f"{int.from_bytes(data[28:30], 'little')} bits a pixel",
        "HEIF": lambda: f"brand {data[8:12].decode('latin-1').strip()}",
    }
    return describe.get(str(image.format), str)()


def _profile_name(image: Image.Image) -> str | None:
    """The description of the colour profile; in its place, that it cannot be read, so that it is not used."""
    profile = profile_of(image)
    if not profile:
        return None
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip()
    except (OSError, ImageCms.PyCMSError):
        return "cannot be read, and is not used"
