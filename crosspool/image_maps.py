"""Maps that are computed from the pixels of a framed image, without a network: gradients and colours, cell by cell.

A `Source` names one in place of a network's node. Cells are CELL pixels a side, so that all maps of one image have the
same positions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosspool.errors import SettingError

CELL = 8  # pixels
ORIENTATIONS = 9
BLOCK = 2  # cells a side whose gradients are normalised together
LEVELS = 4  # of each of red, green and blue
MISSING = "scikit-image is not installed; install it with: python -m pip install 'crosspool[parts]'"

Map = NDArray[np.float32]


def expect_gradients() -> None:
    """Raise SettingError where scikit-image is not installed."""
    if find_spec("skimage") is None:
        raise SettingError(MISSING)


def oriented_gradients(framed: Image.Image) -> Map:
    """Histograms of oriented gradients (Dalal and Triggs, CVPR 2005): (36, side / 8, side / 8).

    At each cell the histograms of the 2 x 2 half-shifted cells around its centre, normalised together, of the colour
    with the largest gradient.
    """
    from skimage.feature import hog

    half = CELL // 2
    pixels = np.asarray(framed, np.float32) / 255
    around = np.pad(pixels, ((half, half), (half, half), (0, 0)), mode="symmetric")
    blocks = hog(around, ORIENTATIONS, (CELL, CELL), (BLOCK, BLOCK), feature_vector=False, channel_axis=-1)
    return np.ascontiguousarray(blocks.reshape(*blocks.shape[:2], -1).transpose(2, 0, 1), np.float32)


def colour_histograms(framed: Image.Image) -> Map:
    """The share of each cell's pixels that have each of 4 x 4 x 4 colours: (64, side / 8, side / 8)."""
    levels = np.asarray(framed) // (256 // LEVELS)
    colours = levels @ (LEVELS ** np.arange(3)[::-1])  # (side, side)
    rows, columns = (length // CELL for length in colours.shape)
    cells = colours[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    shares = [(cells == colour).mean(axis=(1, 3), dtype=np.float32) for colour in range(LEVELS**3)]
    return np.stack(shares)


@dataclass(frozen=True)
class ImageMap:
    """What computes a map, (channels, side / 8, side / 8), from a framed image of a side that 8 divides."""

    compute: Callable[[Image.Image], Map]
    channels: int

    def shape(self, side: int) -> tuple[int, int, int]:
        return self.channels, side // CELL, side // CELL


GRADIENTS, COLOURS = "image:gradients", "image:colours"
IMAGE_MAPS = {
    GRADIENTS: ImageMap(oriented_gradients, ORIENTATIONS * BLOCK**2),
    COLOURS: ImageMap(colour_histograms, LEVELS**3),
}


def image_map(name: str, framed: Sequence[Image.Image]) -> Map:
    """A map of IMAGE_MAPS of framed images, (n, D, H, W)."""
    return np.stack([IMAGE_MAPS[name].compute(each) for each in framed])
