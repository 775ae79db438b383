"""What pages compute, they compute in turns of the queue, and a run that shows the same again computes nothing."""

import threading
from collections import Counter
from contextlib import contextmanager

import pytest
from streamlit.testing.v1 import AppTest

import crosspool.ui.channel.on_images
import crosspool.ui.channel.patches
import crosspool.ui.maps.gallery
import crosspool.ui.maps.survey
import crosspool.ui.runtime.maps
import crosspool.ui.runtime.meaning
import crosspool.ui.runtime.networks
import crosspool.ui.side_by_side.page
from benchmarks.harness.session import state_of
from crosspool.backbones import structure
from crosspool.engines import programs
from crosspool.ui.contributions import explaining
from crosspool.ui.maps import surveying
from crosspool.ui.runtime.gate import BusyError, FairSemaphore
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import NAME, VisitState
from tests.app.test_frame import checked, sentences, visit

# Functions that take more than a few milliseconds, where pages find them.
COSTLY = [
    (structure, "layout_at"),
    (programs, "run_graph"),
    (crosspool.ui.runtime.networks, "load_backbone"),
    (crosspool.ui.runtime.maps.ImageMaps, "pooled"),
    (crosspool.ui.runtime.maps, "block_energies"),
    (crosspool.ui.runtime.maps, "statistics_with_energies"),
    (crosspool.ui.runtime.meaning, "classes_or_reason"),
    (crosspool.ui.maps.gallery, "pack_maps"),
    (crosspool.ui.maps.survey, "quantised_maps"),
    (crosspool.ui.side_by_side.page, "map_correlations"),
    (crosspool.ui.side_by_side.page, "best_by_chance"),
    (crosspool.ui.channel.on_images, "correlations_over_images"),
    (crosspool.ui.channel.patches, "cut_patch"),
    (explaining, "own_classifier"),
    (explaining, "explanation_of"),
]
PAGES = ("weighting_maps", "side_by_side", "channel", "contributions", "build_p", "lesson", "train_and_compare")


@pytest.fixture(autouse=True, scope="module")
def _served():
    """A server with nothing in its cache."""
    with use_server(Server(ServerSettings())):
        yield


@pytest.fixture
def calls(monkeypatch):
    """How often each costly function was called, and which ones outside a turn."""
    counts: Counter[str] = Counter()
    outside, here = set(), threading.local()
    turn = FairSemaphore.turn

    @contextmanager
    def counted_turn(semaphore, *args, **options):
        with turn(semaphore, *args, **options) as ticket:
            before, here.inside = getattr(here, "inside", False), True  # of computing, or of loading a network
            try:
                yield ticket
            finally:
                here.inside = before

    def watched(name, function):
        def call(*args, **options):
            counts[name] += 1
            if not getattr(here, "inside", False):
                outside.add(name)
            return function(*args, **options)

        return call

    monkeypatch.setattr(FairSemaphore, "turn", counted_turn)
    for owner, name in COSTLY:
        monkeypatch.setattr(owner, name, watched(name, getattr(owner, name)))
    return counts, outside


@pytest.mark.parametrize("page", PAGES)
def test_everything_costly_is_computed_in_turn_and_once(page, calls):
    counts, outside = calls
    size = 136 + PAGES.index(page)  # a size of its own, so that its layers are not known yet
    params = {"backbone": "efficientnet_lite0", "size": str(size), "right_size": str(size + 32)}
    app = visit(**params).switch_page(f"pages/{page}.py")
    checked(app.run())
    for survey in threading.enumerate():
        if survey.name == "the survey":
            survey.join(60)
    checked(app.run())
    assert not outside
    assert counts["layout_at"]
    before = counts.copy()
    checked(app.run())
    assert counts == before


def test_another_channel_is_matched_in_turn_and_once(calls):
    counts, outside = calls
    app = checked(visit(size="128", right_size="160").switch_page("pages/side_by_side.py").run())
    assert counts["map_correlations"] == counts["best_by_chance"] == 1
    state_of(app, LinkState).channel = 3
    checked(app.run())
    checked(app.run())
    assert counts["map_correlations"] == counts["best_by_chance"] == 2
    assert not outside


def test_a_part_that_runs_by_itself_says_that_the_server_is_busy(monkeypatch):
    def page():
        from crosspool.ui.maps import survey, surveying

        surveying._follow(survey.ImageSet("", ()), lambda rows, running: None, watched=False)

    def refuse(image_set):
        raise BusyError("The server is busy.")

    monkeypatch.setattr(surveying, "_rows", refuse)
    app = AppTest.from_function(page)
    app.session_state[NAME] = VisitState()
    app.run()
    assert (len(app.exception), sentences(app), [button.label for button in app.button]) == (
        0, ["The server is busy."], ["Try again"],
    )  # fmt: skip
