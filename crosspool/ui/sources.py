"""Where the image comes from: a sample, uploaded files, or the camera."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import streamlit as st
from PIL import Image, ImageOps

from crosspool.errors import ImageError
from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.ui.gallery import asset, data_url

SOURCES = {
    "sample": ":material/photo_library: Samples",
    "upload": ":material/upload: Upload",
    "camera": ":material/photo_camera: Camera",
}
FILE_TYPES = ["jpg", "jpeg", "png", "webp", "avif", "heic", "heif", "gif", "tif", "tiff", "bmp"]
MAX_UPLOADS = 24
LONGEST_SIDE = 2048  # pixels kept of an upload: more than twice the largest input
THUMBNAIL = 112

_component = st.components.v2.component(
    "crosspool.strip", html='<div class="strip"></div>', css=asset("gallery.css"), js=asset("strip.js")
)


@dataclass(frozen=True)
class Picture:
    """An image to look into.

    `key` is the SHA-256 of its bytes, `thumbnail` a data URL, `sample` the sample's id or "".
    """

    key: str
    title: str
    image: Image.Image
    thumbnail: str
    sample: str = ""


def choose_picture() -> Picture | None:
    """Show the choice of sources and return the chosen image; None while there is none yet."""
    source = st.segmented_control(
        "Image",
        list(SOURCES),
        format_func=SOURCES.__getitem__,
        default="sample",
        required=True,
        key="source",
        persist_state="session",
        label_visibility="collapsed",
    )
    if source == "sample":
        return _strip(_sample_pictures(), state="sample")
    return _strip(_uploads() if source == "upload" else _photograph(), state="upload")


@cache
def _sample_pictures() -> tuple[Picture, ...]:
    return tuple(_picture(sample.path.read_bytes(), sample.title, sample.id) for sample in samples())


def _picture(data: bytes, title: str, sample: str = "") -> Picture:
    image = load_image(data, name=title)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    thumbnail = data_url(ImageOps.fit(image, (THUMBNAIL, THUMBNAIL)))
    return Picture(_sha256(data), title, image, thumbnail, sample)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _uploads() -> list[Picture]:
    files = st.file_uploader(
        "Your images",
        type=FILE_TYPES,
        accept_multiple_files=True,
        help=f"Up to {MAX_UPLOADS} files. They stay in memory and are gone when you close the page; "
        f"sides longer than {LONGEST_SIDE} pixels are shrunk on receipt.",
        key="files",
        persist_state="session",
    )
    if len(files) > MAX_UPLOADS:
        st.warning(f"Only the first {MAX_UPLOADS} of your {len(files)} files are shown; remove some to see the others.")
    pictures = []
    for file in files[:MAX_UPLOADS]:
        try:
            pictures.append(_received(file.getvalue(), file.name))
        except ImageError as error:
            st.error(str(error), icon=":material/broken_image:")
    return _without_twins(pictures)


def _photograph() -> list[Picture]:
    photograph = st.camera_input("Take a photo", key="camera", persist_state="session")
    return [_received(photograph.getvalue(), "camera")] if photograph is not None else []


def _received(data: bytes, name: str) -> Picture:
    """The decoded upload, kept for this session so that a rerun does not decode it again."""
    kept: dict[str, Picture] = st.session_state.setdefault("received", {})
    key = _sha256(data)
    if key not in kept:
        kept[key] = _picture(data, name)
        while len(kept) > MAX_UPLOADS:
            del kept[next(iter(kept))]
    return kept[key]


def _without_twins(pictures: Sequence[Picture]) -> list[Picture]:
    return list({picture.key: picture for picture in pictures}.values())


def _strip(pictures: Sequence[Picture], state: str) -> Picture | None:
    """The thumbnails; which one is chosen is kept in the session under `state`, as a sample's id or a key."""
    if not pictures:
        return None
    by_id = {picture.sample or picture.key: picture for picture in pictures}
    if st.session_state.get(state) not in by_id:
        st.session_state[state] = next(iter(by_id))

    def on_chosen_change() -> None:
        chosen = st.session_state[f"{state}-strip"].chosen
        if chosen in by_id:
            st.session_state[state] = chosen

    data = {
        "items": [
            {"id": name, "title": picture.title, "alt": picture.title, "picture": picture.thumbnail}
            for name, picture in by_id.items()
        ],
        "selected": st.session_state[state],
    }
    _component(data=data, key=f"{state}-strip", on_chosen_change=on_chosen_change)
    return by_id[st.session_state[state]]
