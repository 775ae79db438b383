"""Images as batches for a network."""

from collections.abc import Iterator, Sequence

import torch
from PIL import Image
from torch import Tensor

from crosspool.backbones.structure import Architecture
from crosspool.errors import SettingError
from crosspool.framing import Framing, Preprocessing, frame_image, normalised, to_pixels

BATCH_PIXELS = 8 * 224 * 224  # on a CPU, larger batches take longer per image: see benchmarks/speed/batches.py
LARGEST_BATCH = 256  # images, on CUDA; more do not take less time for each
MEMORY_SHARE = 0.5  # of CUDA's free memory, for a batch's activations
PEAK_BYTES = 4 * 1.7  # for each number that is held at a time: 1.1 to 1.7 as many were measured on a CPU
Images = Image.Image | Sequence[Image.Image]


def framed_images(
    images: Images, preprocessing: Preprocessing, size: int | None, framing: Framing
) -> tuple[Image.Image, ...]:
    """What the network sees of images. Raises SettingError without one, and as `frame_image`."""
    images = [images] if isinstance(images, Image.Image) else images
    if not images:
        raise SettingError("Give at least one image.")
    return tuple(frame_image(image, preprocessing, size, framing) for image in images)


def batches(
    framed: Sequence[Image.Image], preprocessing: Preprocessing, device: torch.device, count: int
) -> Iterator[Tensor]:
    """Framed images as batches of `count` on a device, (B, 3, S, S). Only 8-bit numbers are sent there."""
    for start in range(0, len(framed), count):
        pixels = to_pixels(framed[start : start + count])
        if device.type == "cuda":
            pixels = pixels.pin_memory()
        yield normalised(pixels.to(device, non_blocking=True), preprocessing)


def images_at_once(architecture: Architecture, names: tuple[str, ...], size: int, device: torch.device) -> int:
    """How many images of `size` pixels a side go through a network together: on CUDA, as many as fit."""
    if architecture.one_by_one:
        return 1
    if device.type != "cuda":
        return max(1, BATCH_PIXELS // size**2)
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # which torch holds for reuse
    numbers, _ = architecture.peak_numbers(names, size)
    return min(max(1, int(MEMORY_SHARE * free / (PEAK_BYTES * numbers))), LARGEST_BATCH)
