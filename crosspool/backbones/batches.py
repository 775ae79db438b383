"""Images as batches for a network."""

from collections.abc import Iterator, Sequence

from PIL import Image
from torch import Tensor

from crosspool.errors import SettingError
from crosspool.framing import Framing, Preprocessing, frame_image, to_tensor

BATCH_PIXELS = 8 * 224 * 224  # on a CPU, larger batches take longer per image: see benchmarks/speed/batches.py
Images = Image.Image | Sequence[Image.Image]


def framed_images(
    images: Images, preprocessing: Preprocessing, size: int | None, framing: Framing
) -> tuple[Image.Image, ...]:
    """What the network sees of images. Raises SettingError without one, and as `frame_image`."""
    images = [images] if isinstance(images, Image.Image) else images
    if not images:
        raise SettingError("Give at least one image.")
    return tuple(frame_image(image, preprocessing, size, framing) for image in images)


def batches(framed: Sequence[Image.Image], preprocessing: Preprocessing, *, one_by_one: bool) -> Iterator[Tensor]:
    """Framed images as small batches on the CPU, (B, 3, S, S)."""
    count = 1 if one_by_one else max(1, BATCH_PIXELS // framed[0].width ** 2)
    for start in range(0, len(framed), count):
        yield to_tensor(framed[start : start + count], preprocessing)
