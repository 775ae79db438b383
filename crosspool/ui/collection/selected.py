"""The selected image: larger, with what is known of it, and what can be done with it."""

from functools import partial
from html import escape

import numpy as np
import streamlit as st

from crosspool.text import number, rough_percent
from crosspool.ui.collection.view import NONE, View, go
from crosspool.ui.maps.collection_tiles import label_title, peak_box, picture_size, short_name
from crosspool.ui.maps.selection import forget_channels
from crosspool.ui.runtime.collection import ArrangedStore, StoreMaps
from crosspool.ui.visit.images import add_image
from crosspool.ui.visit.link import ChosenClassifier, LinkState
from crosspool.ui.visit.state import visit_state
from crosspool.ui.widgets.bars import Bar, bars
from crosspool.ui.widgets.reveal import reveal

CHANNELS = 8  # the strongest, of an image
HINT = "Press an image to see more of it."


def selected_image(ready: ArrangedStore, view: View) -> None:
    """The image's picture, its names, its strongest channels, and the ways on from it."""
    if view.place == NONE:
        if view.by != "unread":
            with st.container(key="collection-hint"):
                st.caption(HINT)
        return
    place, texts = view.place, ready.collection.texts
    path = texts["path"][place] or ""
    reveal(f"image-{place}", f"{short_name(path)} is selected.")
    st.html(_picture(ready, view))
    _actions(ready, place)
    if ready.collection.channels:
        _strongest_channels(ready, view)


def _picture(ready: ArrangedStore, view: View) -> str:
    """The small picture enlarged, with the peak's patch where the wall is sorted by a map, and its names."""
    place, texts, frame = view.place, ready.collection.texts, ""
    path, label = texts["path"][place] or "", label_title(ready, place)
    if view.by == "map" and view.map != NONE and ready.maps is not None:
        left, top, right, bottom = (
            100 * part for part in peak_box(ready, ready.maps, view.map, place, picture_size(ready, place))
        )
        box = f"left: {left:.1f}%; top: {top:.1f}%; width: {right - left:.1f}%; height: {bottom - top:.1f}%"
        frame = f'<i style="{box}"></i>'
    picture = f'<img src="{ready.picture(place)}" alt="{escape(path)}">{frame}'
    names = f"<b>{escape(label)}</b> " if label else ""
    return (
        f'<figure class="collection-picture"><div>{picture}</div>'
        f"<figcaption>{names}<span>{escape(path)}</span></figcaption></figure>"
    )


def _actions(ready: ArrangedStore, place: int) -> None:
    label = ready.collection.texts["label"][place]
    with st.container(horizontal=True, gap="small", key="collection-actions"):
        like = partial(go, section="images", by="like", like=place, label="")
        st.button("Images like this", "collection-like", icon=":material/image_search:", on_click=like)
        if label is not None:
            only = partial(go, section="images", by="order", label=label)
            st.button("Only this label", "collection-only", icon=":material/label:", on_click=only)
        if ready.maps is not None:
            _links_to_pages(ready, ready.maps, place)
        st.button("Close image", "collection-close", icon=":material/close:", on_click=partial(go, place=NONE))
    if ready.maps is None:
        return
    side = ready.collection.store.plan.thumbnail
    st.caption(
        f"The store keeps no files but pictures of {side} px: “Its maps” and “Why this class?” show the maps of this "
        "small picture, whose numbers differ a little from the store's."
    )


def _links_to_pages(ready: ArrangedStore, maps: StoreMaps, place: int) -> None:
    take = partial(_take, ready, maps, place)
    if st.button("Its maps", "collection-maps", icon=":material/grid_view:", on_click=take):
        st.switch_page("pages/weighting_maps.py")
    if st.button("Why this class?", "collection-why", icon=":material/balance:", on_click=take):
        st.switch_page("pages/contributions.py")


def _take(ready: ArrangedStore, maps: StoreMaps, place: int) -> None:
    """Take the image to the other pages, which show what the store was made with."""
    add_image(ready.collection.thumbnail(place), short_name(ready.collection.texts["path"][place] or "image"))
    take_network(maps)


def take_network(maps: StoreMaps) -> None:
    """Let the other pages show the maps that the store was made with."""
    link = visit_state(LinkState)
    link.backbone, link.weights, link.pair = maps.backbone, maps.weights, maps.pair
    link.size, link.framing, link.signed = maps.size, maps.framing, False
    forget_channels()
    chosen = visit_state(ChosenClassifier)
    chosen.classifier, link.positive, link.against = "", "", ""


def _strongest_channels(ready: ArrangedStore, view: View) -> None:
    """The channels with most of the image's energy; a press sorts the wall by one."""
    peaks, energies = ready.collection.channels_of(view.place)
    shares = np.square(energies, dtype=np.float64)
    shares /= shares.sum() or 1
    strongest = np.argsort(-shares, kind="stable")[:CHANNELS].tolist()
    st.markdown("**Its strongest maps**, by their share of energy")
    rows = [
        Bar(
            str(channel), f"Map {channel}", float(shares[channel]), rough_percent(shares[channel]),
            f"Map {channel}: {rough_percent(shares[channel])} of the energy, peak {number(peaks[channel])}",
            note=f"peak {number(peaks[channel])}",
        )
        for channel in strongest
    ]  # fmt: skip
    selected = str(view.map) if view.by == "map" else None
    bars(
        rows,
        key="collection-channels",
        selected=selected,
        choose=lambda id_: go(section="images", by="map", map=int(id_)),
    )
