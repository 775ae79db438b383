"""Where the image comes from: a sample, uploaded files, or the camera."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import streamlit as st
from PIL import Image

from crosspool.errors import CrosspoolError, ImageError
from crosspool.images import load_image
from crosspool.samples import SamplePhoto, samples
from crosspool.text import printable
from crosspool.ui.runtime.decode_worker import StorageFormat, stored_image
from crosspool.ui.runtime.quota import ImageHash, NoRoomError, QuotaLease, image_hash
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit import uploads
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import VisitPart, about_images, choose_option, current_visit, image_data, visit_state
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
    memory that it takes.
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
        """The image, decoded at each access: visits keep files, which are smaller."""
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


def choose_image() -> SourceImage | None:
    """Show the choice of sources and return the chosen image; None while there is none yet."""
    uploads.note_visit()
    state = visit_state(ImageState)
    source = choose_option("Image", SOURCES, state, "source", label_visibility="collapsed")
    if source == "sample":
        return _strip(_sample_images(), visit_state(LinkState), "sample")
    if source == "upload":
        limits = f"Up to {MAX_UPLOADS} images; sides longer than {LONGEST_SIDE} pixels are shrunk on receipt."
        uploads.image_uploader("Your images", help=limits, **uploads.receiving("files", _receive_files))
    else:
        st.camera_input("Take a photo", **uploads.receiving("camera", partial(_receive_files, title="camera.jpg")))
    for sentence in state.upload_errors:
        st.error(as_it_is(sentence), icon=":material/broken_image:")
    image = _strip(tuple(state.received.values()), state, "upload")
    with st.container(horizontal=True):
        if image is not None:
            key = image.key
            st.button("Remove this image", f"remove-{key}", on_click=_remove, args=(key,), icon=":material/delete:")
        uploads.forget_control("images")
    st.caption(uploads.where_images_live())
    return image


def available_images() -> tuple[SourceImage, ...]:
    """The samples, and all images that were received in this visit."""
    return (*_sample_images(), *visit_state(ImageState).received.values())


def show_image(image: SourceImage) -> None:
    """Choose one of the available images."""
    state = visit_state(ImageState)
    if image.sample:
        state.source, visit_state(LinkState).sample = "sample", image.sample
    else:
        state.source, state.upload = "upload", image.key


def own_image_name() -> str:
    """The name, for the address, of the visitor's image that is chosen; "" where it is a sample, or there is none."""
    state = visit_state(ImageState)
    return _name_in_address(state.upload) if state.source != "sample" and state.upload in state.received else ""


def choose_named_image(name: str) -> bool:
    """Choose the visitor's image of this name, or the sample if the name is ""; whether the visit has that image."""
    state = visit_state(ImageState)
    key = next((key for key in state.received if name and _name_in_address(key) == name), "")
    state.source = "upload" if key else "sample"
    state.upload = key or state.upload
    return bool(key) or not name


def _name_in_address(key: str) -> str:
    """Eight digits that only this visit understands, and that tell nobody whether they know the image."""
    return hashlib.sha256((current_visit().salt + key).encode()).hexdigest()[:8]


@cache
def _sample_images() -> tuple[SourceImage, ...]:
    return tuple(map(_sample_image, samples()))


def _sample_image(sample: SamplePhoto) -> SourceImage:
    data = sample.path.read_bytes()
    stored = stored_image(data, sample.title, STORAGE_FORMAT)
    key, file, url = image_hash(data), sample.path.name, jpeg_url(stored.thumbnail)
    return SourceImage(key, sample.title, file, sample.alt, stored.file, stored.shrunk, url, sample.id)


def _visitors_image(data: bytes, title: str) -> SourceImage:
    """An image from a visitor's file. Raises ImageError and NoRoomError."""
    key, stored = image_hash(data), current_server().decoders.store(data, title, STORAGE_FORMAT)
    lease, name = current_server().quota.lease(uploads.visitor(), [key], len(stored.file)), printable(title)
    return SourceImage(key, name, title, name, stored.file, stored.shrunk, jpeg_url(stored.thumbnail), lease=lease)


def _receive_files(files: uploads.Received, title: str = "") -> None:
    """Take files over, under this title or their own names."""
    errors = [_receive(data, title or name) for name, data in files]
    visit_state(ImageState).upload_errors = [error for error in errors if error]


def _receive(data: bytes, title: str) -> str:
    """Decode an image, keep it for the visit and choose it; return what is wrong with it in one sentence, or ""."""
    state, key = visit_state(ImageState), image_hash(data)
    if key not in state.received:
        if len(state.received.keys() - set(state.added)) >= MAX_UPLOADS:
            return f"{title} was left out: at most {MAX_UPLOADS} images are kept; remove one first."
        try:
            state.received[key] = _visitors_image(data, title)
        except ImageError as error:
            return str(error)
        except NoRoomError as error:
            return f"{title} was left out: {error}."
    state.upload = key
    return ""


def add_image(data: bytes, title: str) -> None:
    """Take over an image that another page shows, and choose it; the last few of these are kept beside the uploads.

    What is wrong with it is shown where the uploads are.
    """
    state, key = visit_state(ImageState), image_hash(data)
    state.source, state.upload_errors = "upload", []
    if key not in state.received:
        added = [*state.added, key]
        for old in added[:-MAX_ADDED]:
            state.received.pop(old, None)
        try:
            state.received[key] = _visitors_image(data, title)
        except CrosspoolError as error:
            state.upload_errors = [f"{title} cannot be shown: {error}"]
            return
        state.added = added[-MAX_ADDED:]
    state.upload = key


def _remove(key: str) -> None:
    state = visit_state(ImageState)
    state.received.pop(key, None)
    state.upload_errors = []


def _strip(images: Sequence[SourceImage], part: VisitPart, name: str) -> SourceImage | None:
    """Show thumbnails and return the chosen image, whose key or sample id the field `name` of `part` holds."""
    if not images:
        return None
    by_id = {image.sample or image.key: image for image in images}
    if getattr(part, name) not in by_id:
        setattr(part, name, next(iter(by_id)))
    selected = getattr(part, name)
    items = [Thumbnail(id_, image.title, image.alt, image.thumbnail) for id_, image in by_id.items()]
    thumbnails(items, selected=selected, choose=partial(setattr, part, name), key=f"{name}-strip")
    return by_id[selected]
