"""The patch of an image on which a channel is strongest, cut out around the peak of its map."""

from PIL import Image

from crosspool.backbones import spec_of
from crosspool.framing import frame_for_crops
from crosspool.ui.maps.patch_window import patch_window
from crosspool.ui.maps.survey import ImageSummary, SurveyImage
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.in_turn import computed_in_turn
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.cell_image import Cell

SIDE = 168  # pixels of the image that is shown
LONGEST_SIDE = 896  # pixels of the whole image that a patch is cut from

PatchKey = tuple[MapRequest, Cell]
PATCHES = CacheKind[PatchKey, str]("patches", len, lambda key: key[0].image)


def cut_patch(image: Image.Image, request: MapRequest, cell: Cell) -> Image.Image:
    """The patch of a cell, `SIDE` pixels wide, from an image in its own resolution."""
    window = patch_window(request, cell)
    factor = min(max(SIDE / window.width, 1), LONGEST_SIDE / request.size)
    side = round(factor * request.size)
    framed = frame_for_crops(image, spec_of(request.backbone).preprocessing, side, request.framing)
    box = window.scaled(side / request.size)
    return framed.resize((SIDE, SIDE), Image.Resampling.BICUBIC, (box.left, box.top, box.right, box.bottom))


def peak_patch(image: SurveyImage, summary: ImageSummary, channel: int) -> str:
    """The patch at the peak of a channel's map as a data URL. Raises ImageError if the image cannot be read."""
    key = image.request, (int(summary.row[channel]), int(summary.column[channel]))
    return computed_in_turn(PATCHES, key, lambda: data_url(cut_patch(image.read(), *key)))
