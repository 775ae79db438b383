"""Generated images and their files."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def noise(
    seed: int | list[int],
    size: tuple[int, int] = (24, 20),
    *,
    shape: tuple[int, int] = (5, 6),
    resample: Image.Resampling = Image.Resampling.NEAREST,
) -> Image.Image:
    """Blocks of random colours, blurred by some ways to resample; `shape` counts rows and columns."""
    colours = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize(size, resample)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image's file."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
