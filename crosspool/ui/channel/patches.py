"""The patch of an image on which a channel is strongest, cut out around the peak of its map."""

from PIL import Image

from crosspool.backbones import architecture, spec_of
from crosspool.framing import frame_for_crops
from crosspool.receptive_field import Box, Fields
from crosspool.ui.maps.survey import ImageSummary, SurveyImage
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.in_turn import computed_in_turn
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.cell_image import Cell

CELLS = 3  # of the map that a patch spans
LEAST_SHARE = 5  # of the image's side: a patch of a fine map is a fifth of it
SIDE = 168  # pixels of the image that is shown
LONGEST_SIDE = 896  # pixels of the whole image that a patch is cut from

PatchKey = tuple[MapRequest, Cell]
PATCHES = CacheKind[PatchKey, str]("patches", len, lambda key: key[0].image)


def patch_side(request: MapRequest) -> int:
    """The side of a patch in pixels of the network's input.

    Three cells of the map, but at least a fifth of the image, and never more than the receptive field. In deep layers
    the theoretical field is larger than the image, while its centre counts most.
    """
    rows, columns = _fields(request, request.size)
    field = max(stop - start for start, stop in (*rows, *columns))
    return min(field, max(-(-CELLS * request.size // min(len(rows), len(columns))), request.size // LEAST_SHARE))


def patch_window(request: MapRequest, cell: Cell) -> Box:
    """The part of the network's input to cut out for a cell of the map.

    It is centred on the cell's receptive field, or where that reaches over the image's edge, on the cell; then it is
    moved inside the image.
    """
    side, size = patch_side(request), request.size
    starts = []
    for spans, index in zip(_fields(request, size), cell, strict=True):
        start, stop = spans[index]
        is_whole = start > 0 and stop < size
        centre = (start + stop) / 2 if is_whole else (index + 0.5) * size / len(spans)
        starts.append(round(min(max(centre - side / 2, 0), size - side)))
    top, left = starts
    return Box(left, top, left + side, top + side)


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


def _fields(request: MapRequest, size: int) -> Fields:
    network = architecture(request.backbone)
    return network.receptive_fields(network.pair(request.pair), size)
