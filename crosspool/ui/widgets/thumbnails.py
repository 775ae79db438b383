"""Pictures in small, to choose one from: in a row that scrolls, or wrapped into as many rows as they need."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from crosspool.gallery.assets import asset, script

_component = st.components.v2.component(
    "crosspool.strip",
    html='<div class="strip"></div>',
    css=asset("ui/widgets/strip.css"),
    js=script("ui/widgets/strip.js"),
)


@dataclass(frozen=True)
class Thumbnail:
    """`picture` is a data URL, `alt` a description for those who cannot see it."""

    id: str
    title: str
    alt: str
    picture: str


def thumbnails(
    items: Sequence[Thumbnail], *, selected: str, choose: Callable[[str], None], key: str, wrapped: bool = False
) -> None:
    """Show the pictures; `choose(id)` is called when one is pressed."""
    known = {item.id for item in items}

    def on_chosen_change() -> None:
        chosen = st.session_state[key].chosen
        if chosen in known:
            choose(chosen)

    data = {"items": [asdict(item) for item in items], "selected": selected, "wrapped": wrapped}
    _component(data=data, key=key, on_chosen_change=on_chosen_change)
