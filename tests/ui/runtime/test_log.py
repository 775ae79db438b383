"""The log: words of our own, numbers, and nobody's content."""

import io
import json
import logging
import re
from pathlib import Path

import pytest

from benchmarks.harness.app import ROOT
from crosspool.ui.runtime.log import EventCount, EventLog, LogFormatter

SECRET = "Geheim"  # pragma: allowlist secret


def line_of(kind, log):
    """What `log(logger)` becomes in the log, and the logger's record."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LogFormatter(kind))
    logger = logging.Logger("a library's")
    logger.addHandler(handler)
    log(logger)
    (line,) = written.getvalue().splitlines()
    return line


def fails():
    try:
        Path(f"/no/{SECRET}.png").read_bytes()
    except OSError as error:
        raise ValueError(f"{SECRET} is not an image") from error


@pytest.mark.parametrize("kind", ["text", "json"])
def test_the_log_has_no_values_from_messages(kind):
    lines = [
        line_of(kind, lambda logger: logger.warning("The file %s is odd", f"{SECRET}.png")),
        line_of(kind, lambda logger: logger.warning(f"The file {SECRET}.png is odd")),
        line_of(kind, lambda logger: logger.warning(ValueError(SECRET))),
    ]
    assert not any(SECRET in line for line in lines)
    assert "The file %s is odd" in lines[0]
    assert "is odd" not in lines[1]


@pytest.mark.parametrize("kind", ["text", "json"])
def test_the_log_has_an_exceptions_type_and_place_but_not_its_message(kind):
    def log(logger):
        try:
            fails()
        except ValueError:
            logger.exception("It failed")

    line = line_of(kind, log)
    assert SECRET not in line
    assert all(part in line for part in ("It failed", "ValueError", "FileNotFoundError", "test_log.py", "fails"))


def test_an_event_is_logged_with_its_numbers_and_counted(caplog):
    log = EventLog()
    with caplog.at_level(logging.INFO):
        log.record("tried", network="alexnet", ms=12.3456, images=3)
    (record,) = caplog.records
    entry = json.loads(LogFormatter("json").format(record))
    assert entry.pop("time").endswith("Z")
    assert entry == {"level": "info", "event": "tried", "network": "alexnet", "ms": 12.3, "images": 3}
    assert log.counts()["tried"].times == 1


def test_the_documents_name_every_event():
    sources = [ROOT / "app.py", *(ROOT / "crosspool" / "ui").rglob("*.py")]
    logged = {
        name
        for path in sources
        for name in re.findall(r'\.(?:record|timed|warning)\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    table = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8").partition("| event | meaning |")[2]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.partition("| ")[2].partition(" |")[0])
    }
    assert logged | {"upload_taken", "upload_refused", "message"} == named


def test_counts_add_up():
    log = EventLog()
    for ms in (2.0, 5.0, 3.0):
        log.record("added up", ms=ms)
    assert log.counts() == {"added up": EventCount(times=3, ms=10.0, longest_ms=5.0)}
