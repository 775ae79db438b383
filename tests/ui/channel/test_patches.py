"""What a patch that was cut out shows."""

from dataclasses import replace

import numpy as np
from PIL import Image

from crosspool.ui.channel.patches import SIDE, cut_patch
from tests.ui.maps.test_patch_window import LAST


def test_a_patch_shows_what_is_there():
    """The middle of an image that the network sees whole, blue with a red square of the patch's size around it."""
    pixels = np.zeros((448, 448, 3), np.uint8)
    pixels[...] = (0, 0, 255)
    pixels[128:320, 128:320] = (255, 0, 0)
    patch = np.asarray(cut_patch(Image.fromarray(pixels), replace(LAST, framing="squash"), (3, 3)))
    assert patch.shape == (SIDE, SIDE, 3)
    assert (patch[4:-4, 4:-4] == (255, 0, 0)).all()
    beside = np.asarray(cut_patch(Image.fromarray(pixels), replace(LAST, framing="squash"), (3, 0)))
    assert (beside[:, : SIDE // 2] == (0, 0, 255)).all()
