"""Images on a plane, as a mosaic: in each cell of a grid the image that is nearest to the cell's centre."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

ROWS, COLUMNS = 24, 40
CELL = 32  # pixels
EDGES = (0.5, 99.5)  # percentiles of the positions: what lies beyond is drawn at the edge
QUALITY = 82


@dataclass(frozen=True)
class Plane:
    """Where images lie: `cells` has the number of each image's cell, (n,), -1 for those that lie nowhere.

    `distances` are those from the cells' centres, (n,), in cells; `mosaic` is the picture, as WebP, which is clear
    where no image lies.
    """

    cells: NDArray[np.int16]
    distances: NDArray[np.float32]
    mosaic: bytes

    @classmethod
    def of(
        cls, positions: NDArray[np.float32], is_placed: NDArray[np.bool_], thumbnail: Callable[[int], bytes]
    ) -> "Plane":
        """The plane of images at positions, (n, 2), to the right and upwards."""
        cells, distances = on_grid(positions, is_placed)
        drawn = _nearest_to_centres(cells, distances)
        return cls(cells, distances, _mosaic({cell: thumbnail(place) for cell, place in drawn.items()}))

    def images_in(self, row: int, column: int) -> NDArray[np.intp]:
        """The places of a cell's images, the nearest to its centre first."""
        places = np.flatnonzero(self.cells == row * COLUMNS + column)
        return places[np.argsort(self.distances[places], kind="stable")]


def on_grid(
    positions: NDArray[np.float32], is_placed: NDArray[np.bool_]
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """The cell of each image, (n,), -1 for one that has no place, and how far it is from its centre, (n,)."""
    cells, distances = np.full(len(positions), -1, np.int16), np.zeros(len(positions), np.float32)
    if not is_placed.any():
        return cells, distances
    low, high = np.percentile(positions[is_placed], EDGES, axis=0)
    size = np.array([COLUMNS, ROWS])
    spans = np.where(high > low, high - low, 1)
    scaled = (positions - low) / spans * size
    indices = np.clip(scaled.astype(np.int64), 0, size - 1)
    distances[:] = np.linalg.norm(scaled - indices - 0.5, axis=1)
    numbers = (ROWS - 1 - indices[:, 1]) * COLUMNS + indices[:, 0]
    cells[is_placed] = numbers[is_placed]
    return cells, distances


def _nearest_to_centres(cells: NDArray[np.int16], distances: NDArray[np.float32]) -> dict[int, int]:
    """The place of the image that is nearest to the centre of each cell, by the cell's number."""
    placed = np.flatnonzero(cells >= 0)
    order = placed[np.lexsort((placed, distances[placed], cells[placed]))]
    numbers, first = np.unique(cells[order], return_index=True)
    return dict(zip(numbers.tolist(), order[first].tolist(), strict=True))


def _mosaic(files: dict[int, bytes]) -> bytes:
    """The thumbnails in their cells, cut to squares."""
    whole = Image.new("RGBA", (COLUMNS * CELL, ROWS * CELL))
    for cell, file in files.items():
        with Image.open(io.BytesIO(file)) as image:
            image.draft("RGB", (CELL, CELL))  # JPEG is decoded at a fraction of its size
            tile = ImageOps.fit(image.convert("RGB"), (CELL, CELL))
        whole.paste(tile.convert("RGBA"), (cell % COLUMNS * CELL, cell // COLUMNS * CELL))
    buffer = io.BytesIO()
    whole.save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()
