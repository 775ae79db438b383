"""A visitor's own images: what is said of those that are refused."""

from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit import images
from crosspool.ui.visit.images import ImageState
from crosspool.ui.widgets.thumbnails import RefusedFile


def test_a_photo_takes_the_place_of_what_was_refused_before(monkeypatch):
    """No script looks at the camera's files, which would tell the page of them."""
    state = ImageState(refused_files=["huge.jpg has 99.0 MB"])
    monkeypatch.setattr(images, "visit_state", {ImageState: state}.__getitem__)
    with use_server(Server(ServerSettings())):
        images._receive_photo(iter([("photo.jpg", b"words")]))
    assert state.refused_files == []
    assert [error.split(" is ")[0] for error in state.upload_errors] == ["camera.jpg"]


def test_what_is_too_much_at_once_is_named_to_be_added_again(monkeypatch):
    state = ImageState()
    monkeypatch.setattr(images, "visit_state", {ImageState: state}.__getitem__)
    files = [RefusedFile("a.jpg", "together", 9), RefusedFile("b.jpg", "many", 9)]
    images._refuse(files, {"together": 3, "many": 1})
    assert state.refused_files == [
        "a.jpg and 2 more were left out: too many megabytes at once; add what is missing now.",
        "b.jpg was left out: at most 20 images are kept; remove one first.",
    ]
