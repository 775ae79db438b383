"""What is said of the weights that classes give to a channel."""

import numpy as np

from crosspool.channel_meaning import ChannelClasses
from crosspool.ui.channel.classes import RECTIFIED, about_weights


def test_the_typical_weight_is_named_and_what_the_page_cuts_off_of_a_map():
    classes = ChannelClasses(("ant", "bee"), np.array([[0.03], [-0.01]], np.float32))
    assert "A typical weight is ±0.020," in about_weights(classes, rectified=False)
    assert RECTIFIED not in about_weights(classes, rectified=False)
    assert about_weights(classes, rectified=True).endswith(RECTIFIED)
