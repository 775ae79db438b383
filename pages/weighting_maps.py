"""Every spatial weighting map of a layer pair over the image, and one of them enlarged."""

from crosspool.ui.maps.weighting_maps import weighting_maps_page

weighting_maps_page()
