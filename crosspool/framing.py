"""The squares of an image that a network sees: the whole, tiles, crops, regions, rotations; and these as a tensor.

`frame_image` gives exactly what the network sees, as 8-bit RGB, and `to_tensor` only normalises it: the app shows the
network's input itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import nanoarrow
import numpy as np
from PIL import Image

from crosspool.colours import upright_rgb
from crosspool.errors import SettingError

if TYPE_CHECKING:
    import torch

Framing: TypeAlias = Literal["crop", "squash"]
Interpolation: TypeAlias = Literal["bilinear", "bicubic"]
Views: TypeAlias = Literal["whole", "mirror", "tiles", "jitter", "augmented", "regions"]
Rectangle: TypeAlias = tuple[float, float, float, float]
"""(left, top, right, bottom), with x to the right and y downwards."""

VIEW_COUNTS: dict[Views, int] = {"whole": 1, "mirror": 1, "tiles": 4, "jitter": 10, "augmented": 16, "regions": 51}
MIN_SIZE, MAX_SIZE = 128, 896  # sides of the network's input, in pixels
MAX_ASPECT = 16  # longer strips are cut before they are enlarged
CROP_FRACTION = 0.875  # the side of a jittered crop over that of the image it is cut from: 224 / 256
AUGMENTED_FRACTION = 2 / 3  # the same of the crops of CNNaug-SVM, which have 4/9 of the image's area
ROTATION = 15  # degrees
REGIONS = (1, 3, 4, 5)  # in a row, at each scale: they overlap by half


@dataclass(frozen=True)
class Preprocessing:
    """The images that a network was trained on: sides in pixels, mean and std of RGB values between 0 and 1."""

    size: int
    """The side of the network's own square input."""
    crop_fraction: float
    """The side of the crop over the shorter side of the resized image, such as 224 / 256 = 0.875."""
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not 0 < self.crop_fraction <= 1:
            raise SettingError(f"The crop fraction must be above 0 and at most 1, not {self.crop_fraction}.")
        if self.interpolation not in get_args(Interpolation):
            raise SettingError(f"The interpolation must be bilinear or bicubic, not {self.interpolation!r}.")


@dataclass(frozen=True, order=True)
class Source:
    """The output of a node of the traced network for certain views of an image.

    `size` is the side in pixels of the whole image as the network sees it, in one piece or in tiles. `network` is empty
    for the network that is worked with, or the name of one beside it.
    """

    node: str
    size: int
    views: Views
    framing: Framing
    network: str = ""

    @property
    def side(self) -> int:
        """The side of each view as the network sees it, in pixels."""
        return self.size // 2 if self.views == "tiles" else self.size


def frame_image(
    image: Image.Image, preprocessing: Preprocessing, size: int | None = None, framing: Framing = "crop"
) -> Image.Image:
    """The `size` x `size` 8-bit RGB image that the network sees.

    "crop" resizes the shorter side to `size / crop_fraction` and cuts out the centre, as torchvision's `Resize` and
    `CenterCrop` do (which round the longer side down, and halves to even), except that a strip longer than
    `MAX_ASPECT` times its width is shortened first: its ends are never seen, and enlarged they would fill the memory.
    "squash" resizes the whole image without keeping its aspect. Pixels are those that torchvision gives for tensors of
    8 bits; Pillow's differ by one level of 255 in a few of a thousand, and by more only beside hard edges, where
    overshoot beyond black and white is cut off.

    Raises:
        SettingError: `size` is neither the network's own nor from `MIN_SIZE` to `MAX_SIZE`, or `framing` is neither
            "crop" nor "squash".
    """
    if framing not in get_args(Framing):
        raise SettingError(f"The framing must be crop or squash, not {framing!r}.")
    return frame_for_crops(image, preprocessing, input_side(preprocessing, size), framing)


def framed_part(size: tuple[int, int], preprocessing: Preprocessing, framing: Framing) -> Rectangle:
    """What the network sees of an image with sides of `size` (width, height), in the image's pixels."""
    width, height = size
    if framing == "squash":
        return 0.0, 0.0, float(width), float(height)
    side = preprocessing.crop_fraction * min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def fractions_of(box: Rectangle, frame: Rectangle) -> Rectangle | None:
    """The part of a box inside a frame, from 0 to 1 of the frame's sides; None where no part of it is inside."""
    left, top, right, bottom = (
        min(max((box[end] - frame[end % 2]) / (frame[end % 2 + 2] - frame[end % 2]), 0.0), 1.0) for end in range(4)
    )
    return (left, top, right, bottom) if left < right and top < bottom else None


def frame_for_crops(image: Image.Image, preprocessing: Preprocessing, side: int, framing: Framing) -> Image.Image:
    """As `frame_image`, but with sides of any length, to cut crops from."""
    upright = upright_rgb(image)
    if framing == "squash":
        return resized(upright, (side, side), preprocessing.interpolation)
    upright = _shorten(upright)
    shorter = round(side / preprocessing.crop_fraction)
    width, height = (int(shorter * length / min(upright.size)) for length in upright.size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    whole = resized(upright, (width, height), preprocessing.interpolation)
    return whole.crop((left, top, left + side, top + side))


def resized(image: Image.Image, size: tuple[int, int], interpolation: Interpolation) -> Image.Image:
    """The image with sides of `size`, each pixel a weighted mean of all that it covers.

    By torch, which takes a quarter of Pillow's time on processors with AVX2, and gives the same bits on those without.
    """
    from torch.nn import functional as F  # only in functions, so that images can be read and drawn without torch

    pixels = _memory_of(image).permute(2, 0, 1).unsqueeze(0)  # channels last in memory
    result = F.interpolate(pixels, size[::-1], mode=interpolation, antialias=True)
    return Image.fromarray(result[0, :3].permute(1, 2, 0).contiguous().numpy())


def _memory_of(image: Image.Image) -> "torch.Tensor":
    """The pixels of an RGB image, (H, W, 4), where Pillow keeps them: the fourth number of each means nothing.

    (H, W, 3), a copy, where Pillow keeps the image in several pieces, as it does with large ones by default.
    """
    import torch

    try:
        # The view is taken of the child, as that of a parent's child does not keep the image alive.
        memory = nanoarrow.c_array(image).child(0).view().buffer(1)
    except ValueError:
        return torch.from_numpy(np.array(image))
    return torch.utils.dlpack.from_dlpack(memory).view(image.height, image.width, 4)


def to_tensor(framed: Sequence[Image.Image], preprocessing: Preprocessing) -> "torch.Tensor":
    """Normalise framed images: (B, 3, size, size), float32, on the CPU. Raises as `to_pixels`."""
    return normalised(to_pixels(framed), preprocessing)


def to_pixels(framed: Sequence[Image.Image]) -> "torch.Tensor":
    """Framed images as 8-bit numbers: (B, size, size, 3).

    Raises:
        SettingError: There are no images, they are not RGB, or their sizes differ.
    """
    import torch

    kinds = {(image.mode, image.size) for image in framed}
    if len(kinds) != 1 or next(iter(kinds))[0] != "RGB":
        raise SettingError("A batch needs at least one image, and all of them RGB and of one size.")
    return torch.from_numpy(np.stack([np.asarray(image) for image in framed]))


def normalised(pixels: "torch.Tensor", preprocessing: Preprocessing) -> "torch.Tensor":
    """8-bit numbers as a network's input, on the same device: (B, size, size, 3) to (B, 3, size, size), float32."""
    import torch

    each_channel = (preprocessing.mean, preprocessing.std)
    mean, std = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in each_channel)
    return pixels.permute(0, 3, 1, 2).contiguous().float().div_(255).sub_(mean).div_(std)


def input_side(preprocessing: Preprocessing, size: int | None) -> int:
    """The side of the network's input in pixels, by default its own. Raises SettingError if it is out of range."""
    if size is None or size == preprocessing.size:
        return preprocessing.size
    if type(size) is not int or not MIN_SIZE <= size <= MAX_SIZE:
        raise SettingError(f"The input size must be a whole number from {MIN_SIZE} to {MAX_SIZE}, not {size!r}.")
    return size


def _shorten(image: Image.Image) -> Image.Image:
    """Cut the ends off a strip that is longer than `MAX_ASPECT` times its width."""
    width, height = image.size
    limit = MAX_ASPECT * min(image.size)
    if max(image.size) <= limit:
        return image
    left, top = max(width - limit, 0) // 2, max(height - limit, 0) // 2
    return image.crop((left, top, left + min(width, limit), top + min(height, limit)))


def image_views(
    image: Image.Image, preprocessing: Preprocessing, size: int, views: Views, framing: Framing
) -> list[Image.Image]:
    """The images that go through the network, all of the same size.

    - "whole": the image at `size`.
    - "mirror": the same, mirrored left to right.
    - "tiles": the same, cut into 2 x 2 blocks in row-major order, with sides of `size / 2` (the paper's CL-45F).
    - "jitter": five crops of `size` (corners and centre) of the image at `size / 0.875`, and their mirror images.
    - "augmented": the image, five crops of 4/9 of its area (corners and centre), enlarged to `size`, the image turned
      by 15 degrees either way, and the mirror images of these, 16 in all: the views of CNNaug-SVM (Razavian et al.,
      CVPRW 2014, section 3.6, which does not say by how much the image is turned).
    - "regions": the image, and squares of 1/2, 2/5 and 1/3 of its side that overlap by half, enlarged to `size`: 51.
    """
    if views == "regions":
        return [region for count in REGIONS for region in _regions(image, preprocessing, size, framing, count)]
    if views == "jitter":
        return _with_mirrors(_crops(image, preprocessing, size, framing, CROP_FRACTION))
    whole, half = frame_image(image, preprocessing, size, framing), size // 2
    if views == "whole":
        return [whole]
    if views == "mirror":
        return [_mirrored(whole)]
    if views == "tiles":
        return [whole.crop((x, y, x + half, y + half)) for y in (0, half) for x in (0, half)]
    mean = tuple(round(255 * value) for value in preprocessing.mean)
    turned = [whole.rotate(angle, Image.Resampling.BICUBIC, fillcolor=mean) for angle in (-ROTATION, ROTATION)]
    return _with_mirrors([whole, *_crops(image, preprocessing, size, framing, AUGMENTED_FRACTION), *turned])


def _crops(
    image: Image.Image, preprocessing: Preprocessing, size: int, framing: Framing, fraction: float
) -> list[Image.Image]:
    enlarged = frame_for_crops(image, preprocessing, round(size / fraction), framing)
    end = enlarged.width - size
    corners = [(0, 0), (end, 0), (0, end), (end, end), (end // 2, end // 2)]
    return [enlarged.crop((x, y, x + size, y + size)) for x, y in corners]


def _regions(
    image: Image.Image, preprocessing: Preprocessing, size: int, framing: Framing, count: int
) -> list[Image.Image]:
    """`count` x `count` squares of `size` that cover the image, enlarged so that they overlap by half."""
    enlarged = frame_for_crops(image, preprocessing, size * (count + 1) // 2, framing)
    starts = [size * place // 2 for place in range(count)]
    return [enlarged.crop((x, y, x + size, y + size)) for y in starts for x in starts]


def _with_mirrors(images: list[Image.Image]) -> list[Image.Image]:
    return [*images, *map(_mirrored, images)]


def _mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
