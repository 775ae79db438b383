"""What scripts may send: every message is checked before anything is done with it."""

import logging
import math

import pytest
import streamlit
from pydantic import TypeAdapter, ValidationError

from crosspool.gallery import LARGEST_TOP, MAX_PINS
from crosspool.ui.maps.gallery import Changes
from crosspool.ui.maps.selection import MAX_FIRST_CHANNELS, MapsState
from crosspool.ui.runtime.log import WIDGETS, EventLog
from crosspool.ui.visit.link import LinkState
from crosspool.ui.widgets import browser
from crosspool.ui.widgets.browser import Id, Index, Part, Pressed, RefusedError, Switch, one_of
from crosspool.ui.widgets.cell_image import on_grid
from crosspool.ui.widgets.thumbnails import LONGEST_NAME, MOST_NAMED, RefusedFiles

LINK, MAPS = LinkState(), MapsState()
VIEW = {
    "colours": LINK.colours, "overlay": LINK.overlay, "opacity": 1, "smooth": LINK.smooth, "scale": LINK.scale,
    "top": 0, "sort": MAPS.sort, "kept_maps": MAPS.kept_maps, "tile": MAPS.tile, "first": [],
}  # fmt: skip
FILE = ["a.jpg", "large", 30_000_000]


def changes(**values):
    return {part: {"revision": 1_700_000_000_000, "value": value} for part, value in values.items()}


GOOD = [
    (Changes, {}),
    (Changes, changes(selected=0, pins=[], box=None, view=VIEW)),
    (Changes, changes(selected=[3, 0, 13])),
    (Changes, changes(pins=list(range(MAX_PINS)), box=[0, 0.25, 0.5, 1])),
    (Changes, changes(view=VIEW | {"first": list(range(MAX_FIRST_CHANNELS)), "sort": "box", "top": 0.5})),
    (Changes, changes(view=VIEW | {"scale": "fixed", "top": 351_000_000})),  # of an untrained ResNet-152
    (RefusedFiles, {"files": [FILE] * MOST_NAMED, "counts": {"large": 1000, "folder": 0, "many": 0}}),
    (RefusedFiles, {"files": [], "counts": {}}),
    (tuple[Id, Switch], ["5", False]),
    (tuple[Index, Index], [0, 6]),
    (Pressed, True),
]  # fmt: skip


def cases(kind, *values, part="", base=None):
    """Messages of a kind: values, or those of a part of it, each a change of `base` if there is one."""
    changed = values if base is None else [base | value for value in values]
    return [(kind, changes(**{part: value}) if part else value) for value in changed]


BAD = [
    *cases(
        Changes, -1, 2**31, 1e308, 0.5, math.nan, math.inf, True, "3", None, [], [1], [1, 2], [1, 2, 3, 4], [1, 2, -1],
        {"a": 1}, [[1, 2, 3]], [1, 2, math.nan], part="selected",
    ),
    *cases(
        Changes, list(range(MAX_PINS + 1)), [-1], [0.5], ["1"], [None], None, "1,2", {"0": 1}, [[1]], 5, part="pins"
    ),
    *cases(
        Changes, [0, 0, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1.5], [-0.1, 0, 1, 1], [0, 0, math.nan, 1], [0, 0, math.inf, 1],
        ["0", 0, 1, 1], "0,0,1,1", {}, 1, part="box",
    ),
    *cases(
        Changes, {"colours": "red"}, {"colours": None}, {"colours": "x" * 10**6}, {"overlay": "odd"}, {"opacity": 1.01},
        {"opacity": math.nan}, {"opacity": "1"}, {"opacity": True}, {"smooth": 1}, {"smooth": "yes"}, {"scale": ""},
        {"top": -1}, {"top": LARGEST_TOP * 1.01}, {"top": math.inf}, {"sort": "name"}, {"kept_maps": "some"},
        {"tile": 0}, {"tile": 10**9}, {"tile": 104.5}, {"first": list(range(MAX_FIRST_CHANNELS + 1))},
        {"first": [-1]}, {"first": ["a"]}, {"first": None}, {"more": 1}, {"first": [[]]}, part="view", base=VIEW,
    ),
    *cases(Changes, {name: VIEW[name] for name in list(VIEW)[1:]}, part="view"),
    *cases(
        Changes, {"selected": {"revision": -1, "value": 0}}, {"selected": {"revision": 2**53, "value": 0}},
        {"selected": {"revision": "1", "value": 0}}, {"selected": {"revision": 1}},
        {"selected": {"revision": 1, "value": 0, "more": 0}}, {"other": 1}, [], "", 1, {"selected": 3}, {"view": VIEW},
    ),
    *cases(
        RefusedFiles, {"files": [FILE]}, {"files": [FILE] * (4 * MOST_NAMED + 1), "counts": {}},
        {"files": [FILE[:2]], "counts": {}}, {"files": [["x" * (LONGEST_NAME + 1), "large", 1]], "counts": {}},
        {"files": [["x", "odd", 1]], "counts": {}}, {"files": [["x", "large", -1]], "counts": {}},
        {"files": [], "counts": {"odd": 1}}, {"files": [], "counts": {"large": -1}},
        {"files": [], "counts": {"large": 2**40}}, [], None,
    ),
    *cases(tuple[Id, Switch], ["5"], ["5", 1], ["x" * 201, True], [5, True], "5", {}),
    *cases(tuple[Index, Index], [1], [1, 2, 3], ["1", 2], [1.0, 2.5], [-1, 0], [0, 2**20], {}, "12"),
    *cases(Pressed, False, "true", 2, []),
    *cases(Part, math.nan, math.inf, -math.inf, -0.1, 1.1, "0.5"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), GOOD, ids=lambda value: str(value)[:60])
def test_what_scripts_send_fits(kind, value):
    TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(("kind", "value"), BAD, ids=lambda value: str(value)[:60])
def test_nothing_else_fits(kind, value):
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@pytest.fixture
def received(monkeypatch):
    """Sends values by a trigger whose type is that of a cell: what the action was called with."""
    calls: list[tuple[int, int]] = []

    def send(value, act=calls.append):
        monkeypatch.setattr(streamlit, "session_state", {"seen": {"cell": value}})
        browser._act("cell_image", "seen", "cell", TypeAdapter(tuple[Index, Index]), act)
        return calls

    return send


def test_a_message_that_does_not_fit_is_dropped_logged_without_its_content_and_counted(received, caplog, monkeypatch):
    for name, value in (("handlers", []), ("propagate", True)):
        monkeypatch.setattr(logging.getLogger(WIDGETS), name, value)
    log = EventLog()
    log.listen_to_widgets()
    with caplog.at_level(logging.WARNING):
        assert received(["secret", 1]) == []
    (record,) = caplog.records
    assert (record.msg, record.facts) == ("message_refused", {"kind": "cell_image.cell"})
    assert log.counts()["message_refused"].times == 1
    assert received([1, 2]) == [(1, 2)]
    assert log.counts()["message_refused"].times == 1


def test_a_cell_that_the_map_does_not_have_is_refused(received, caplog):
    chosen: list[tuple[int, int]] = []
    choose = on_grid((7, 5), chosen.append)
    for cell in ([6, 4], [7, 4], [6, 5], [0, 0]):
        received(cell, choose)
    assert chosen == [(6, 4), (0, 0)]
    assert [record.msg for record in caplog.records] == ["message_refused"] * 2


def test_what_is_not_on_the_page_is_refused():
    chosen: list[str] = []
    one_of({"a", "b"}, chosen.append)("a")
    with pytest.raises(RefusedError):
        one_of({"a", "b"}, chosen.append)("c")
    assert chosen == ["a"]
