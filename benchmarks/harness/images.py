"""Generated images and their files."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def blocks(
    seed: int | list[int],
    size: tuple[int, int],
    *,
    shape: tuple[int, int] = (5, 6),
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> Image.Image:
    """Random blocks of colour, blurred unless another way to resample is named; `shape` counts rows and columns."""
    colours = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize(size, resample)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image's file."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
