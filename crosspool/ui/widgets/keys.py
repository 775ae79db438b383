"""Keys that do something wherever on the page the focus is, unless what has the focus needs them itself."""

from collections.abc import Callable, Mapping

import streamlit as st

from crosspool.gallery.assets import script

# The latter of each are what a presenter's remote control sends; without one, they scroll a page.
BACK, ON = ("ArrowLeft", "PageUp"), ("ArrowRight", "PageDown")

_component = st.components.v2.component(
    "crosspool.keys", html="", css=":host { display: none; }", js=script("ui/widgets/keys.js")
)


def keys(actions: Mapping[str, Callable[[], None]], *, key: str) -> None:
    """Call `actions[name]()` when that key is pressed; names as in the browser's KeyboardEvent.key."""

    def on_pressed_change() -> None:
        pressed = st.session_state[key].pressed
        if pressed in actions:
            actions[pressed]()

    _component(data={"keys": list(actions)}, key=key, on_pressed_change=on_pressed_change)
