"""A visit, and the end of what belongs to it: where images live, for how long, and forgetting them at once."""

from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.text import plural
from crosspool.ui.runtime.quota import ImageOwner
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.state import VisitPart, current_visit, plain, visit_state
from crosspool.ui.visit.uploads import forget_files


@dataclass
class Forgetting(VisitPart):
    """Whether images were just forgotten, which the next run says."""

    done: bool = plain(False)


def visitor() -> ImageOwner:
    """Whose images these are: this session's."""
    context = get_script_run_ctx()
    if context is not None:
        current_server().visits.note(context.session_id)
    return current_visit().visitor


def where_images_live() -> str:
    """Where the visitor's images are, and for how long, in two sentences."""
    minutes = max(round(st.get_option("server.disconnectedSessionTTL") / 60), 1)
    return (
        "Your images stay in this server's memory, for this visit only. They are gone when you press Forget my images, "
        f"and about {plural(minutes, 'minute')} after you close the page."
    )


def note_visit() -> None:
    """Where images are chosen: note that the visit goes on, and say so if they were just forgotten."""
    visitor()
    forgetting = visit_state(Forgetting)
    if forgetting.done:
        forgetting.done = False
        st.toast("Your images are forgotten.", icon=":material/delete_forever:")


def forget_control(key: str) -> None:
    """Where there are images: a button that forgets them, once that was confirmed. A page may have several."""
    if not current_visit().has_images:
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
    current_visit().forget_images()
    visit_state(Forgetting).done = True
    forget_files()
    current_server().quota.release_dropped()
