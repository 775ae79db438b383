"""A visit, and the end of what belongs to it: where images live, for how long, and forgetting them at once."""

import asyncio
import time

import streamlit as st
from streamlit.runtime import Runtime, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.ui.runtime.quota import Visitor, settle
from crosspool.ui.visit.uploads import forget_files

LOOK_SECONDS = 10.0  # between two looks for visits that are over

# What the session keeps of images, of labels, and of what was made of them.
OF_IMAGES = (
    "received", "adopted", "upload", "upload_errors", "zip_collection", "zip_error", "own_collection", "own_notes",
    "job", "comparison", "made_files", "scored", "explained", "survey", "loaded_classifier", "classifier_error",
)  # fmt: skip
ABOUT_IMAGES = ("classifier", "positive", "against", "compared_with")  # choices that name what is forgotten
# Each is a part of the keys of controls that hold files or names: another number empties them.
ROUNDS = ("upload_round", "zip_round", "own_round", "photo_round", "classifier_round")

_visits: dict[str, float] = {}  # when each visit that has images was last seen connected, by its session's id


def visitor() -> Visitor:
    """Whose pictures these are: this session's."""
    context = get_script_run_ctx()
    if context is not None:
        _visits[context.session_id] = time.monotonic()
    found: Visitor = st.session_state.setdefault("visitor", Visitor())
    return found


def where_images_live() -> str:
    """Where the visitor's images are, and for how long, in two sentences."""
    minutes = max(round(st.get_option("server.disconnectedSessionTTL") / 60), 1)
    return (
        "Your images stay in this server's memory, for this visit only. They are gone when you press Forget my images, "
        f"and about {minutes} minute{'s'[: minutes > 1]} after you close the page."
    )


def here() -> None:
    """Where images are chosen: note that the visit goes on, and say it if they were just forgotten."""
    visitor()
    if st.session_state.pop("forgotten", False):
        st.toast("Your images are forgotten.", icon=":material/delete_forever:")


def forget_control(key: str) -> None:
    """Where there are images: a button that forgets them, once that was confirmed. A page may have several."""
    state = st.session_state
    if not any(state.get(name) for name in ("received", "zip_collection", "own_collection", "comparison", "job")):
        return
    with st.popover("Forget my images", icon=":material/delete_forever:"):
        st.markdown(
            "This forgets at once, and for good: uploads and photos, labelled images and their classes, what was "
            "computed and trained on them, and a classifier that you loaded. A training that is under way ends."
        )
        if st.button("Forget them now", type="primary", on_click=forget_images, key=f"forget-{key}"):
            st.rerun()  # of the whole page, also from a fragment, which would go on with what is forgotten


def forget_images() -> None:
    """Forget all images of this visit, and all that came of them. To be called in a callback."""
    state = st.session_state
    for name in ("job", "survey"):
        if state.get(name) is not None:
            state[name].cancel()
    for name in list(map(str, state)):
        if name in OF_IMAGES or name.startswith("class-"):
            del state[name]
    for name in ROUNDS:
        state[name] = state.get(name, 0) + 1
    state.update(dict.fromkeys(ABOUT_IMAGES, ""), source="sample", forgotten=True)
    forget_files()
    settle()


async def end_closed_visits() -> None:
    """For as long as the server runs: end visits whose page was closed for long enough.

    Streamlit itself ends them when the next one is closed, which may take days.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        end_visits(get_instance(), st.get_option("server.disconnectedSessionTTL"))


def end_visits(runtime: Runtime, seconds: float) -> None:
    """End visits that have images and were not connected for so many seconds. On the server's event loop only."""
    now = time.monotonic()
    for session, seen in list(_visits.items()):
        if runtime.is_active_session(session):
            _visits[session] = now
        elif now - seen > seconds:
            runtime.close_session(session)
            del _visits[session]
