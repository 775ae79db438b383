"""Where the image comes from: a sample, uploaded files, or the camera."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import streamlit as st
from PIL import Image

from crosspool.errors import CrosspoolError, ImageError
from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.text import printable
from crosspool.ui.runtime.decode_worker import StorageFormat, stored_image
from crosspool.ui.runtime.image_hash import ImageHash, image_hash
from crosspool.ui.runtime.quota import NoRoomError, QuotaLease
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.binding import bound
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import VisitPart, about_images, image_data, visit_state
from crosspool.ui.visit.uploads import IMAGE_TYPES, Received, receiving
from crosspool.ui.visit.visit import forget_control, note_visit, visitor, where_images_live
from crosspool.ui.widgets.browser import jpeg_url
from crosspool.ui.widgets.text import as_it_is
from crosspool.ui.widgets.thumbnails import Thumbnail, thumbnails

SOURCES = {
    "sample": ":material/photo_library: Samples",
    "upload": ":material/upload: Upload",
    "camera": ":material/photo_camera: Camera",
}
MAX_UPLOADS = 20
MAX_ADDED = 8  # images kept that came from another page
LONGEST_SIDE = 1600  # pixels kept of an upload, enough for the largest input
STORAGE_FORMAT = StorageFormat(LONGEST_SIDE, largest=2**20, quality=95, exact=True, thumbnail=112)


@dataclass(frozen=True)
class SourceImage:
    """An image to look into.

    `key` is the SHA-256 of its bytes as they came, `file` what the library would load, `alt` a description for those
    who cannot see it, `data` the bytes that are kept: the same image or, if it is `shrunk`, a smaller one, as
    `crosspool.images.shrunk_file` makes it. `thumbnail` is a data URL, `sample` the sample's id or "", `lease` the
    room that it takes.
    """

    key: ImageHash
    title: str
    file: str
    alt: str
    data: bytes = field(repr=False)
    shrunk: bool
    thumbnail: str
    sample: str = ""
    lease: QuotaLease | None = field(default=None, repr=False, compare=False)

    @property
    def image(self) -> Image.Image:
        """The image, decoded anew each time: visits hold files, which are smaller."""
        return load_image(self.data, name=self.title)


@dataclass
class ImageState(VisitPart):
    """Which image is chosen, of samples (LinkState has its id) or uploads (by key), and the images received so far.

    `added` are the keys of those that came from another page, `upload_errors` what was wrong with the last files.
    """

    source: str = about_images("sample")
    upload: str = about_images("")
    received: dict[str, SourceImage] = image_data({})
    added: list[str] = about_images([])
    upload_errors: list[str] = about_images([])


def choose_picture() -> SourceImage | None:
    """Show the choice of sources and return the chosen image; None while there is none yet."""
    note_visit()
    state = visit_state(ImageState)
    st.segmented_control(
        "Image",
        list(SOURCES),
        format_func=SOURCES.__getitem__,
        required=True,
        label_visibility="collapsed",
        **bound(state, "source"),
    )
    if state.source == "sample":
        return _strip(_sample_pictures(), visit_state(LinkState), "sample")
    _upload_control() if state.source == "upload" else _camera_control()
    for sentence in state.upload_errors:
        st.error(as_it_is(sentence), icon=":material/broken_image:")
    chosen = _strip(tuple(state.received.values()), state, "upload")
    with st.container(horizontal=True):
        if chosen is not None:
            st.button(
                "Remove this image",
                icon=":material/delete:",
                on_click=_remove,
                args=(chosen.key,),
                key=f"remove-{chosen.key}",
            )
        forget_control("images")
    st.caption(where_images_live())
    return chosen


def pictures_at_hand() -> tuple[SourceImage, ...]:
    """The samples, and all images that were received in this visit."""
    return (*_sample_pictures(), *visit_state(ImageState).received.values())


def show_picture(picture: SourceImage) -> None:
    """Choose one of the images at hand."""
    state = visit_state(ImageState)
    if picture.sample:
        state.source, visit_state(LinkState).sample = "sample", picture.sample
    else:
        state.source, state.upload = "upload", picture.key


@cache
def _sample_pictures() -> tuple[SourceImage, ...]:
    images = []
    for sample in samples():
        data = sample.path.read_bytes()
        stored = stored_image(data, sample.title, STORAGE_FORMAT)
        file, url = f"assets/samples/{sample.path.name}", jpeg_url(stored.thumbnail)
        images.append(
            SourceImage(
                image_hash(data), sample.title, file, sample.alt, stored.file, stored.shrunk, url, sample=sample.id
            )
        )
    return tuple(images)


def _visitors_picture(data: bytes, title: str) -> SourceImage:
    """A stranger's image. Raises ImageError, and NoRoomError."""
    key, stored = image_hash(data), current_server().decoders.store(data, title, STORAGE_FORMAT)
    lease, name = current_server().quota.lease(visitor(), [key], len(stored.file)), printable(title)
    return SourceImage(key, name, title, name, stored.file, stored.shrunk, jpeg_url(stored.thumbnail), lease=lease)


def _upload_control() -> None:
    st.file_uploader(
        "Your images",
        type=IMAGE_TYPES,
        accept_multiple_files=True,
        max_upload_size=current_server().settings.upload_megabytes,
        help=f"Up to {MAX_UPLOADS} images; sides longer than {LONGEST_SIDE} pixels are shrunk on receipt.",
        **receiving("files", _receive_files),
    )


def _camera_control() -> None:
    st.camera_input("Take a photo", **receiving("camera", lambda files: _receive_files(files, "camera.jpg")))


def _receive_files(files: Received, title: str = "") -> None:
    """Take files over, under this title or their own names."""
    errors = [_receive(data, title or name) for name, data in files]
    visit_state(ImageState).upload_errors = [error for error in errors if error]


def _receive(data: bytes, title: str) -> str:
    """Decode an image, keep it for the visit and choose it; what is wrong with it in one sentence, or ""."""
    state, key = visit_state(ImageState), image_hash(data)
    if key not in state.received:
        if len(state.received.keys() - set(state.added)) >= MAX_UPLOADS:
            return f"{title} was left out: at most {MAX_UPLOADS} images are kept; remove one first."
        try:
            state.received[key] = _visitors_picture(data, title)
        except ImageError as error:
            return str(error)
        except NoRoomError as error:
            return f"{title} was left out: {error}."
    state.upload = key
    return ""


def add_image(data: bytes, title: str) -> None:
    """Take over an image that another page shows, and choose it; of those, the last few are kept beside the uploads.

    What is wrong with it is said where uploads are.
    """
    state, key = visit_state(ImageState), image_hash(data)
    state.source, state.upload_errors = "upload", []
    if key not in state.received:
        added = [*state.added, key]
        for old in added[:-MAX_ADDED]:
            state.received.pop(old, None)
        try:
            state.received[key] = _visitors_picture(data, title)
        except CrosspoolError as error:
            state.upload_errors = [f"{title} cannot be shown: {error}"]
            return
        state.added = added[-MAX_ADDED:]
    state.upload = key


def _remove(key: str) -> None:
    state = visit_state(ImageState)
    state.received.pop(key, None)
    state.upload_errors = []


def _strip(pictures: Sequence[SourceImage], part: VisitPart, name: str) -> SourceImage | None:
    """The thumbnails; which one is chosen is a field of what the visit remembers, as a sample's id or a key."""
    if not pictures:
        return None
    by_id = {picture.sample or picture.key: picture for picture in pictures}
    if getattr(part, name) not in by_id:
        setattr(part, name, next(iter(by_id)))
    selected = getattr(part, name)
    items = [Thumbnail(id_, picture.title, picture.alt, picture.thumbnail) for id_, picture in by_id.items()]
    thumbnails(items, selected=selected, choose=partial(setattr, part, name), key=f"{name}-strip")
    return by_id[selected]
