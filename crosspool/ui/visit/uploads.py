"""Files as they come from a browser."""

from collections.abc import Callable, Iterator, Sequence

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFile

from crosspool.ui.visit.binding import Binding
from crosspool.ui.visit.state import current_visit

IMAGE_TYPES = ["jpg", "jpeg", "png", "webp", "avif", "heic", "heif", "gif", "tif", "tiff", "bmp"]
LONGEST_FILE_NAME = 255  # characters; no file system takes more

Received = Iterator[tuple[str, bytes]]  # the name and the bytes of each file


def uploader_key(name: str) -> str:
    """The key of an uploader or a camera: another one once it was emptied, as Streamlit offers no other way."""
    return f"{name}-{current_visit().emptied.setdefault(name, 0)}"


def empty_uploader(name: str) -> None:
    """Let an uploader hold nothing from the next run on."""
    current_visit().emptied[name] += 1


def receiving(name: str, receive: Callable[[Received], None]) -> Binding:
    """Tie an uploader or a camera to `receive`, which takes the files over; then it is emptied.

    So the files outlive it, also on another page.
    """
    key = uploader_key(name)

    def on_change() -> None:
        value: list[UploadedFile | DeletedFile] | UploadedFile | DeletedFile | None = st.session_state[key]
        if key != uploader_key(name) or value is None:
            return  # a browser may report an uploader's files again when its successor is already there
        receive(take_files(value if isinstance(value, list) else [value]))
        empty_uploader(name)

    return Binding(key=key, on_change=on_change)


def take_files(files: Sequence[UploadedFile | DeletedFile]) -> Received:
    """Each file's name and bytes. Streamlit, which would keep them as long as the visit lasts, forgets them.

    What a browser names that this visit has not, or no longer, is left out: Streamlit gives a DeletedFile for it.
    """
    for file in files:
        if isinstance(file, UploadedFile):
            yield shortened(file.name), file.getvalue()
            forget_files([file.file_id])


def shortened(name: str, longest: int = LONGEST_FILE_NAME) -> str:
    """The name; where it is too long, its beginning and its end."""
    return name if len(name) <= longest else f"{name[: longest - 9]}…{name[-8:]}"


def forget_files(ids: Sequence[str] | None = None) -> None:
    """Let Streamlit forget files of this visit: these, or all that it has."""
    context = get_script_run_ctx()
    manager = context.uploaded_file_mgr if context is not None else None
    if context is None or not isinstance(manager, MemoryUploadedFileManager):
        return
    if ids is None:
        manager.remove_session_files(context.session_id)
    for file_id in ids or ():
        manager.remove_file(context.session_id, file_id)
