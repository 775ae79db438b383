"""Components with their scripts and styles, what these may send, and images as data URLs."""

import base64
import io
import logging
from collections.abc import Callable, Container
from functools import partial
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

import streamlit as st
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from crosspool.gallery.assets import asset, script

# What scripts send. Numbers are finite, as they have bounds; what else bounds them, the page knows, see `RefusedError`.
Index = Annotated[int, Strict(), Field(ge=0, lt=2**20)]  # of a channel, a row or a column
Part = Annotated[float, Strict(), Field(ge=0, le=1)]  # of a side
Switch = Annotated[bool, Strict()]
Pressed = Literal[True]
Id = Annotated[str, Strict(), Field(max_length=200)]  # of something that the page has drawn

_logger = logging.getLogger(__name__)  # see EventLog.listen_to_widgets

T = TypeVar("T")


class Message(BaseModel):
    """Base of what scripts send by names: these, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RefusedError(Exception):
    """A message from a script that names something that the page does not have."""


def component(path: str, html: str = "", style: str = "", **messages: Any) -> Callable[..., None]:
    """Declare a component from `path`.js and `style`.css, by default `path`.css; one without HTML is invisible.

    `messages` are the types of what the script sends, by trigger. The result draws the component:
    `draw(data, key, trigger=act)` calls `act(value)` when the script sends a value of that type. Any other value is
    dropped and logged, and so is one for which `act` raises RefusedError: no script of ours has sent it, or it was
    about something that has gone since.
    """
    css = asset(f"{style or path}.css") if html else ":host { display: none; }"
    name = PurePosixPath(path).name
    types = {trigger: TypeAdapter(kind) for trigger, kind in messages.items()}
    mount: Callable[..., object] = st.components.v2.component(
        f"crosspool.{name}", html=html, css=css, js=script(f"{path}.js")
    )

    def draw(data: object, key: str, **actions: Callable[[Any], None]) -> None:
        callbacks = {
            f"on_{trigger}_change": partial(_act, name, key, trigger, types[trigger], act)
            for trigger, act in actions.items()
        }
        mount(data=data, key=key, **callbacks)

    return draw


def _act(name: str, key: str, trigger: str, kind: TypeAdapter[Any], act: Callable[[Any], None]) -> None:
    value = st.session_state[key][trigger]
    if value is None:
        return
    try:
        act(kind.validate_python(value))
    except (ValidationError, RefusedError):
        _logger.warning("message_refused", extra={"kind": f"{name}.{trigger}"})


def one_of(options: Container[T], act: Callable[[T], None]) -> Callable[[T], None]:
    """An action that takes only these values."""

    def act_on(value: T) -> None:
        if value not in options:
            raise RefusedError
        act(value)

    return act_on


def data_url(image: Image.Image) -> str:
    """The image as a JPEG in a data URL."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return jpeg_url(buffer.getvalue())


def jpeg_url(file: bytes) -> str:
    """A JPEG file in a data URL."""
    return "data:image/jpeg;base64," + base64.b64encode(file).decode()
