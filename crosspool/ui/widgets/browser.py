"""Components with their scripts and styles, and images as data URLs."""

import base64
import io
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import streamlit as st
from PIL import Image

from crosspool.gallery.assets import asset, script


def component(path: str, html: str = "", style: str = "") -> Callable[..., None]:
    """Declare a component from `path`.js and `style`.css, by default `path`.css; one without HTML is invisible.

    The result draws it: `draw(data, key, trigger=act)` calls `act(value)` when the script sends a value by `trigger`.
    """
    css = asset(f"{style or path}.css") if html else ":host { display: none; }"
    name = f"crosspool.{PurePosixPath(path).name}"
    mount: Callable[..., object] = st.components.v2.component(name, html=html, css=css, js=script(f"{path}.js"))

    def draw(data: object, key: str, **actions: Callable[[Any], None]) -> None:
        callbacks = {f"on_{trigger}_change": partial(_act, key, trigger, act) for trigger, act in actions.items()}
        mount(data=data, key=key, **callbacks)

    return draw


def _act(key: str, trigger: str, act: Callable[[Any], None]) -> None:
    value = st.session_state[key][trigger]
    if value is not None:
        act(value)


def data_url(image: Image.Image) -> str:
    """The image as a JPEG in a data URL."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return jpeg_url(buffer.getvalue())


def jpeg_url(file: bytes) -> str:
    """A JPEG file in a data URL."""
    return "data:image/jpeg;base64," + base64.b64encode(file).decode()
