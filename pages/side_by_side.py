"""Side by side: a map, and one of another network, layer pair, size, training or image, under linked cursors."""

from crosspool.ui.side_by_side.page import side_by_side_page

side_by_side_page()
