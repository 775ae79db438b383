"""Which part of the input stands for a cell: around its receptive field's centre, inside, and of a sensible size."""

from dataclasses import replace

import pytest

from crosspool.ui.maps.patch_window import patch_side, patch_window
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.runtime.quota import ImageHash

LAST = MapRequest(
    image=ImageHash("a"), backbone="efficientnet_lite0", weights="pretrained", pair="conv_head", size=224,
    framing="crop", signed=False, border="zero",
)  # fmt: skip
FIRST = replace(LAST, pair="blocks.0.project_conv")


@pytest.mark.parametrize(
    ("request_", "side"), [(LAST, 96), (FIRST, 7), (replace(LAST, size=448), 96), (replace(LAST, size=896), 179)]
)
def test_a_patch_spans_three_cells_but_no_more_than_a_cell_can_see(request_, side):
    assert patch_side(request_) == side


def test_it_lies_around_the_cell_and_inside_the_image():
    assert patch_window(LAST, (3, 3)) == patch_window(LAST, (3, 3)).clipped(224)
    middle, corner, edge = (patch_window(LAST, cell) for cell in ((3, 3), (0, 0), (6, 3)))
    assert (middle.left, middle.top, middle.width, middle.height) == (64, 64, 96, 96)
    assert (corner.left, corner.top) == (0, 0)
    assert (edge.left, edge.bottom) == (64, 224)


def test_where_the_field_is_small_it_is_the_patch():
    window = patch_window(FIRST, (3, 4))
    assert (window.left, window.top, window.right, window.bottom) == (6, 4, 13, 11)
