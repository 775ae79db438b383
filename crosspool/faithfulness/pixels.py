"""The same question asked of the image itself: cells of its pixels are hidden, and the network runs again."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from crosspool.backbones import Backbone
from crosspool.classifiers import LinearClassifier
from crosspool.errors import SettingError
from crosspool.framing import frame_image
from crosspool.grids import Size

Scores = NDArray[np.float64]
Fill = Literal["blur", "mean"]
BLUR = 1 / 16  # of the side: the standard deviation of the blur, at which a small bird becomes a stain


def filled(image: Image.Image, fill: Fill) -> Image.Image:
    """What stands for hidden pixels: the image blurred beyond recognition, or its mean colour everywhere."""
    if fill == "blur":
        return image.filter(ImageFilter.GaussianBlur(BLUR * image.width))
    colour = np.asarray(image).reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
    return Image.new("RGB", image.size, tuple(colour))


def showing(image: Image.Image, hidden: Image.Image, cells: NDArray[np.bool_]) -> Image.Image:
    """The image in those cells of a grid over it, (H, W), and what stands for hidden pixels in the others."""
    return Image.composite(image, hidden, mask_of(cells, (image.height, image.width)))


def mask_of(cells: NDArray[np.bool_], size: Size) -> Image.Image:
    """Cells as a mask of pixels: a pixel belongs to the cell that its centre lies in."""
    rows, columns = (
        (np.arange(pixels) * 2 + 1) * count // (2 * pixels) for pixels, count in zip(size, cells.shape, strict=True)
    )
    return Image.fromarray((cells[np.ix_(rows, columns)] * 255).astype(np.uint8))


class Pixels:
    """An image whose cells of pixels are shown or hidden, as a classifier sees it.

    Raises SettingError where the classifier sees a crop, as what was framed would be cropped once more.
    """

    def __init__(
        self, classifier: LinearClassifier, backbone: Backbone, image: Image.Image, grid: Size, fill: Fill
    ) -> None:
        method = classifier.method
        if method.framing != "squash":
            raise SettingError(
                "Pixels can only be hidden from a classifier that sees the whole image; train with squash framing."
            )
        size = max(source.size for source in method.sources)
        self.image = frame_image(image, backbone.spec.preprocessing, size, "squash")
        self.hidden = filled(self.image, fill)
        self._classifier, self._backbone, self._grid = classifier, backbone, grid

    def both_ways(self, ranking: NDArray[np.intp], counts: NDArray[np.intp]) -> tuple[Scores, Scores]:
        """The classes' scores, (n, L) each, when only the first of the ranked cells are shown, and when these are
        hidden."""
        first = [np.isin(np.arange(len(ranking)), ranking[:count]).reshape(self._grid) for count in counts]
        return self._scores(first), self._scores([~cells for cells in first])

    def _scores(self, shown_cells: Sequence[NDArray[np.bool_]]) -> Scores:
        images = [showing(self.image, self.hidden, cells) for cells in shown_cells]
        return np.concatenate([self._classifier.scores([image], self._backbone) for image in images])
