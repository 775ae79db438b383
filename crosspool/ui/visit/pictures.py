"""Where the image comes from: a sample, uploaded files, or the camera."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import streamlit as st
from PIL import Image

from crosspool.errors import CrosspoolError, ImageError
from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.text import printable
from crosspool.ui.runtime.decode_worker import StorageFormat, keep
from crosspool.ui.runtime.decoder_pool import workers
from crosspool.ui.runtime.quota import NoRoomError, QuotaLease
from crosspool.ui.runtime.settings import settings
from crosspool.ui.visit.uploads import PICTURES, taken
from crosspool.ui.visit.visit import forget_control, here, visitor, where_images_live
from crosspool.ui.widgets.browser import jpeg_url
from crosspool.ui.widgets.text import as_it_is
from crosspool.ui.widgets.thumbnails import Thumbnail, thumbnails

SOURCES = {
    "sample": ":material/photo_library: Samples",
    "upload": ":material/upload: Upload",
    "camera": ":material/photo_camera: Camera",
}
MAX_UPLOADS = 20
MAX_ADOPTED = 8  # pictures kept that came from another page
LONGEST_SIDE = 1600  # pixels kept of an upload, enough for the largest input
STORAGE_FORMAT = StorageFormat(LONGEST_SIDE, largest=2**20, quality=95, exact=True, thumbnail=112)


@dataclass(frozen=True)
class SourceImage:
    """An image to look into.

    `key` is the SHA-256 of its bytes as they came, `file` what the library would load, `alt` a description for those
    who cannot see it, `data` the bytes that are kept: the same picture or, if it is `shrunk`, a smaller one, as
    `crosspool.images.shrunk_file` makes it. `thumbnail` is a data URL, `sample` the sample's id or "".
    """

    key: str
    title: str
    file: str
    alt: str
    data: bytes = field(repr=False)
    shrunk: bool
    thumbnail: str
    sample: str = ""
    share: QuotaLease | None = field(default=None, repr=False, compare=False)

    @property
    def image(self) -> Image.Image:
        """The picture, decoded anew each time: sessions hold files, which are smaller."""
        return load_image(self.data, name=self.title)


def choose_picture() -> SourceImage | None:
    """Show the choice of sources and return the chosen image; None while there is none yet."""
    here()
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
    with st.container(horizontal=True):
        if chosen is not None:
            st.button(
                "Remove this picture",
                icon=":material/delete:",
                on_click=_forget,
                args=(chosen.key,),
                key=f"remove-{chosen.key}",
            )
        forget_control("images")
    st.caption(where_images_live())
    return chosen


def pictures_at_hand() -> tuple[SourceImage, ...]:
    """The samples, and all pictures that were received in this session."""
    return (*_sample_pictures(), *st.session_state.get("received", {}).values())


def show_picture(picture: SourceImage) -> None:
    """Choose one of the pictures at hand. To be called where widgets may still be set, such as in a callback."""
    state = st.session_state
    if picture.sample:
        state.source, state.sample = "sample", picture.sample
    else:
        state.source, state.upload = "upload", picture.key


@cache
def _sample_pictures() -> tuple[SourceImage, ...]:
    found = []
    for sample in samples():
        data = sample.path.read_bytes()
        kept = keep(data, sample.title, STORAGE_FORMAT)
        file = f"assets/samples/{sample.path.name}"
        url = jpeg_url(kept.thumbnail)
        found.append(
            SourceImage(_sha256(data), sample.title, file, sample.alt, kept.file, kept.shrunk, url, sample=sample.id)
        )
    return tuple(found)


def _visitors_picture(data: bytes, title: str) -> SourceImage:
    """A stranger's picture. Raises ImageError, and NoRoomError."""
    key, kept = _sha256(data), workers.keep(data, title, STORAGE_FORMAT)
    share = QuotaLease(visitor(), [key], len(kept.file))
    shown = printable(title)
    return SourceImage(key, shown, title, shown, kept.file, kept.shrunk, jpeg_url(kept.thumbnail), share=share)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _uploads() -> tuple[SourceImage, ...]:
    """The uploader, what went wrong with the last files, and every picture received in this session."""
    key = f"files-{st.session_state.setdefault('upload_round', 0)}"
    st.file_uploader(
        "Your images",
        type=PICTURES,
        accept_multiple_files=True,
        max_upload_size=settings().upload_megabytes,
        help=f"Up to {MAX_UPLOADS} pictures; sides longer than {LONGEST_SIDE} pixels are shrunk on receipt.",
        key=key,
        on_change=_receive_files,
        args=(key,),
    )
    return _received()


def _receive_files(key: str) -> None:
    """Take the files over and empty the uploader: the pictures outlive it, also on another page."""
    state = st.session_state
    if key != f"files-{state.upload_round}":
        return  # a browser may report an uploader's files again when its successor is already there
    state.upload_errors = [error for name, data in taken(state[key]) if (error := _receive(data, name))]
    state.upload_round += 1


def _photographs() -> tuple[SourceImage, ...]:
    key = f"camera-{st.session_state.setdefault('upload_round', 0)}"
    st.camera_input("Take a photo", key=key, on_change=_receive_photograph, args=(key,))
    return _received()


def _receive_photograph(key: str) -> None:
    """Take the photograph over, and show what the camera sees again."""
    state = st.session_state
    if key == f"camera-{state.upload_round}" and state[key] is not None:
        state.upload_errors = [error for _, data in taken([state[key]]) if (error := _receive(data, "camera.jpg"))]
        state.upload_round += 1


def _receive(data: bytes, name: str) -> str:
    """Decode a picture, keep it in the session and choose it; what is wrong with it in one sentence, or ""."""
    kept: dict[str, SourceImage] = st.session_state.setdefault("received", {})
    key = _sha256(data)
    if key not in kept:
        if len(kept.keys() - set(st.session_state.get("adopted", []))) >= MAX_UPLOADS:
            return f"{name} was left out: {MAX_UPLOADS} pictures are kept at most; remove one first."
        try:
            kept[key] = _visitors_picture(data, name)
        except ImageError as error:
            return str(error)
        except NoRoomError as error:
            return f"{name} was left out: {error}."
    st.session_state.upload = key
    return ""


def add_image(data: bytes, title: str) -> None:
    """Take over a picture that another page shows, and choose it; of those, the last few are kept beside the uploads.

    To be called where widgets may still be set, such as in a callback. What is wrong with it is said where uploads are.
    """
    state = st.session_state
    state.source, state.upload_errors = "upload", []
    received: dict[str, SourceImage] = state.setdefault("received", {})
    key = _sha256(data)
    if key not in received:
        adopted = [*state.get("adopted", []), key]
        for old in adopted[:-MAX_ADOPTED]:
            received.pop(old, None)
        try:
            received[key] = _visitors_picture(data, title)
        except CrosspoolError as error:
            state.upload_errors = [f"{title} cannot be shown: {error}"]
            return
        state.adopted = adopted[-MAX_ADOPTED:]
    state.upload = key


def _received() -> tuple[SourceImage, ...]:
    """What was wrong with the last files, and the pictures that are here."""
    for sentence in st.session_state.get("upload_errors", []):
        st.error(as_it_is(sentence), icon=":material/broken_image:")
    return tuple(st.session_state.get("received", {}).values())


def _forget(key: str) -> None:
    st.session_state.received.pop(key, None)
    st.session_state.upload_errors = []


def _strip(pictures: Sequence[SourceImage], state: str) -> SourceImage | None:
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
