"""The strip of images to choose from: samples, and the visitor's own ones, which are added there."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import streamlit as st
from PIL import Image

from crosspool.errors import CrosspoolError, ImageError
from crosspool.images import load_image
from crosspool.samples import SamplePhoto, samples
from crosspool.text import printable
from crosspool.ui.runtime.decode_worker import StorageFormat, stored_image
from crosspool.ui.runtime.decoder_pool import too_large
from crosspool.ui.runtime.quota import ImageHash, NoRoomError, QuotaLease, image_hash
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit import uploads
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import VisitPart, about_images, current_visit, image_data, plain, visit_state
from crosspool.ui.widgets.browser import jpeg_url
from crosspool.ui.widgets.text import as_it_is
from crosspool.ui.widgets.thumbnails import MOST_NAMED, Adding, Reason, RefusedFile, Thumbnail, thumbnails

MAX_UPLOADS = 20
MAX_ADDED = 8  # images kept that came from another page
SHOWN_ERRORS = 20  # as many as there may be images
CHOOSE_FILES = "choose-files"  # the key of a button that does what the strip's tile does
UPLOADER = "image-uploader"  # the key of the container whose uploader gets the files
CAMERA_FILE = "camera.jpg"
LONGEST_SIDE = 1600  # pixels kept of an upload, enough for the largest input
STORAGE_FORMAT = StorageFormat(LONGEST_SIDE, largest=2**20, quality=95, exact=True, thumbnail=112)

_NO_ROOM = f"at most {MAX_UPLOADS} images are kept; remove one first."
_LEFT_OUT: dict[Reason, str] = {"together": "too many megabytes at once; add what is missing now.", "many": _NO_ROOM}


@dataclass(frozen=True)
class SourceImage:
    """An image to look into.

    `key` is the SHA-256 of its bytes as they came, `file` what the library would load, `alt` a description for those
    who cannot see it, `data` the bytes that are kept: the same image or, if it is `shrunk`, a smaller one, as
    `crosspool.images.shrunk_file` makes it. `thumbnail` is a data URL, `sample` the sample's id or "", `lease` the
    memory that it takes. Of an animation's `frames`, or of a document's, only the first is used.
    """

    key: ImageHash
    title: str
    file: str
    alt: str
    data: bytes = field(repr=False)
    shrunk: bool
    thumbnail: str
    sample: str = ""
    frames: int = 1
    lease: QuotaLease | None = field(default=None, repr=False, compare=False)

    @property
    def image(self) -> Image.Image:
        """The image, decoded at each access: visits keep files, which are smaller."""
        return load_image(self.data, name=self.title)


@dataclass
class ImageState(VisitPart):
    """Which image is chosen, an own one by its key or else ("") a sample, see LinkState; and the own images so far.

    `added` are the keys of those that came from another page. `refused_files` says what the browser did not send, at
    the last of its `refusals`, and `upload_errors` what was wrong with what it sent last. `camera` is whether the
    camera is open.
    """

    upload: str = about_images("")
    received: dict[str, SourceImage] = image_data({})
    added: list[str] = about_images([])
    refused_files: list[str] = about_images([])
    refusals: int = plain(0)
    upload_errors: list[str] = about_images([])
    camera: bool = plain(False)


def choose_image(*, menu: bool = True) -> SourceImage:
    """Show the strip of images, and return the chosen one; the `menu` of own images cannot be within a popover."""
    uploads.note_visit()
    state, images = visit_state(ImageState), {image.sample or image.key: image for image in available_images()}
    selected = state.upload if state.upload in state.received else visit_state(LinkState).sample
    items = [
        Thumbnail(id_, image.title, image.alt, image.thumbnail, own=not image.sample) for id_, image in images.items()
    ]
    with st.container(horizontal=True, key="images"):
        thumbnails(
            items, selected=selected, choose=lambda id_: show_image(images[id_]), key="image-strip", adding=_adding()
        )
        if menu:
            uploads.own_images_menu("images")
    with st.container(key=UPLOADER):
        uploads.image_uploader("Your images", **uploads.receiving("files", _receive_files))
    if state.camera:
        _camera()
    if complaints := [*state.refused_files, *state.upload_errors]:
        st.error("  \n".join(map(as_it_is, complaints)), icon=":material/broken_image:")
    image = images[selected]
    if image.frames > 1:
        st.caption(f"{as_it_is(image.title)}: the first of {image.frames:,} frames")
    return image


def _adding() -> Adding:
    state, settings = visit_state(ImageState), current_server().settings
    return Adding(
        UPLOADER,
        CHOOSE_FILES,
        settings.upload_megabytes * 2**20,
        settings.waiting_megabytes * 2**20,
        MAX_UPLOADS - _upload_count(),
        complaints=bool(state.refused_files or state.upload_errors),
        refusals=state.refusals,
        refuse=_refuse,
        photograph=partial(setattr, state, "camera", True),
        remove=_remove,
    )


def _refuse(files: Sequence[RefusedFile], counts: Mapping[Reason, int]) -> None:
    """Note why files were not sent, before the others arrive."""
    state = visit_state(ImageState)
    state.refusals += 1
    named = [file for file in files if file.reason in ("large", "folder")][:MOST_NAMED]
    state.refused_files, state.upload_errors = [_refusal(file) for file in named], []
    if (unnamed := counts.get("large", 0) + counts.get("folder", 0) - len(named)) > 0:
        state.refused_files.append(f"{unnamed:,} more are too large, too, or folders.")
    for reason, problem in _LEFT_OUT.items():
        if names := [uploads.shortened(file.name) for file in files if file.reason == reason]:
            unnamed = counts.get(reason, 0) - 1
            which = f"{names[0]} and {unnamed:,} more were" if unnamed > 0 else f"{names[0]} was"
            state.refused_files.append(f"{which} left out: {problem}")


def _refusal(file: RefusedFile) -> str:
    name, most = uploads.shortened(file.name), current_server().settings.upload_megabytes
    if file.reason == "folder":
        return f"{name} is a folder; add the images inside it."
    return too_large(name, file.nbytes, most)


def _close_camera() -> None:
    visit_state(ImageState).camera = False


@st.dialog("Take a photo", on_dismiss=_close_camera)
def _camera() -> None:
    st.camera_input("Your photo", label_visibility="collapsed", **uploads.receiving("camera", _receive_photo))
    if not visit_state(ImageState).camera:  # the photo was taken
        st.rerun()


def _receive_photo(files: uploads.Received) -> None:
    visit_state(ImageState).refused_files = []  # of what was chosen before
    _receive_files((CAMERA_FILE, data) for _, data in files)
    _close_camera()


def available_images() -> tuple[SourceImage, ...]:
    """The samples, and all images that were received in this visit."""
    return (*_sample_images(), *visit_state(ImageState).received.values())


def chosen_image() -> SourceImage:
    """The image that is chosen, without a choice of others."""
    state, sample = visit_state(ImageState), visit_state(LinkState).sample
    if state.upload in state.received:
        return state.received[state.upload]
    return next(image for image in _sample_images() if image.sample == sample)


def own_images() -> tuple[ImageHash, ...]:
    """The keys of the images that were received in this visit."""
    return tuple(image.key for image in visit_state(ImageState).received.values())


def show_image(image: SourceImage) -> None:
    """Choose one of the available images."""
    state = visit_state(ImageState)
    state.refused_files, state.upload_errors = [], []
    if image.sample:
        state.upload, visit_state(LinkState).sample = "", image.sample
    else:
        state.upload = image.key


def own_image_name() -> str:
    """The name, for the address, of the visitor's image that is chosen; "" where it is a sample, or there is none."""
    state = visit_state(ImageState)
    return _name_in_address(state.upload) if state.upload in state.received else ""


def choose_named_image(name: str) -> bool:
    """Choose the visitor's image of this name, or the sample if the name is ""; whether the visit has that image."""
    state = visit_state(ImageState)
    state.upload = next((key for key in state.received if name and _name_in_address(key) == name), "")
    return bool(state.upload) or not name


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
    name, url = printable(title), jpeg_url(stored.thumbnail)
    lease = current_server().quota.lease(uploads.visitor(), [key], len(stored.file) + len(url))
    return SourceImage(key, name, title, name, stored.file, stored.shrunk, url, frames=stored.frames, lease=lease)


def _receive_files(files: uploads.Received) -> None:
    """Take files over."""
    errors = [error for error in (_receive(data, name) for name, data in files) if error]
    more = len(errors) - SHOWN_ERRORS
    errors[SHOWN_ERRORS:] = [f"{more:,} more were left out."] if more > 0 else []
    visit_state(ImageState).upload_errors = errors


def _upload_count() -> int:
    """How many images were received, without those of other pages."""
    state = visit_state(ImageState)
    return len(state.received.keys() - set(state.added))


def _receive(data: bytes, title: str) -> str:
    """Decode an image, keep it for the visit and choose it; return what is wrong with it in one sentence, or ""."""
    state, key = visit_state(ImageState), image_hash(data)
    if key not in state.received:
        if _upload_count() >= MAX_UPLOADS:
            return f"{title} was left out: {_NO_ROOM}"
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

    What is wrong with it is shown below the strip.
    """
    state, key = visit_state(ImageState), image_hash(data)
    state.refused_files, state.upload_errors = [], []
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
    state.refused_files, state.upload_errors = [], []
