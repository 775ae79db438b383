"""A visitor's files: taken over from the browser, kept for the visit, and forgotten at once on request."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFile

from crosspool.text import time_in_words
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.resuming import current_browser
from crosspool.ui.visit.state import Binding, current_visit

LONGEST_FILE_NAME = 255  # characters; no file system takes more

Received = Iterator[tuple[str, bytes]]  # the name and the bytes of each file


def uploader_key(name: str) -> str:
    """The key of an uploader or a camera, which changes when it is emptied: Streamlit offers no other way."""
    return f"{name}-{current_visit().emptied.setdefault(name, 0)}"


def empty_uploader(name: str) -> None:
    """Empty an uploader, from the next run on."""
    current_visit().emptied[name] += 1


def image_uploader(label: str, **options: Any) -> list[UploadedFile]:
    """Show an uploader for several images.

    It takes any file: the decoder looks into it, and says in a sentence what it cannot read.
    """
    most = current_server().settings.upload_megabytes
    files: list[UploadedFile] = st.file_uploader(label, accept_multiple_files=True, max_upload_size=most, **options)
    return files


def receiving(name: str, receive: Callable[[Received], None]) -> Binding:
    """Tie an uploader or a camera to `receive`, which takes the files over; then it is emptied.

    The files then no longer depend on it, and are kept on other pages, too.
    """
    key = uploader_key(name)

    def on_change() -> None:
        value: list[UploadedFile | DeletedFile] | UploadedFile | DeletedFile | None = st.session_state[key]
        if key != uploader_key(name) or value is None:
            return  # a browser may report an uploader's files again after a new one has taken its place
        files = value if isinstance(value, list) else [value]
        try:
            receive(take_files(files))
        finally:  # also where the run ends meanwhile: Streamlit reports the same files only once
            for file in files:
                _forget_files(file.file_id)
            empty_uploader(name)

    return Binding(key=key, on_change=on_change)


def take_files(files: Sequence[UploadedFile | DeletedFile]) -> Received:
    """Each file's name and bytes. Streamlit, which would keep them as long as the visit lasts, forgets them.

    Files that this visit does not have, or no longer has, are left out: Streamlit gives a DeletedFile for them.
    """
    for file in files:
        if isinstance(file, UploadedFile):
            yield shortened(file.name), file.getvalue()
            _forget_files(file.file_id)


def shortened(name: str) -> str:
    """The name; where it is too long, its beginning and its end."""
    return name if len(name) <= LONGEST_FILE_NAME else f"{name[: LONGEST_FILE_NAME - 9]}…{name[-8:]}"


def _forget_files(file_id: str | None = None) -> None:
    """Make Streamlit forget a file of this visit, or all of them."""
    context = get_script_run_ctx()
    if context is None or not isinstance(manager := context.uploaded_file_mgr, MemoryUploadedFileManager):
        return
    if file_id is None:
        manager.remove_session_files(context.session_id)
    else:
        manager.remove_file(context.session_id, file_id)


# --- how long images stay


def visitor() -> Account:
    """The account of this visit's visitor."""
    return current_visit().visitor


def where_images_live() -> str:
    """Where the visitor's images are, and for how long, in two sentences."""
    return (
        "Your images stay in this server's memory, for this browser only. They are gone when you press Forget my "
        f"images, and about {time_in_words(current_server().settings.kept_seconds)} after you close the page."
    )


def note_visit() -> None:
    """Where images are chosen: confirm it if images were just forgotten."""
    visit = current_visit()
    if visit.just_forgotten:
        visit.just_forgotten = False
        st.toast("Your images are forgotten.", icon=":material/delete_forever:")


def own_images_menu(key: str, more: str = "") -> None:
    """A menu behind a lock: where images live, and a button that forgets them. A page may have several."""
    with st.popover("Your images", icon=":material/lock:", key=f"own-{key}", width="content"):
        st.markdown(f"{where_images_live()} {more}")
        if not current_visit().has_images:
            return
        st.caption(
            "That forgets, for good: uploads and photos, labelled images and their classes, what was computed and "
            "trained on them, and a classifier that you loaded, as well as what pages that you closed have left. A "
            "training that is under way ends. Other pages that are open keep their own images."
        )
        icon = ":material/delete_forever:"
        if st.button("Forget my images", f"forget-{key}", on_click=_forget_images, icon=icon):
            st.rerun()  # the whole page: a fragment would go on with forgotten images


def _forget_images() -> None:
    current_visit().forget_images()
    current_server().visits.forget(current_browser())
    _forget_files()
    current_server().quota.release_dropped()
