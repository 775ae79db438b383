"""What is kept of the rows of `benchmarks.accuracy.rows`, and how their figure tells them apart."""

import json

import pytest

from benchmarks.harness import rows
from benchmarks.harness.rows_figure import front, kind_of
from crosspool.evaluation.reproduction import Finished

DOCUMENT = {"methods": [{"accuracy": 0.5}]}


@pytest.fixture
def finished(monkeypatch):
    """What processes come to in turn, and which commands they were given."""
    outcomes: list[Finished] = []
    commands: list[list[str]] = []

    def run(words):
        commands.append(words)
        return outcomes.pop(0)

    monkeypatch.setattr(rows, "run_process", run)
    return outcomes, commands


def test_a_row_is_run_once(finished, tmp_path):
    outcomes, commands = finished
    outcomes.append(Finished(0, json.dumps(DOCUMENT), "", 3.0, 10))
    for _ in range(2):
        row = rows.run_row("cl", ["birds"], 2, tmp_path / "cl.json", None)
        assert (row.document, row.seconds, row.peak_bytes, row.problem) == (DOCUMENT, 3.0, 10, "")
    assert len(commands) == 1
    assert commands[0][:7] == ["evaluate", "birds", "--methods", "cl", "--splits", "2", "--json"]


def test_a_row_that_came_to_nothing_says_why_and_is_run_again(finished, tmp_path):
    outcomes, commands = finished
    outcomes += [
        Finished(-9, "", "its process ended with status -9", 3.0, 10),
        Finished(0, json.dumps(DOCUMENT), "", 1.0, 5),
    ]
    assert rows.run_row("cl", ["birds"], 2, tmp_path / "cl.json", None).problem == "its process ended with status -9"
    assert rows.run_row("cl", ["birds"], 2, tmp_path / "cl.json", None).problem == ""
    assert len(commands) == 2


def test_the_seconds_of_a_shared_cache_do_not_count_as_those_of_an_empty_one(finished, tmp_path):
    outcomes, commands = finished
    outcomes += [Finished(0, json.dumps(DOCUMENT), "", seconds, 5) for seconds in (1.0, 20.0)]
    cache = tmp_path / "cache"
    assert rows.run_row("cl", ["birds"], 2, tmp_path / "cl.json", cache).seconds == 1
    assert rows.run_row("cl", ["birds"], 2, tmp_path / "cl.json", cache).seconds == 1
    assert rows.run_row("cl", ["birds"], 2, tmp_path / "cl.json", None).seconds == 20
    assert rows.run_row("cl", ["birds"], 2, tmp_path / "cl.json", cache).seconds == 20
    assert [words[-1] == str(cache) for words in commands] == [True, False]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cl@448/pca64", "cross-layer pooling"),
        ("compact-cl", "cross-layer pooling"),
        ("cl+global", "cross-layer pooling"),
        ("jitter", "fully-connected"),
        ("isqrt", "one map's statistics or codebook"),
        ("gem[efficientnet_lite2]", "other networks"),
        ("ft+cl", "fine-tuned"),
        ("ft+parts-rcnn", "fine-tuned"),
        ("dpd-cnn", "annotated parts"),
    ],
)
def test_kinds(name, kind):
    assert kind_of(name) == kind


def test_the_front_is_what_nothing_cheaper_exceeds():
    points = [(5, 0.8), (1, 0.5), (1, 0.6), (3, 0.6), (4, 0.8), (9, 0.9)]
    assert front(points) == [2, 4, 5]
