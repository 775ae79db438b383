"""What a visit remembers from one run of a page to the next: one object, under one name of Streamlit's session state.

Each room declares a part of its own, a dataclass in which every field says whether it holds images or tells of them.
"Forget my images" goes through these fields, so a new one cannot be left out.
"""

from collections import Counter
from copy import copy
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Protocol, TypeVar, cast, runtime_checkable

import streamlit as st

from crosspool.ui.runtime.quota import ImageOwner

NAME = "visit"  # on st.session_state, where besides it only widgets keep their values
IMAGES = "images"  # what a field's metadata calls the statement: NONE, DATA or ABOUT
NONE, DATA, ABOUT = "none", "data", "about"

T = TypeVar("T")


def plain(default: T) -> T:
    """A field of a `VisitPart` that has nothing to do with the visitor's images."""
    return field(default_factory=partial(copy, default), metadata={IMAGES: NONE})


def image_data(default: T) -> T:
    """A field of a `VisitPart` that holds the visitor's images, or what was trained on them: forgotten with them."""
    return field(default_factory=partial(copy, default), metadata={IMAGES: DATA})


def about_images(default: T) -> T:
    """A field of a `VisitPart` that names images or labels, or was computed from them: forgotten with them."""
    return field(default_factory=partial(copy, default), metadata={IMAGES: ABOUT})


@dataclass
class VisitPart:
    """Base of what one room remembers: a dataclass whose fields are made by the three functions above."""


P = TypeVar("P", bound=VisitPart)


@runtime_checkable
class Cancellable(Protocol):
    """Work that may be under way."""

    def cancel(self) -> None: ...


@dataclass
class VisitState:
    """The parts of one visit, the visitor whose images they hold, and what is known of widgets by their keys.

    `emptied` is how often an uploader was emptied, `pages` the page on which a widget was drawn last.
    """

    visitor: ImageOwner = field(default_factory=ImageOwner)
    parts: dict[type[VisitPart], VisitPart] = field(default_factory=dict)
    emptied: Counter[str] = field(default_factory=Counter)
    pages: dict[str, str] = field(default_factory=dict)

    def part(self, kind: type[P]) -> P:
        """The part of this kind, made when it is first asked for."""
        if kind not in self.parts:
            self.parts[kind] = kind()
        return cast("P", self.parts[kind])

    @property
    def has_images(self) -> bool:
        return any(getattr(part, name) for part in self.parts.values() for name in fields_with(part, DATA))

    def forget_images(self) -> None:
        """Reset every field with images or about them, end the work under way on them, and empty all uploaders."""
        for part in self.parts.values():
            new = type(part)()
            for name in fields_with(part, DATA, ABOUT):
                value = getattr(part, name)
                if isinstance(value, Cancellable):
                    value.cancel()
                setattr(part, name, getattr(new, name))
        self.emptied.update(list(self.emptied))


def fields_with(part: VisitPart, *statements: str) -> list[str]:
    """The names of a part's fields that make one of these statements about images."""
    return [each.name for each in fields(part) if each.metadata[IMAGES] in statements]


def current_visit() -> VisitState:
    """What the visit whose page is being run remembers."""
    if NAME not in st.session_state:
        st.session_state[NAME] = VisitState()
    state: VisitState = st.session_state[NAME]
    return state


def visit_state(kind: type[P]) -> P:
    """A part of what this visit remembers."""
    return current_visit().part(kind)
