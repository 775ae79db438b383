"""The views of an image from which a representation is computed: the whole, tiles of it enlarged, crops, rotations."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from crosspool.framing import Framing, Preprocessing, frame_for_crops, frame_image

Views = Literal["whole", "tiles", "jitter", "augmented"]

CROP_FRACTION = 0.875  # the side of a jittered crop over that of the image it is cut from: 224 / 256
ROTATION = 15  # degrees


@dataclass(frozen=True, order=True)
class Source:
    """What a node of the traced network yields for certain views of an image.

    `size` is the side in pixels of the whole image as the network sees it, in one piece or in tiles.
    """

    node: str
    size: int
    views: Views
    framing: Framing


def image_views(
    image: Image.Image, preprocessing: Preprocessing, size: int, views: Views, framing: Framing
) -> list[Image.Image]:
    """The images that go through the network, all of one size.

    - "whole": the image at `size`.
    - "tiles": the same, cut into 2 x 2 blocks in row-major order, each `size / 2` a side (the paper's CL-45F).
    - "jitter": five crops of `size` (corners and centre) of the image at `size / 0.875`, and their mirror images.
    - "augmented": the image, those five crops, and the image turned by 15 degrees either way, and all their mirror
      images, 16 in all: the views of CNNaug-SVM (Razavian et al., CVPRW 2014), as recalled.
    """
    return _VIEWS[views](image, preprocessing, size, framing)


def _whole(image: Image.Image, preprocessing: Preprocessing, size: int, framing: Framing) -> list[Image.Image]:
    return [frame_image(image, preprocessing, size, framing)]


def _tiles(image: Image.Image, preprocessing: Preprocessing, size: int, framing: Framing) -> list[Image.Image]:
    whole, half = frame_image(image, preprocessing, size, framing), size // 2
    return [whole.crop((x, y, x + half, y + half)) for y in (0, half) for x in (0, half)]


def _crops(image: Image.Image, preprocessing: Preprocessing, size: int, framing: Framing) -> list[Image.Image]:
    enlarged = frame_for_crops(image, preprocessing, round(size / CROP_FRACTION), framing)
    end = enlarged.width - size
    corners = [(0, 0), (end, 0), (0, end), (end, end), (end // 2, end // 2)]
    return [enlarged.crop((x, y, x + size, y + size)) for x, y in corners]


def _jitter(image: Image.Image, preprocessing: Preprocessing, size: int, framing: Framing) -> list[Image.Image]:
    return _with_mirrors(_crops(image, preprocessing, size, framing))


def _augmented(image: Image.Image, preprocessing: Preprocessing, size: int, framing: Framing) -> list[Image.Image]:
    whole = frame_image(image, preprocessing, size, framing)
    mean = tuple(round(255 * value) for value in preprocessing.mean)
    turned = [whole.rotate(angle, _BICUBIC, fillcolor=mean) for angle in (-ROTATION, ROTATION)]
    return _with_mirrors([whole, *_crops(image, preprocessing, size, framing), *turned])


def _with_mirrors(images: list[Image.Image]) -> list[Image.Image]:
    return [*images, *(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images)]


_BICUBIC = Image.Resampling.BICUBIC
_VIEWS: dict[Views, Callable[[Image.Image, Preprocessing, int, Framing], list[Image.Image]]] = {
    "whole": _whole,
    "tiles": _tiles,
    "jitter": _jitter,
    "augmented": _augmented,
}
