"""A channel on the images of a set: its strongest patches, what it does on each image, and the maps most like it."""

import streamlit as st

from crosspool.drawing.rendering import Look
from crosspool.errors import ImageError
from crosspool.layer_pairs import LayerPair
from crosspool.ui.channel.alike import correlations_over_images, most_alike
from crosspool.ui.channel.over_images import ComputedImage, summary_sentence, table_of_images
from crosspool.ui.channel.patches import peak_patch
from crosspool.ui.maps.across import strongest_first
from crosspool.ui.maps.patch_window import patch_side
from crosspool.ui.maps.selection import select_channel
from crosspool.ui.maps.survey import ImageSet, SurveyImage
from crosspool.ui.maps.surveying import Row, SurveyState
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.in_turn import last_result
from crosspool.ui.visit.state import visit_state
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import number
from crosspool.ui.widgets.thumbnails import Thumbnail, thumbnails

MAX_IMAGES = 12  # with a patch, and a row of the table
MAX_COMPARED = 32  # images over which maps are compared
ALIKE = 9  # maps shown, besides the channel's own
THUMBNAIL = 144  # pixels


def channel_on_images(
    chosen: SourceImage, request: MapRequest, maps: ImageMaps, channel: int, look: Look, image_set: ImageSet,
    rows: list[Row], running: bool,
) -> None:  # fmt: skip
    """What the computed images say of the channel."""
    ordered = strongest_first(rows, channel, "peak")
    computed: list[ComputedImage] = [(image, summary) for image, summary in ordered if summary is not None]
    if not computed:
        return
    st.caption(f"{summary_sentence(computed, channel)}{image_set.note}")
    _strongest_patches(chosen, request, maps.pair, channel, computed)
    halves = st.container(key="halves-channel")
    table_column, alike_column = halves.columns(2, gap="medium")
    with table_column:
        st.header("On each image", anchor=False)
        st.html(table_of_images(computed[:MAX_IMAGES], channel))
    with alike_column:
        _maps_alike(maps, channel, look, computed)


def _strongest_patches(
    chosen: SourceImage, request: MapRequest, pair: LayerPair, channel: int, computed: list[ComputedImage]
) -> None:
    """The patch of each image on which the channel is strongest, cut out at its peak."""
    st.header("Strongest patches", anchor=False)
    items = []
    images: dict[str, SurveyImage] = {}
    for image, summary in computed[:MAX_IMAGES]:
        if summary.peak[channel] == 0:
            continue
        try:
            patch = peak_patch(image, summary, channel)
        except ImageError:
            continue  # the survey says what is wrong with it
        key, peak = image.request.image, number(summary.peak[channel])
        images[key] = image
        alt = f"{image.title}: the patch where map {channel} has its peak of {peak}"
        items.append(Thumbnail(key, f"{peak} · {image.title}", alt, patch))

    def choose(key: str) -> None:
        images[key].show()
        visit_state(SurveyState).image_chosen = True

    if not items:
        st.caption("No patch: this map is zero everywhere on these images.")
        return
    thumbnails(items, selected=chosen.key, choose=choose, key="channel-patches", wrapped=True)
    side = patch_side(request)
    first = "" if pair.ceiling is None else "A clipped map can have its peak in several cells; this is the first. "
    st.caption(
        f"One patch of each image, around the peak of map {channel}: {side} × {side} of the image's {request.size} × "
        f"{request.size} pixels, at the centre of "
        f"{term('receptive field', 'what the cell can see')}. {first}Click a patch to choose its image."
    )


def _maps_alike(maps: ImageMaps, channel: int, look: Look, computed: list[ComputedImage]) -> None:
    """The maps whose weights rise and fall with this one's, over all positions of these images."""
    st.header("Maps most like it", anchor=False)
    compared = [summary for _, summary in computed[:MAX_COMPARED]]
    key = tuple(image.request for image, _ in computed[:MAX_COMPARED]), channel
    correlations = last_result("maps alike", key, lambda: correlations_over_images(compared, channel))
    alike = most_alike(correlations, channel, ALIKE)
    if not alike:
        st.caption("No other map rises and falls with this one on these images.")
        return
    photo = maps.framed.resize((THUMBNAIL, THUMBNAIL))
    items = []
    for other in (channel, *alike):
        picture = look.over(photo, maps.upper[other], look.colour_range(maps.statistics.peak, other))
        note = "this map" if other == channel else f"{correlations[other]:.2f}"
        items.append(Thumbnail(str(other), f"Map {other} · {note}", f"Map {other} over the image", data_url(picture)))
    selected = str(channel)
    thumbnails(items, selected=selected, choose=lambda key: select_channel(int(key)), key="channel-alike", wrapped=True)
    images = "this image" if len(compared) == 1 else f"{len(compared)} images"
    st.caption(
        f"Correlation with map {channel} over all cells of {images}: 1 is the same up to a factor. They are drawn "
        "over this one, where one may be empty that is alike on the others. Click to go there."
    )
