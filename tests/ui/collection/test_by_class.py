"""Channels by classes: which channels, and the colours of their energies."""

import numpy as np

from crosspool.drawing.rendering import colour_table
from crosspool.ui.collection.by_class import CELL, COLOURS, MOST_CHANNELS, picture, telling_channels


def test_the_channels_that_tell_most_come_first():
    assert telling_channels(np.array([0.2, 0.9, 0, 0.9], np.float32)) == [1, 3, 0, 2]
    assert len(telling_channels(np.zeros(100, np.float32))) == MOST_CHANNELS


def test_every_channel_has_a_scale_of_its_own():
    energies = np.array([[0, 4, 0], [2, 2, 0]], np.float32)
    drawn = np.asarray(picture(energies))[CELL // 2 :: CELL, CELL // 2 :: CELL]
    table = colour_table(COLOURS)
    assert drawn.tolist() == [[table[step].tolist() for step in row] for row in ((0, 255, 0), (255, 128, 0))]
