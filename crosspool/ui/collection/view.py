"""What the page of the collection shows: from the address and to it, and remembered for the visit."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import streamlit as st

from crosspool.ui.maps.page import AddressState, was_history_used, write_address
from crosspool.ui.runtime.collection import ArrangedStore
from crosspool.ui.runtime.plane import COLUMNS, ROWS
from crosspool.ui.visit.link import shorten
from crosspool.ui.visit.state import VisitPart, about_images, plain, visit_state

Section = Literal["images", "plane", "classes"]
Order = Literal["order", "map", "like", "copies", "outliers", "unread"]
IMAGES_PER_PAGE = 60
NONE, OWN = -1, -2  # in the place of an image
OWN_NAME = "own"


@dataclass(frozen=True)
class View:
    """What is shown.

    `section` is the part of the page, `by` what its wall is sorted by: a channel, `map`, or the likeness to the image
    at the place `like`, which may be `OWN`. `label` is the class that is shown alone, "" for all; `page` the part of
    the wall, from 1; `place` the selected image; `cell` that of the plane, (row, column).
    """

    section: Section = "images"
    by: Order = "order"
    map: int = NONE
    like: int = NONE
    label: str = ""
    page: int = 1
    place: int = NONE
    cell: tuple[int, int] | None = None

    @property
    def wall(self) -> "View":
        """The same view as far as its wall depends on it."""
        return replace(self, place=NONE)


NAMES = tuple(each.name for each in fields(View))


def to_params(view: View) -> dict[str, str]:
    """URL parameters for everything that differs from what is shown at first."""
    default = asdict(View())
    changed = {name: value for name, value in asdict(view).items() if value != default[name]}
    return {name: _text(value) for name, value in changed.items()}


def _text(value: Any) -> str:
    if value == OWN:
        return OWN_NAME
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def from_params(params: Mapping[str, str], ready: ArrangedStore) -> tuple[View, list[str]]:
    """The view that URL parameters ask for, and a sentence for each that makes no sense and is ignored."""
    collection = ready.collection
    count = len(collection.is_read)
    readers: dict[str, Callable[[str], Any]] = {
        "section": lambda text: text if text in get_args(Section) else None,
        "by": lambda text: text if text in get_args(Order) else None,
        "map": lambda text: _number(text, 0, collection.channels - 1),
        "like": lambda text: OWN if text == OWN_NAME else _image(text, ready),
        "label": lambda text: text if text in ready.titles else None,
        "page": lambda text: _number(text, 1, -(-count // IMAGES_PER_PAGE)),
        "place": lambda text: _image(text, ready),
        "cell": _cell,
    }
    found = {name: readers[name](params[name]) for name in NAMES if name in params}
    view = View(**{name: value for name, value in found.items() if value is not None})
    if view.by == "map" and view.map == NONE:
        view = replace(view, map=ready.first_map) if collection.channels else replace(view, by="order")
    ignored = [name for name, value in found.items() if value is None]
    notes = [f"Unknown {name} `{shorten(params[name])}` in the link; it was ignored." for name in ignored]
    return view, notes


def _number(text: str, low: int, high: int) -> int | None:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    return value if value is not None and low <= value <= high else None


def _image(text: str, ready: ArrangedStore) -> int | None:
    """The place of an image that could be read."""
    place = _number(text, 0, len(ready.collection.is_read) - 1)
    return place if place is not None and ready.collection.is_read[place] else None


def _cell(text: str) -> tuple[int, int] | None:
    row, _, column = text.partition(",")
    numbers = _number(row, 0, ROWS - 1), _number(column, 0, COLUMNS - 1)
    return None if None in numbers else numbers  # type: ignore[return-value]


@dataclass
class CollectionState(VisitPart):
    """What a visit remembers of the page: the view, what was wrong in the link, and the key of the visitor's image.

    The last is that of the image that the wall is like, whichever is chosen on other pages since.
    """

    view: View = plain(View())
    notes: list[str] = plain([])
    own: str = about_images("")


def start_from_address(ready: ArrangedStore) -> None:
    """Take the view from the address where the browser has chosen it: by a link, or by Back or Forward."""
    state, is_linked = visit_state(CollectionState), any(name in NAMES for name in st.query_params)
    if was_history_used() or (visit_state(AddressState).has_arrived and is_linked):
        state.view, state.notes = from_params(st.query_params.to_dict(), ready)


def current_view() -> View:
    """What is shown."""
    return visit_state(CollectionState).view


def go(**changes: Any) -> None:
    """Show something else: its first images, unless a page is named."""
    state = visit_state(CollectionState)
    state.view, state.notes = replace(state.view, **({"page": 1} if changes.keys() - {"place"} else {}) | changes), []


def turn_to(page: int) -> None:
    """Let the view, and with it the address, have the page that is shown."""
    state = visit_state(CollectionState)
    state.view = replace(state.view, page=page)


def write_view() -> None:
    """Write the view into the address."""
    write_address(to_params(current_view()))
