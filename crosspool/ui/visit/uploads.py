"""Files as they come from a browser."""

from collections.abc import Iterator, Sequence

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFile

PICTURES = ["jpg", "jpeg", "png", "webp", "avif", "heic", "heif", "gif", "tif", "tiff", "bmp"]
LONGEST_NAME = 255  # signs; no file system takes more


def taken(files: Sequence[UploadedFile | DeletedFile]) -> Iterator[tuple[str, bytes]]:
    """Each file's name and bytes. Streamlit, which would keep them as long as the visit lasts, forgets them.

    What a browser names that this visit has not, or no longer, is left out: Streamlit gives a DeletedFile for it.
    """
    for file in files:
        if isinstance(file, UploadedFile):
            yield shortened(file.name), file.getvalue()
            forget_files([file.file_id])


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """The name; where it is too long, its beginning and its end."""
    return name if len(name) <= most else f"{name[: most - 9]}…{name[-8:]}"


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
