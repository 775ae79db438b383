"""A visitor's own images: what is said of those that are refused."""

from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit import images
from crosspool.ui.visit.images import ImageState


def test_a_photo_takes_the_place_of_what_was_refused_before(monkeypatch):
    """No script looks at the camera's files, which would tell the page of them."""
    state = ImageState(refused_files=["huge.jpg has 99.0 MB"])
    monkeypatch.setattr(images, "visit_state", {ImageState: state}.__getitem__)
    with use_server(Server(ServerSettings())):
        images._receive_photo(iter([("photo.jpg", b"words")]))
    assert state.refused_files == []
    assert [error.split(" is ")[0] for error in state.upload_errors] == ["camera.jpg"]
