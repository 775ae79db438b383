"""What is said where an earlier visit cannot be taken up again."""

from dataclasses import dataclass

import pytest

from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.resuming import _loss
from crosspool.ui.visit.state import VisitPart, VisitState, image_data


@pytest.mark.parametrize(
    ("holdings", "sentence"),
    [
        ("", ""),
        ("nonsense", ""),
        ("12345678.3.0", "The server was restarted: your 3 images are gone."),
        ("12345678.1.0", "The server was restarted: your image is gone."),
        ("12345678.2.1", "The server was restarted: your 2 images and the trained classifiers are gone."),
        ("12345678.0.1", "The server was restarted: the trained classifiers are gone."),
        ("RUN.1.0", "Your image is gone. It is kept for 2 minutes after a page is closed."),
        (
            "RUN.1.1",
            "Your image and the trained classifiers are gone. They are kept for 2 minutes after a page is closed.",
        ),
    ],
)
def test_what_is_gone_is_said_in_one_sentence(holdings, sentence):
    with use_server(Server(ServerSettings(kept_seconds=120))) as server:
        assert _loss(holdings.replace("RUN", server.run_name)) == sentence


def test_a_visit_knows_whether_it_holds_classifiers():
    @dataclass
    class Trained(VisitPart):
        images: dict[str, str] = image_data({})
        comparison: str | None = image_data(None, trained=True)

    visit = VisitState()
    part = visit.part(Trained)
    part.images["a"] = "an image"
    assert (visit.has_images, visit.has_classifiers) == (True, False)
    part.comparison = "classifiers"
    assert visit.has_classifiers
    visit.forget_images()
    assert (visit.has_images, visit.has_classifiers) == (False, False)
