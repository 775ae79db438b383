"""What a channel looks for: the image that comes with crosspool, or one that is optimised on request."""

from dataclasses import dataclass

import streamlit as st
from PIL import Image

from crosspool.sprites import included_sprite
from crosspool.ui.runtime.background import FullError
from crosspool.ui.runtime.channel_images import ChannelImageJob, ChannelRequest
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.state import VisitPart, plain, visit_state
from crosspool.ui.widgets.text import as_it_is

WATCH_SECONDS = 0.7
WIDTH = 512  # pixels of the image
ABOUT = (
    "An image optimised from noise until this map is large everywhere (Olah, Mordvintsev and Schubert, 2017). It shows "
    "what the channel responds to, exaggerated: look for textures and parts, not for a scene."
)


@dataclass
class LooksForState(VisitPart):
    """The image that is being optimised, for which channel, and why it cannot be, in one sentence."""

    optimisation: ChannelImageJob | None = plain(None)
    optimised: ChannelRequest | None = plain(None)
    drawing_refusal: str = plain("")


def looks_for(maps_request: MapRequest, channel: int) -> None:
    """The image of what a channel looks for, or the way to it."""
    st.header("What it looks for", anchor=False)
    request = ChannelRequest(maps_request.backbone, maps_request.weights, maps_request.pair, channel)
    state = visit_state(LooksForState)
    if state.optimised != request:
        state.optimisation = state.optimised = None  # nobody else may want it: then it ends
        state.drawing_refusal = ""
    image = current_server().channel_images.get(request)
    sprite = included_sprite(request.backbone, request.pair, request.weights)
    if image is None and sprite is not None and channel in sprite.channels:
        image = sprite.image_of(channel)
    if image is not None:
        _show(image, channel)
    if image is None or image.width < WIDTH // 4:
        _optimise(request, state, "Draw it larger" if image is not None else "What does it look for?")
    st.caption(ABOUT)


def _show(image: Image.Image, channel: int) -> None:
    alt = f"What channel {channel} looks for: an image optimised for it."
    st.image(image.resize((WIDTH, WIDTH), Image.Resampling.BICUBIC), alt=alt, width="stretch")


def _optimise(request: ChannelRequest, state: LooksForState, label: str) -> None:
    """A button that starts the optimisation, or its progress with a way out."""
    if state.optimisation is not None and state.optimisation.running:
        _watch()
        return
    error = state.optimisation.error if state.optimisation is not None else state.drawing_refusal
    if error:
        st.error(as_it_is(error), icon=":material/error:")

    def start() -> None:
        state.optimisation, state.optimised, state.drawing_refusal = None, request, ""
        try:
            state.optimisation = current_server().channel_images.start(request)
        except FullError as error:
            state.drawing_refusal = str(error)

    st.button(label, "look-for", icon=":material/blur_on:", on_click=start, help="It takes some seconds to a minute.")


@st.fragment(run_every=WATCH_SECONDS)
def _watch() -> None:
    """The progress of the optimisation, and a button that ends it."""
    state = visit_state(LooksForState)
    if state.optimisation is None or not state.optimisation.running:
        st.rerun()
    st.progress(state.optimisation.progress, text="Optimising an image for this channel …")

    def cancel() -> None:
        state.optimisation = state.optimised = None

    st.button("Cancel", "stop-looking", icon=":material/stop_circle:", on_click=cancel)
