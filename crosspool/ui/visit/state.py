"""What a visit remembers from one run of a page to the next, and widgets that show and change it.

It is one object, under one name of Streamlit's session state. Each room declares a part of its own, a dataclass in
which every field says whether it holds images or describes them. "Forget my images" goes through these fields, so a
new one cannot be left out. Widgets are tied to fields because Streamlit drops a widget's value when a page, or a run
that was cut short, does not draw it.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Container, Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, TypedDict, TypeVar, cast

import streamlit as st

from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.background import BackgroundJob

NAME = "visit"  # in st.session_state, where the only other values are those of widgets
IMAGES = "images"  # the key of a field's metadata, whose value is one of:
NONE, DATA, ABOUT = "none", "data", "about"
TRAINED = "trained"  # the key of a field's metadata: whether it holds a classifier

T = TypeVar("T")
Option = TypeVar("Option", bound=str)


def plain(default: T) -> T:
    """A field of a `VisitPart` that has nothing to do with the visitor's images."""
    return field(default_factory=partial(copy, default), metadata={IMAGES: NONE})


def image_data(default: T, *, trained: bool = False) -> T:
    """A field of a `VisitPart` that holds the visitor's images, or what was trained on them: forgotten with them."""
    return field(default_factory=partial(copy, default), metadata={IMAGES: DATA, TRAINED: trained})


def about_images(default: T) -> T:
    """A field of a `VisitPart` that names images or labels, or was computed from them: forgotten with them."""
    return field(default_factory=partial(copy, default), metadata={IMAGES: ABOUT})


@dataclass
class VisitPart:
    """Base of what one room remembers: a dataclass whose fields are made by the three functions above."""


P = TypeVar("P", bound=VisitPart)


@dataclass
class VisitState:
    """The parts of one visit, and the visitor whose images they hold.

    `emptied` is how often each uploader was emptied, by its key. `just_forgotten` is whether images were forgotten and
    the visitor has not been told yet. `salt` makes the names of images in addresses differ from visit to visit.
    `loss` says what of an earlier visit is gone, and `holdings` is what the browser was last told that this one holds.
    """

    visitor: Account = field(default_factory=Account)
    parts: dict[type[VisitPart], VisitPart] = field(default_factory=dict)
    emptied: Counter[str] = field(default_factory=Counter)
    just_forgotten: bool = False
    loss: str = ""
    holdings: str = ""
    salt: str = field(default_factory=partial(secrets.token_hex, 16), repr=False)

    def part(self, kind: type[P]) -> P:
        """The part of this kind, made on first use."""
        if kind not in self.parts:
            self.parts[kind] = kind()
        return cast("P", self.parts[kind])

    @property
    def has_images(self) -> bool:
        return any(getattr(part, name) for part in self.parts.values() for name in fields_with(part, DATA))

    @property
    def has_classifiers(self) -> bool:
        return any(
            getattr(part, each.name)
            for part in self.parts.values()
            for each in fields(part)
            if each.metadata.get(TRAINED, False)
        )

    def forget_images(self) -> None:
        """Reset every field with images or about them, cancel the jobs that use them, and empty all uploaders."""
        for part in self.parts.values():
            new = type(part)()
            for name in fields_with(part, DATA, ABOUT):
                value = getattr(part, name)
                if isinstance(value, BackgroundJob):
                    value.cancel()
                setattr(part, name, getattr(new, name))
        self.emptied.update(list(self.emptied))
        self.just_forgotten = True


def fields_with(part: VisitPart, *statements: str) -> list[str]:
    """The names of a part's fields that make one of these statements about images."""
    return [each.name for each in fields(part) if each.metadata[IMAGES] in statements]


def current_visit() -> VisitState:
    """The state of the visit whose page is being run."""
    state: VisitState = st.session_state.setdefault(NAME, VisitState())
    return state


def visit_state(kind: type[P]) -> P:
    """One room's part of the state of this visit."""
    return current_visit().part(kind)


# --- widgets


class Binding(TypedDict):
    """Arguments for any Streamlit widget."""

    key: str
    on_change: Callable[[], None]


def bound(
    part: VisitPart, name: str, *, among: Container[Any] | None = None, shown: Any = None,
    then: Callable[[], None] = lambda: None,
) -> Binding:  # fmt: skip
    """Tie a widget to a field: it shows the field's value, or `shown`, and changes it; then `then()` is called.

    The widget's key is the field's name, so no two parts may share the name of a bound field. A widget with options
    gets them as `among`, see `bound_value`.
    """

    def keep(value: object) -> None:
        setattr(part, name, value)
        then()

    return bound_value(name, getattr(part, name) if shown is None else shown, keep, among=among)


def bound_value(key: str, value: T, keep: Callable[[T], None], *, among: Container[Any] | None = None) -> Binding:
    """Tie a widget to any other value: it shows `value`, and `keep(new)` is called with what is chosen instead.

    Streamlit hands on whatever a browser says was chosen: what is not `among` the options, or a list with such a part,
    is left alone.

    The value is sent with every run: a browser that draws only the last of several quick runs would else start the
    widget at its lowest value, and choose that.
    """
    st.session_state[key] = value

    def on_change() -> None:
        chosen = st.session_state[key]
        options = chosen if isinstance(chosen, list) else [chosen]
        if among is None or all(option in among for option in options):
            keep(chosen)

    return Binding(key=key, on_change=on_change)


def selected_row(key: str, count: int) -> int | None:
    """The row that was selected in a table of so many rows; None for none, and for what a browser made up."""
    rows = st.session_state[key].selection.rows
    row = rows[0] if isinstance(rows, list) and rows else None
    return row if type(row) is int and 0 <= row < count else None


def choose_option(
    label: str,
    options: Mapping[Option, str],
    part: VisitPart,
    name: str,
    default: Option | None = None,
    then: Callable[[], None] = lambda: None,
    **more: Any,
) -> Option:
    """Show options, {value: text}, as a row of buttons tied to a field, and return the chosen value.

    While the field's value is not on offer, `default` or else the first option is chosen; the field keeps its value for
    when it is offered again.
    """
    value: Option = getattr(part, name)
    if value not in options:
        value = default or next(iter(options))
    binding = bound(part, name, among=options, shown=value, then=then)
    st.segmented_control(label, list(options), format_func=options.__getitem__, required=True, **binding, **more)
    return value
