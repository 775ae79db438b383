"""The part of the network's input that stands for a cell of a map, to be cut out or marked where its peak is."""

from crosspool.backbones import architecture
from crosspool.receptive_field import Box, Fields
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.widgets.cell_image import Cell

CELLS = 3  # of the map that a patch spans
LEAST_SHARE = 5  # of the image's side: a patch of a fine map is a fifth of it


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


def _fields(request: MapRequest, size: int) -> Fields:
    network = architecture(request.backbone)
    return network.receptive_fields(network.pair(request.pair), size)
