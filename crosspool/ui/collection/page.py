"""The page of a collection: a store of features and small pictures, which the operator has made."""

from functools import partial
from html import escape

import streamlit as st

from crosspool.backbones import spec_of
from crosspool.errors import BackboneError, CrosspoolError
from crosspool.text import plural
from crosspool.ui.collection.by_class import classes_section
from crosspool.ui.collection.own_image import own_image
from crosspool.ui.collection.selected import selected_image
from crosspool.ui.collection.unread import unread_section
from crosspool.ui.collection.view import (
    NAMES,
    NONE,
    OWN,
    CollectionState,
    View,
    current_view,
    go,
    start_from_address,
    write_view,
)
from crosspool.ui.collection.wall import wall
from crosspool.ui.maps.collection_tiles import short_name
from crosspool.ui.maps.page import start_from_link
from crosspool.ui.runtime.collection import ArrangedStore, ServedStore
from crosspool.ui.runtime.plane import COLUMNS, ROWS
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, choose_image, chosen_image
from crosspool.ui.visit.state import bound_value, visit_state
from crosspool.ui.visit.waiting import errors_shown
from crosspool.ui.widgets.cell_image import cell_image
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.reveal import reveal
from crosspool.ui.widgets.text import as_it_is

WATCH_SECONDS = 0.5
MOST_LISTED = 1000  # labels in a list, which the browser gets with every run
SECTIONS = {"images": "Images", "plane": "By likeness", "classes": "Channels by classes"}
ORDERS = {
    "order": "as in the store", "map": "by a map", "like": "by likeness to an image", "copies": "near-copies",
    "outliers": "unlike all others", "unread": "could not be read",
}  # fmt: skip
NO_IMAGE = "No image matches these choices."
EMPTY = {
    "map": "This map is zero on all of these images.",
    "copies": "None of these images is nearly the same as another.",
}
CHOOSE = "Select an image and press “Images like this”, or “Use my photo”."
NOT_HERE = "The image of this link is not here: it stays with whoever chose it. "
ABOUT = {
    "map": "Images with the highest {peak} of map {map} first, of equal peaks those with more energy; the frame is "
    "around the patch where it has its peak.",
    "like": "The number says how alike each image is to this one by their short codes: 1 is the same, 0 no more than "
    "two images at random.",
    "copies": "Groups of images that look nearly the same, such as one photo at two sizes, compressed again, or cut by "
    "one or two per cent; the largest group first.",
    "outliers": "The number says how alike each image is to the most similar of {others} by their short codes: 1 is "
    "the same, 0 no more than two images at random.",
}


def collection_page() -> None:
    """The page."""
    served = current_server().collection
    if served is None:
        raise CrosspoolError("This server has no collection.")
    served.begin()
    start_from_link(carried=(), others=NAMES)
    with st.container(horizontal=True, vertical_alignment="center", key="collection-head"):
        _title(served)
        if served.ready is not None:
            _own_image()
    if served.ready is None:
        _progress(served)
        return
    start_from_address(served.ready)
    _explore(served.ready)


def _title(served: ServedStore) -> None:
    plan, unread = served.store.plan, 0 if served.ready is None else served.ready.unread
    but = f", {unread:,} of which could not be read," if unread else ""
    st.title("Collection", anchor=False, width="content")
    st.caption(
        f"{plural(plan.images, 'image')}{but} of **{as_it_is(plan.name)}** as {as_it_is(_network(plan.backbone))} sees "
        f"them (`{plan.method}`)"
    )


def _network(name: str) -> str:
    """The title of a network; the name of one that this server does not have."""
    try:
        return spec_of(name).title
    except BackboneError:
        return name


def _own_image() -> None:
    """The choice of the visitor's image, to sort those of the store by."""
    icon = ":material/add_photo_alternate:"
    with st.popover("Use my photo", icon=icon, key="collection-own", on_change="rerun") as own:
        if own.open:
            choose_image(menu=False)
            st.button("Images like this one", "collection-like-own", on_click=_like_own)


def _like_own() -> None:
    st.session_state["collection-own"] = False  # closes what is in the way
    visit_state(CollectionState).own = chosen_image().key
    go(section="images", by="like", like=OWN, label="")


@st.fragment(run_every=WATCH_SECONDS)
def _progress(served: ServedStore) -> None:
    """How far the arrangement is, until it is there."""
    if served.ready is not None:
        st.rerun()
    if served.problem:
        st.error(as_it_is(served.problem), icon=":material/error:")
        return
    images = len(served.store)
    st.progress(served.done / images, text=f"Arranging the collection: {served.done:,} of {images:,} images …")


@st.fragment
@errors_shown()
def _explore(ready: ArrangedStore) -> None:
    """Everything that a press changes."""
    view = current_view()
    for note in visit_state(CollectionState).notes:
        st.info(note, icon=":material/link_off:")
    _sections(ready, view)
    with st.container(key="large-wide-collection"):
        wall_column, image_column = st.columns(2, gap="medium")
    with wall_column:
        if view.section == "plane":
            _plane(ready, view)
        elif view.section == "classes":
            classes_section(ready, view)
        elif view.by == "unread":
            unread_section(ready, view)
        else:
            _images(ready, view)
    with image_column, st.container(key="collection-image"):
        selected_image(ready, view)
    write_view()


def _sections(ready: ArrangedStore, view: View) -> None:
    """Which part of the page is shown, and what its wall shows."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="collection-controls"):
        st.segmented_control(
            "Show", list(SECTIONS), format_func=SECTIONS.__getitem__, required=True,
            **bound_value("collection-section", view.section, lambda section: go(section=section), among=SECTIONS),
        )  # fmt: skip
        if view.section == "images":
            orders = [name for name in ORDERS if name != "map" or ready.collection.channels]
            order = bound_value("collection-by", view.by, partial(_sort, ready), among=orders)
            st.selectbox("Sorted", orders, format_func=ORDERS.__getitem__, width=230, **order)
            if view.by == "map":
                last = ready.collection.channels - 1
                chosen = bound_value("collection-map", view.map, lambda number: go(map=int(number)))
                st.number_input("Map", 0, last, width=130, **chosen)
        if ready.collection.classes and view.section == "images" and view.by != "unread":
            labels = ["", *sorted(ready.largest(MOST_LISTED) | {view.label} - {""})]
            label = bound_value("collection-label", view.label, lambda label: go(label=label), among=labels)
            titles = ready.titles | {"": "all labels"}
            st.selectbox("Label", labels, format_func=titles.__getitem__, width=230, **label)


def _sort(ready: ArrangedStore, by: str) -> None:
    view = current_view()
    go(by=by, map=ready.first_map if by == "map" and view.map == NONE else view.map)


def _images(ready: ArrangedStore, view: View) -> None:
    own = own_image() if view.by == "like" and view.like == OWN else None
    if view.by == "like" and view.like < 0 and own is None:
        st.info((NOT_HERE if view.like == OWN else "") + CHOOSE, icon=":material/image_search:")
        wall(ready, view, NO_IMAGE)
        return
    others = plural(ready.collection.compared, "other image")
    about = ABOUT.get(view.by, "").format(peak=term("peak"), map=view.map, others=others)
    if view.by == "like":
        _like(ready, view.like, own, about)
    elif about:
        st.caption(about)
    wall(ready, view, EMPTY.get(view.by, NO_IMAGE), own)


def _like(ready: ArrangedStore, place: int, own: SourceImage | None, about: str) -> None:
    """What the images are like: the visitor's own image, or else the one at a place in the store."""
    if own is not None:
        picture, alt, name = own.thumbnail, own.alt, f"your image <b>{escape(own.title)}</b>"
    else:
        path = ready.collection.texts["path"][place] or ""
        picture, alt, name = ready.picture(place), path, f"<b>{escape(short_name(path))}</b>"
    st.html(
        f'<figure class="collection-like"><img src="{picture}" alt="{escape(alt)}">'
        f"<figcaption>Like {name}. {about}</figcaption></figure>"
    )


def _plane(ready: ArrangedStore, view: View) -> None:
    """All images on a plane, and those of the cell that is chosen."""
    if ready.plane is None:
        st.info("This store has no channels to place images by; extract one with a method such as cl or gem.")
        return
    st.caption(
        "Images differ most from left to right, and next most from bottom to top: these are the first two principal "
        "components of the energies of all channels. A cell shows the image next to its centre; press it to see all "
        "of its images."
    )
    with st.container(key="collection-plane"):
        cell_image(
            ready.mosaic_address, alt=f"All images on a plane of {ROWS} by {COLUMNS} cells, similar ones together.",
            map_size=(ROWS, COLUMNS), cell=view.cell, choose=lambda cell: go(cell=cell), key="plane",
            aspect=COLUMNS / ROWS, asks=True,
        )  # fmt: skip
    if view.cell is not None:
        reveal(f"cell-{view.cell}", f"The images of row {view.cell[0]}, column {view.cell[1]}.", name="reveal-wall")
        wall(ready, view, "No image lies in this cell.")
