"""Where the image comes from: a sample, uploaded files, or the camera."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import streamlit as st
from PIL import Image, ImageOps

from crosspool.errors import ImageError
from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.ui.browser import data_url
from crosspool.ui.text import as_it_is
from crosspool.ui.thumbnails import Thumbnail, thumbnails

SOURCES = {
    "sample": ":material/photo_library: Samples",
    "upload": ":material/upload: Upload",
    "camera": ":material/photo_camera: Camera",
}
FILE_TYPES = ["jpg", "jpeg", "png", "webp", "avif", "heic", "heif", "gif", "tif", "tiff", "bmp"]
MAX_UPLOADS = 20
MAX_ADOPTED = 8  # pictures kept that came from another page
LONGEST_SIDE = 1600  # pixels kept of an upload, enough for the largest input
THUMBNAIL = 112


@dataclass(frozen=True)
class Picture:
    """An image to look into.

    `key` is the SHA-256 of its bytes, `file` what the library would load, `alt` a description for those who cannot see
    it, `shrunk` whether it was too large to keep as it came, `thumbnail` a data URL, `sample` the sample's id or "".
    """

    key: str
    title: str
    file: str
    alt: str
    image: Image.Image
    shrunk: bool
    thumbnail: str
    sample: str = ""


def choose_picture() -> Picture | None:
    """Show the choice of sources and return the chosen image; None while there is none yet."""
    source = st.segmented_control(
        "Image",
        list(SOURCES),
        format_func=SOURCES.__getitem__,
        required=True,
        key="source",
        label_visibility="collapsed",
    )
    if source == "sample":
        return _strip(_sample_pictures(), state="sample")
    chosen = _strip(_uploads() if source == "upload" else _photographs(), state="upload")
    if chosen is not None:
        st.button(
            "Remove this picture",
            icon=":material/delete:",
            on_click=_forget,
            args=(chosen.key,),
            key=f"remove-{chosen.key}",
        )
    return chosen


def pictures_at_hand() -> tuple[Picture, ...]:
    """The samples, and all pictures that were received in this session."""
    return (*_sample_pictures(), *st.session_state.get("received", {}).values())


def show_picture(picture: Picture) -> None:
    """Choose one of the pictures at hand. To be called where widgets may still be set, such as in a callback."""
    state = st.session_state
    if picture.sample:
        state.source, state.sample = "sample", picture.sample
    else:
        state.source, state.upload = "upload", picture.key


@cache
def _sample_pictures() -> tuple[Picture, ...]:
    return tuple(
        replace(
            _picture(sample.path.read_bytes(), sample.title),
            file=f"assets/samples/{sample.path.name}",
            alt=sample.alt,
            sample=sample.id,
        )
        for sample in samples()
    )


def _picture(data: bytes, title: str) -> Picture:
    image = load_image(data, name=title)
    shrunk = max(image.size) > LONGEST_SIDE
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    thumbnail = data_url(ImageOps.fit(image, (THUMBNAIL, THUMBNAIL)))
    return Picture(_sha256(data), title, title, title, image, shrunk, thumbnail)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _uploads() -> tuple[Picture, ...]:
    """The uploader, what went wrong with the last files, and every picture received in this session."""
    state = st.session_state
    key = f"files-{state.setdefault('upload_round', 0)}"
    st.file_uploader(
        "Your images",
        type=FILE_TYPES,
        accept_multiple_files=True,
        help=f"Up to {MAX_UPLOADS} pictures. They stay in memory and are gone when you close the page; "
        f"sides longer than {LONGEST_SIDE} pixels are shrunk on receipt.",
        key=key,
        on_change=_receive_files,
        args=(key,),
    )
    return _received()


def _receive_files(key: str) -> None:
    """Take the files over and empty the uploader: the pictures outlive it, also on another page."""
    if key != f"files-{st.session_state.upload_round}":
        return  # a browser may report an uploader's files again when its successor is already there
    files = st.session_state[key]
    st.session_state.upload_errors = [error for file in files if (error := _receive(file.getvalue(), file.name))]
    st.session_state.upload_round += 1


def _photographs() -> tuple[Picture, ...]:
    st.camera_input("Take a photo", key="camera", on_change=_receive_photograph)
    return _received()


def _receive_photograph() -> None:
    photograph = st.session_state.camera
    if photograph is not None:
        error = _receive(photograph.getvalue(), "camera.jpg")
        st.session_state.upload_errors = [error] if error else []


def _receive(data: bytes, name: str) -> str:
    """Decode a picture, keep it in the session and choose it; what is wrong with it in one sentence, or ""."""
    kept: dict[str, Picture] = st.session_state.setdefault("received", {})
    key = _sha256(data)
    if key not in kept:
        if len(kept.keys() - set(st.session_state.get("adopted", []))) >= MAX_UPLOADS:
            return f"{name} was left out: {MAX_UPLOADS} pictures are kept at most; remove one first."
        try:
            kept[key] = _picture(data, name)
        except ImageError as error:
            return str(error)
    st.session_state.upload = key
    return ""


def adopt(data: bytes, title: str) -> None:
    """Take over a picture that another page shows, and choose it; of those, the last few are kept beside the uploads.

    To be called where widgets may still be set, such as in a callback. Raises ImageError.
    """
    state = st.session_state
    picture = _picture(data, title)
    received: dict[str, Picture] = state.setdefault("received", {})
    if picture.key not in received:
        state.adopted = [*state.get("adopted", []), picture.key]
        for key in state.adopted[:-MAX_ADOPTED]:
            received.pop(key, None)
        state.adopted = state.adopted[-MAX_ADOPTED:]
        received[picture.key] = picture
    state.source, state.upload, state.upload_errors = "upload", picture.key, []


def _received() -> tuple[Picture, ...]:
    """What was wrong with the last files, and the pictures that are here."""
    for sentence in st.session_state.get("upload_errors", []):
        st.error(as_it_is(sentence), icon=":material/broken_image:")
    return tuple(st.session_state.get("received", {}).values())


def _forget(key: str) -> None:
    st.session_state.received.pop(key, None)
    st.session_state.upload_errors = []


def _strip(pictures: Sequence[Picture], state: str) -> Picture | None:
    """The thumbnails; which one is chosen is kept in the session under `state`, as a sample's id or a key."""
    if not pictures:
        return None
    by_id = {picture.sample or picture.key: picture for picture in pictures}
    if st.session_state.get(state) not in by_id:
        st.session_state[state] = next(iter(by_id))

    def choose(name: str) -> None:
        st.session_state[state] = name

    items = [Thumbnail(name, picture.title, picture.alt, picture.thumbnail) for name, picture in by_id.items()]
    thumbnails(items, selected=st.session_state[state], choose=choose, key=f"{state}-strip")
    return by_id[st.session_state[state]]
