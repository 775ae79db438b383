"""The part of the input image on which one position of a map can depend.

The field of a position is found by walking the traced graph back to the image: each operation tells which part of its
inputs a part of its output depends on (`crosspool.dependence`), a join takes the union of its branches, and anything
that reads a whole map (squeeze-and-excite, attention, global pooling) or of which nothing is known yields the whole
image. This is the theoretical field: an upper bound, of which the centre usually counts most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx

from crosspool.dependence import read_by
from crosspool.layer_pairs import LayerPair
from crosspool.regions import Interval, Region, union, whole
from crosspool.tracing import Layout

Span = tuple[int, int]  # the first pixel, and the one after the last
Fields = tuple[Sequence[Span], Sequence[Span]]  # of rows, and of columns


@dataclass(frozen=True)
class Box:
    """Rows top..bottom-1 and columns left..right-1 of an image, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def scaled(self, factor: float) -> "Box":
        """The same box in an image enlarged by `factor`."""
        return Box(*(round(value * factor) for value in (self.left, self.top, self.right, self.bottom)))

    def joined(self, other: "Box") -> "Box":
        """The smallest box around both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Box(left, top, max(self.right, other.right), max(self.bottom, other.bottom))

    def clipped(self, size: int) -> "Box":
        """The part inside an image of `size` x `size` pixels."""
        return Box(*(min(max(value, 0), size) for value in (self.left, self.top, self.right, self.bottom)))


def receptive_field(layout: Layout, node_name: str, row: int, column: int) -> Box:
    """The pixels of the framed image on which position (row, column) of a node's map can depend, clipped to the image.

    Raises IndexError if the position lies outside the map.
    """
    rows, columns = layout.map_size(node_name)
    if not (0 <= row < rows and 0 <= column < columns):
        raise IndexError(f"Position ({row}, {column}) lies outside a map of {rows}×{columns}.")
    return _read_by(layout, node_name, (row, row), (column, column))


def _read_by(layout: Layout, node_name: str, rows: Interval, columns: Interval) -> Box:
    """The pixels on which a part of a node's map can depend: some of its rows, and some of its columns."""
    modules = dict(layout.model.named_modules())
    shape = layout.shapes[node_name]
    part: Region = (*whole(shape[:-2]), rows, columns)
    regions: dict[fx.Node, Region] = {layout.node(node_name): part}
    for node in reversed(layout.graph.nodes):
        region = regions.get(node)
        if region is None or node.op == "placeholder":
            continue
        for source, read in read_by(node, region, layout, modules).items():
            if read:
                regions[source] = union(read, regions[source]) if source in regions else read
    image = next(node for node in layout.graph.nodes if node.op == "placeholder")
    (top, bottom), (left, right) = regions.get(image, whole(layout.shapes[image.name]))[2:]
    return Box(left, top, right + 1, bottom + 1)


def receptive_fields(layout: Layout, node_name: str) -> Fields:
    """The rows of the image that each row of a node's map can depend on, and likewise the columns, in pixels."""
    rows, columns = layout.map_size(node_name)
    of_rows = [_read_by(layout, node_name, (row, row), (0, columns - 1)) for row in range(rows)]
    of_columns = [_read_by(layout, node_name, (0, rows - 1), (column, column)) for column in range(columns)]
    return tuple((box.top, box.bottom) for box in of_rows), tuple((box.left, box.right) for box in of_columns)


def patch_box(pair: LayerPair, row: int, column: int) -> Box:
    """The m x n patch of the lower map under position (row, column), in cells of the lower map.

    Where the convolution pads with zeros, the box may extend beyond the border of the map.
    """
    top = row * pair.stride[0] - pair.padding[0]
    left = column * pair.stride[1] - pair.padding[1]
    height = pair.dilation[0] * (pair.kernel_size[0] - 1) + 1
    width = pair.dilation[1] * (pair.kernel_size[1] - 1) + 1
    return Box(left, top, left + width, top + height)
