"""The choice of labelled images: controls for where they come from, and their classes."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from crosspool.datasets.structure import LayoutName, TwoReadingsError
from crosspool.errors import DatasetError
from crosspool.text import class_title, plural
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit import uploads
from crosspool.ui.visit.labelled import LONGEST_NAME, MAX_CLASSES, MAX_IMAGES, Collection, LabelledSet, as_label, guide
from crosspool.ui.visit.labelled_zip import HeldZip, from_zip, hold
from crosspool.ui.visit.state import VisitPart, about_images, bound, choose_option, image_data, plain, visit_state
from crosspool.ui.visit.what_was_read import what_was_read
from crosspool.ui.widgets.text import as_it_is

SOURCES = {
    "fieldguide": ":material/menu_book: FieldGuide",
    "zip": ":material/folder_zip: ZIP",
    "upload": ":material/upload: Uploads",
    "camera": ":material/photo_camera: Camera",
}
AUTO: LayoutName = "auto"
LAYOUTS: dict[LayoutName, str] = {AUTO: "By structure", "classes": "Classes", "parts": "Parts of one set"}
LAYOUT_HELP = (
    "The outermost folders of a ZIP are classes, or parts of one set, such as training and test images, with a folder "
    "for each class in them. Its structure says which; where it does not, you do."
)
GUIDE_SIZES = (4, 6, 8, 10, 15, 20, 30)
DEFAULT_GUIDE = 30  # enough for narrow intervals: the page shows the stored result of these
EXAMPLES = 3  # images shown of each class
SHOWN_PROBLEMS = 8
PROBLEMS_KEPT = 200  # the newest


@dataclass
class LabelledState(VisitPart):
    """Where labelled images come from ("" until the page was opened), and those received so far.

    `zip_asks` is whether a ZIP waits for a choice of how it is read, `zip_layout` that choice, and `held_zip` the ZIP,
    None where there was no room for it. `class_name` is what is
    typed for the next images, `own_notes` are remarks on the last ones. `folded` is whether their choice is folded
    away, as it is beside a result.
    """

    labelled_source: str = plain("")
    guide_size: int = plain(DEFAULT_GUIDE)
    zip_collection: Collection | None = image_data(None)
    zip_asks: bool = about_images(False)
    zip_layout: LayoutName = about_images(AUTO)
    held_zip: HeldZip | None = image_data(None)
    zip_error: str = about_images("")
    own_collection: Collection | None = image_data(None)
    own_notes: list[str] = about_images([])
    folded: bool = about_images(False)
    class_name: str = about_images("")


def choose_labelled() -> LabelledSet | None:
    """Draw the controls and the classes; None, with the reason shown, while there is too little to train on.

    They fold away beside a result; a line says then what is chosen.
    """
    uploads.note_visit()
    state = visit_state(LabelledState)
    with st.expander("Labelled images", expanded=not state.folded, key=f"labelled-images-{state.folded}"):
        labelled = _choose(state)
    if state.folded and labelled is not None:
        st.caption(f"Chosen: {as_it_is(labelled.title)}.")
    return labelled


def _choose(state: LabelledState) -> LabelledSet | None:
    with st.container(horizontal=True, key="labelled-images"):
        source = choose_option("Labelled images", SOURCES, state, "labelled_source", label_visibility="collapsed")
        uploads.own_images_menu(
            "labelled",
            "What is computed from labelled images is in a temporary folder on the server and goes with them.",
        )
    state.labelled_source = source
    if source == "fieldguide":
        return _guide()
    collection = _zip() if source == "zip" else _own(source)
    if collection is None:
        return None
    _classes(collection)
    warnings = _report(collection) if collection.classes else []
    try:
        labelled = collection.labelled()
    except DatasetError as error:
        show_problems([*warnings, *collection.problems])
        st.warning(as_it_is(str(error)), icon=":material/info:")
        return None
    show_problems([*warnings, *labelled.dataset.problems])
    return labelled


def _report(collection: Collection) -> list[str]:
    """Show what was read, and return what to be warned of."""
    report = collection.report()
    what_was_read(report)
    return report.warnings


def current_labelled_set() -> LabelledSet | None:
    """The labelled images chosen in this visit; None before that, or while there are too few."""
    state = visit_state(LabelledState)
    source = state.labelled_source
    if source == "fieldguide":
        return guide(state.guide_size)
    collection = state.zip_collection if source == "zip" else state.own_collection
    if not source or collection is None:
        return None
    try:
        return collection.labelled()
    except DatasetError:  # the page of the labelled images says why
        return None


def _guide() -> LabelledSet:
    about = (
        "FieldGuide is drawn here: twelve species of birds that differ in a few small parts. More birds take longer, "
        "and give narrower intervals."
    )
    size = bound(visit_state(LabelledState), "guide_size", among=GUIDE_SIZES)
    per_class = st.select_slider("Birds of each species", GUIDE_SIZES, help=about, width=360, **size)
    labelled = guide(per_class)
    class_grid(labelled.examples(EXAMPLES))
    return labelled


# --- ZIP


def _zip() -> Collection | None:
    state, most = visit_state(LabelledState), current_server().settings.zip_megabytes
    title, key = "A ZIP with a folder of images for each class", uploads.uploader_key("zip")
    about = f"Up to {MAX_IMAGES} images in {MAX_CLASSES} classes, {most} MB in all; large ones are shrunk on receipt."
    uploaded = st.file_uploader(title, max_upload_size=most, key=key, help=about)
    if state.zip_asks:
        choose_option("How its folders are read", LAYOUTS, state, "zip_layout", help=LAYOUT_HELP)
    if uploaded is not None:
        for name, data in uploads.take_files([uploaded]):
            _read_zip(name, data)
        uploads.empty_uploader("zip")
        st.rerun()
    if state.held_zip is not None and state.zip_layout != AUTO:
        state.held_zip = replace(state.held_zip, lease=None)  # its images need the room; the run may be cut short
        _read_zip(state.held_zip.name, state.held_zip.data)
        st.rerun()
    collection = state.zip_collection
    if state.zip_error:
        chosen = f" Still chosen: {collection.name}." if collection is not None else ""
        show, icon = (st.warning, "folder_open") if state.zip_asks else (st.error, "folder_off")
        show(as_it_is(state.zip_error + chosen), icon=f":material/{icon}:")
    if collection is None:
        if state.held_zip is None:
            st.info("Add a ZIP, or go back to FieldGuide.", icon=":material/folder_zip:")
    else:
        st.markdown(f"**{as_it_is(collection.name)}**: {plural(len(collection), 'image')}")
        st.caption(as_it_is(collection.layout))
    return collection


def _read_zip(name: str, data: bytes) -> None:
    """Take over the images of a ZIP; one that can be read in two ways is held until one is chosen."""
    state, layout = visit_state(LabelledState), visit_state(LabelledState).zip_layout
    bar = st.progress(0.0, text="Reading the ZIP …")

    def show_progress(done: int, total: int) -> None:
        bar.progress(done / total, f"Reading image {done} of {total}")

    held, asks = None, False
    try:
        state.zip_collection = from_zip(data, name, uploads.visitor(), show_progress, layout)
        state.zip_error = ""
    except TwoReadingsError as error:
        held, asks = hold(name, data, uploads.visitor()), True
        state.zip_error = str(error) if held else f"{str(error).rstrip('.')}, then add it again."
    except DatasetError as error:
        held = None if layout == AUTO else hold(name, data, uploads.visitor())  # the other reading may do
        state.zip_error, asks = str(error), held is not None
    state.held_zip, state.zip_asks, state.zip_layout = held, asks, AUTO  # the next ZIP has a structure of its own


# --- class by class


def _own(source: str) -> Collection:
    state = visit_state(LabelledState)
    if state.own_collection is None:
        state.own_collection = Collection("Your images", visitor=uploads.visitor())
    collection = state.own_collection
    st.text_input("Class", placeholder="such as cat", width=360, **bound(state, "class_name"))
    key = uploads.uploader_key(f"class-{source}")
    if source == "upload":
        files = uploads.image_uploader("Images of this class", key=key, help="Large ones are shrunk on receipt.")
    else:
        photo = st.camera_input("A photo of this class", key=key)
        files = [photo] if photo is not None else []
    label = as_label(state.class_name)
    if len(label) > LONGEST_NAME:
        st.error(
            f"A class's name may have {LONGEST_NAME} characters, and this one has {len(label)}; shorten it.",
            icon=":material/label_off:",
        )
    elif files and not label:
        images = plural(len(files), "image shows", "images show")
        st.info(f"Type the name of the class that your {images}.", icon=":material/label:")
    elif files:
        _receive(collection, label, files, source)
        st.rerun()
    for note in state.own_notes:
        st.info(as_it_is(note), icon=":material/label:")
    return collection


def _receive(collection: Collection, label: str, files: Sequence[UploadedFile], source: str) -> None:
    """Take over the images of a class and empty the controls; after a photo the class's name stays for the next."""
    state, existing = visit_state(LabelledState), collection.matching_class(label)
    state.own_notes = [] if existing == label else [f"{label} is taken as the class {existing}, which is here already."]
    problems = []
    for number, (file_name, data) in enumerate(uploads.take_files(files), 1):
        name = file_name if source == "upload" else f"photo {len(collection) + number}.jpg"
        problems.append(collection.add(label, data, name))
    newest_first = dict.fromkeys([*filter(None, problems), *collection.problems])
    collection.problems = list(newest_first)[:PROBLEMS_KEPT]
    uploads.empty_uploader(f"class-{source}")
    if source == "upload":
        state.class_name = ""


def _remove(collection: Collection, label: str) -> None:
    collection.classes.pop(label, None)
    collection.problems, visit_state(LabelledState).own_notes = [], []


# --- the classes


def _classes(collection: Collection) -> None:
    """Show the classes with their first images, and a button for each that removes it."""
    class_grid(
        [
            (label, len(images), [image.thumbnail for image in images[:EXAMPLES]])
            for label, images in collection.classes.items()
        ]
    )
    if collection.classes:
        with st.popover("Remove a class", icon=":material/delete:"):
            for label in list(collection.classes):
                key = f"remove-class-{label}"
                st.button(f"Remove {as_it_is(label)}", key, on_click=_remove, args=(collection, label))


def class_grid(classes: Sequence[tuple[str, int, Sequence[str]]]) -> None:
    """Show each class with its name, its number of images, and the first of them as thumbnails (data URLs)."""
    if classes:
        st.html(f'<div class="classes">{"".join(_tile(*each) for each in classes)}</div>')


def _tile(label: str, count: int, thumbnails: Sequence[str]) -> str:
    name = html.escape(class_title(label))
    images = "".join(
        f'<img src="{url}" alt="Image {number} of the class {name}">' for number, url in enumerate(thumbnails, 1)
    )
    caption = f'<figcaption title="{name}"><b>{name}</b> <span>{plural(count, "image")}</span></figcaption>'
    return f"<figure><div>{images}</div>{caption}</figure>"


def show_problems(problems: Sequence[str]) -> None:
    """List what was left out, a sentence each; of many, the first few."""
    if not problems:
        return
    more = len(problems) - SHOWN_PROBLEMS
    lines = [f"- {as_it_is(problem)}" for problem in problems[:SHOWN_PROBLEMS]]
    lines += [f"- … and {more} more"] if more > 0 else []
    st.warning("Please note:\n" + "\n".join(lines), icon=":material/report:")
