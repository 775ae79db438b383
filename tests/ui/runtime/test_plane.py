"""Images on a plane: their cells, and the mosaic."""

import io

import numpy as np
from PIL import Image

from crosspool.ui.runtime.plane import CELL, COLUMNS, ROWS, Plane, on_grid


def jpeg(colour):
    file = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(file, "JPEG")
    return file.getvalue()


def corners(*colours):
    """Four images in the corners, the last of which could not be read, and one more near the first."""
    positions = np.array([[0, 0], [1, 0], [0, 1], [9, 9], [0.001, 0]], np.float32)
    files = [jpeg(colour) for colour in colours]
    return Plane.of(positions, np.array([True, True, True, False, True]), files.__getitem__)


def test_to_the_right_and_upwards():
    plane = corners("red", "green", "blue", "white", "black")
    assert plane.cells.tolist() == [(ROWS - 1) * COLUMNS, ROWS * COLUMNS - 1, 0, -1, (ROWS - 1) * COLUMNS]
    assert sorted(plane.images_in(ROWS - 1, 0).tolist()) == [0, 4]
    assert plane.images_in(5, 5).tolist() == []


def test_a_cell_shows_the_image_next_to_its_centre_and_is_clear_without_one():
    plane = corners("red", "lime", "blue", "white", "black")
    with Image.open(io.BytesIO(plane.mosaic)) as mosaic:
        assert mosaic.size == (COLUMNS * CELL, ROWS * CELL)
        pixels = np.asarray(mosaic.convert("RGBA"))[CELL // 2 :: CELL, CELL // 2 :: CELL]
    nearest = plane.images_in(ROWS - 1, 0)[0]
    assert plane.distances[nearest] == min(plane.distances[[0, 4]])
    assert np.abs(pixels[0, 0].astype(int) - (0, 0, 255, 255)).max() < 12
    assert np.abs(pixels[-1, -1].astype(int) - (0, 255, 0, 255)).max() < 12
    assert (pixels[..., 3] > 0).sum() == 3


def test_images_in_one_point_or_none_have_a_plane_too():
    for is_placed in (np.ones(3, bool), np.zeros(3, bool)):
        cells, distances = on_grid(np.ones((3, 2), np.float32), is_placed)
        assert len(set(cells.tolist())) == 1
        assert np.isfinite(distances).all()
