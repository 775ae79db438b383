"""The value, or the colour, that a PNG declares transparent: Pillow compares it with pixels that it scaled before."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageFile

DEPTH, COLOUR_TYPE = 24, 25  # places in the file
GREY, RGB = 0, 2


def with_exact_transparency(image: Image.Image, data: bytes) -> Image.Image:
    """The image, which was loaded from `data`, where just the pixels of the transparent value are transparent."""
    key = image.info.get("transparency")
    if image.format != "PNG" or data[COLOUR_TYPE] not in (GREY, RGB) or key is None:
        return image
    depth = data[DEPTH]
    if image.mode == "L":
        image.info["transparency"] = (key & (2**depth - 1)) * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth == 8:
        image.info["transparency"] = tuple(part & 255 for part in key)
    elif image.mode == "RGB":
        is_key = (_bytes(image) == np.right_shift(key, 8)) & (_bytes(_low_bytes(data)) == np.bitwise_and(key, 255))
        image.putalpha(Image.fromarray(np.where(is_key.all(axis=2), 0, 255).astype(np.uint8)))
        del image.info["transparency"]
    return image


def _bytes(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


def _low_bytes(data: bytes) -> ImageFile.ImageFile:
    """The lower bytes of 16-bit colours, of which Pillow reads the higher ones: as if the order were the other."""
    image = Image.open(BytesIO(data), formats=("PNG",))
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    return image
