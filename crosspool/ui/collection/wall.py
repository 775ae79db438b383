"""The wall: the images of a view, a page of them at a time."""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from crosspool.shards.codes import Codes
from crosspool.ui.collection.own_image import code_of_own_image
from crosspool.ui.collection.view import IMAGES_PER_PAGE, NONE, View, go, turn_to
from crosspool.ui.maps.collection_tiles import plain_tiles, strongest_tiles
from crosspool.ui.runtime.collection import ArrangedStore
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.in_turn import last_result
from crosspool.ui.widgets.thumbnails import thumbnails

Places = NDArray[np.intp]


@dataclass(frozen=True)
class WallPage:
    """Images by their places, with a note on each; whether there are more after them, and of how many, if known.

    `number` is that of the page, from 1.
    """

    number: int
    places: Places
    notes: tuple[str, ...]
    has_more: bool
    total: int | None


def wall(ready: ArrangedStore, view: View, empty: str, own: SourceImage | None = None) -> None:
    """The images of a view; `empty` is what to say where there are none, `own` the visitor's image they are like."""
    code = None if own is None else code_of_own_image(ready, own)
    key = ready.digest, view.wall, None if code is None else code.tobytes()
    page = last_result("collection wall", key, lambda: wall_page(ready, view, code))
    turn_to(page.number)
    if not len(page.places):
        st.info(empty, icon=":material/image_not_supported:")
        return
    if view.by == "map" and view.section != "plane":
        tiles = strongest_tiles(ready, view.map, page.places.tolist())
    else:
        tiles = plain_tiles(ready, zip(page.places.tolist(), page.notes, strict=True))
    thumbnails(
        tiles, selected=str(view.place), choose=lambda id_: go(place=int(id_)), key="collection-wall", wrapped=True,
        small=True,
    )  # fmt: skip
    pages_below(page)


def pages_below(page: WallPage) -> None:
    """The way to the images before and after these."""
    if page.number == 1 and not page.has_more:
        return
    first = (page.number - 1) * IMAGES_PER_PAGE
    with st.container(horizontal=True, vertical_alignment="center", key="collection-pages"):
        earlier, later = partial(go, page=page.number - 1), partial(go, page=page.number + 1)
        st.button("Earlier", "collection-earlier", icon=":material/chevron_left:", on_click=earlier, disabled=not first)
        of_all = "" if page.total is None else f" of {page.total:,}"
        st.caption(f"{first + 1:,} to {first + len(page.places):,}{of_all}", width="content")
        is_last = not page.has_more
        st.button("Later", "collection-later", icon=":material/chevron_right:", on_click=later, disabled=is_last)


def wall_page(ready: ArrangedStore, view: View, code: Codes | None = None) -> WallPage:
    """The images of a view's page; `code` is that of the visitor's own image, (w,), where they are like that."""
    page = page_of(ordered(ready, view, view.page * IMAGES_PER_PAGE + 1, code), view.page)
    total = _total(ready, view) if page.has_more else page.total
    return replace(page, notes=_notes(ready, view, page.places, code), total=total)


def page_of(places: Places, number: int) -> WallPage:
    """A page of images without notes; the last page where there are fewer, as a link may name one behind it."""
    number = min(number, max(1, -(-len(places) // IMAGES_PER_PAGE)))
    stop = number * IMAGES_PER_PAGE
    shown = places[stop - IMAGES_PER_PAGE : stop]
    return WallPage(number, shown, ("",) * len(shown), len(places) > stop, len(places))


def _total(ready: ArrangedStore, view: View) -> int | None:
    """How many images all pages have; None where that takes as long as to sort them."""
    if view.section != "images" or view.by in ("map", "copies"):
        return None
    return ready.counts[view.label] if view.label else len(ready.collection.is_read) - ready.unread


def ordered(ready: ArrangedStore, view: View, count: int, code: Codes | None = None) -> Places:
    """The places of the first images of a view, `count` at most."""
    if view.section == "plane":  # of all labels, as its picture is
        return ready.plane.images_in(*view.cell)[:count] if ready.plane is not None and view.cell is not None else _NONE
    collection, among = ready.collection, _among(ready, view.label)
    if view.by == "map" and view.map != NONE:
        return collection.strongest(view.map, among, count)
    if view.by == "like" and code is not None:
        return collection.nearest_to(code, among, count)
    if view.by == "like" and view.like >= 0:
        return collection.nearest(view.like, among, count)
    if view.by == "outliers":
        return collection.outliers(among, count)
    if view.by == "copies":
        groups = [group for group in collection.copies if among is None or among[group].any()]
        return np.concatenate([_NONE, *groups])[:count]
    return np.flatnonzero(collection.is_read if among is None else collection.is_read & among)[:count]


def likeness_text(likeness: float) -> str:
    """The cosine of two vectors' angle as the share of bits tells it that their codes have in common."""
    return f"{math.cos(math.pi * (1 - likeness)):.2f}".replace("-0.00", "0.00").replace("-", "−")


def _among(ready: ArrangedStore, label: str) -> NDArray[np.bool_] | None:
    if not label:
        return None
    among: NDArray[np.bool_] = ready.collection.targets == ready.collection.classes.index(label)
    return among


def _notes(ready: ArrangedStore, view: View, places: Places, code: Codes | None) -> tuple[str, ...]:
    """What is said of each image besides its label."""
    collection = ready.collection
    if view.section == "plane":
        return ("",) * len(places)
    if view.by == "like" and (view.like >= 0 or code is not None):
        own = collection.codes[view.like] if code is None else code
        return tuple(map(likeness_text, collection.likeness_to(own, places).tolist()))
    if view.by == "outliers":
        return tuple(map(likeness_text, collection.likeness[places].tolist()))
    if view.by == "copies":
        return tuple(f"group {ready.group_of[place]}" for place in places.tolist())
    return ("",) * len(places)


_NONE: Places = np.zeros(0, np.intp)
