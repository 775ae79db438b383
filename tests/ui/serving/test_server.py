"""The server as its visitors, its operator and its log see it: one real server, hostile names and words included."""

import io
import json
import logging
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from benchmarks.harness.app import ROOT, served
from benchmarks.harness.visitor import Visitor
from crosspool.ui.runtime.counters import Tally, count, tallies
from crosspool.ui.runtime.log import Line, event
from tests import loops

SECRET = "Geheim"
SECONDS = 60


def line_of(kind, log):
    """What `log(logger)` becomes in the log, and the logger's record."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Line(kind))
    logger = logging.Logger("a library's")
    logger.addHandler(handler)
    log(logger)
    (line,) = written.getvalue().splitlines()
    return line


# --- the log


def fails():
    try:
        Path(f"/no/{SECRET}.png").read_bytes()
    except OSError as error:
        raise ValueError(f"{SECRET} is no picture") from error


@pytest.mark.parametrize("kind", ["text", "json"])
def test_the_log_has_nothing_that_a_message_was_filled_in_with(kind):
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
    assert all(part in line for part in ("It failed", "ValueError", "FileNotFoundError", "test_server.py", "fails"))


def test_an_event_is_logged_with_its_numbers_and_counted(caplog):
    before = tallies().get("tried", Tally())
    with caplog.at_level(logging.INFO):
        event("tried", network="alexnet", ms=12.3456, images=3)
    (record,) = caplog.records
    found = json.loads(Line("json").format(record))
    assert found.pop("time").endswith("Z")
    assert found == {"level": "info", "event": "tried", "network": "alexnet", "ms": 12.3, "images": 3}
    assert tallies()["tried"].times == before.times + 1


def test_the_documents_name_every_event():
    sources = [ROOT / "app.py", *(ROOT / "crosspool" / "ui").rglob("*.py")]
    logged = {
        name
        for path in sources
        for name in re.findall(r'\b(?:event|timed)\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    table = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8").partition("| event | meaning |")[2]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.partition("| ")[2].partition(" |")[0])
    }
    assert logged | {"upload_taken", "upload_refused", "message"} == named


def test_tallies_add_up():
    for ms in (2.0, 5.0, 3.0):
        count("added up", ms)
    assert tallies()["added up"] == Tally(times=3, ms=10.0, longest=5.0)


def failing_page():
    from crosspool.ui.serving.server import say_that_the_page_failed

    assert say_that_the_page_failed(ValueError("Geheim"))


def test_who_meets_a_failure_gets_one_sentence_with_the_logs_number(caplog):
    app = AppTest.from_function(failing_page).run()
    (record,) = [record for record in caplog.records if record.msg == "page_failed"]
    (sentence,) = [error.value for error in app.error]
    assert not app.exception
    assert record.facts["reference"] in sentence
    assert SECRET not in sentence
    assert [button.label for button in app.button] == ["Try again"]


# --- the server


class Served:
    """A server and what it has logged."""

    def __init__(self, url, log):
        self.url, self._log = url, log

    @property
    def lines(self):
        return [line for line in self._log.read_text().splitlines() if line and not line.startswith("  ")]

    @property
    def events(self):
        return [json.loads(line)["event"] for line in self.lines]

    def get(self, path):
        """The status and the body of an answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    log = folder / "log.txt"
    with log.open("wb") as file, served(str(folder / "cache"), log=file, CROSSPOOL_LOG="json") as (url, _):
        yield Served(url, log)


def test_a_server_is_healthy_at_once_and_ready_when_it_has_computed(server):
    assert server.get("/_stcore/health") == (200, b"ok")
    deadline = time.monotonic() + SECONDS
    while (answer := server.get("/ready"))[0] == 503 and time.monotonic() < deadline:
        assert not json.loads(answer[1])["ready"]
        time.sleep(0.2)
    status, body = answer
    assert status == 200
    checks = json.loads(body)["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == dict.fromkeys(
        ("network", "decoder", "queue", "cache"), True
    )


def test_hostile_names_and_words_reach_the_page_but_never_the_log(server):
    good = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(good, "PNG")

    async def visit():
        visitor = Visitor(server.url)
        await visitor.open("/", channel=SECRET, sample=SECRET, network=f"<b>{SECRET}")
        await visitor.choose("Image", "Upload")
        await visitor.upload((f"{SECRET} <b>.png", good.getvalue()), (f"{SECRET}.jpg", b"no picture"))
        texts = [*visitor.texts, *visitor.errors]
        await visitor.close()
        return texts

    texts = loops.run(visit())
    assert any(SECRET in text for text in texts)  # the page says which file it means
    assert server.get(f"/{SECRET}")[0] == 200  # Streamlit's page, which then finds no such page
    assert SECRET not in "\n".join(server.lines)
    assert {"started", "warmed_up", "visit_began", "upload_taken", "page_ran"} <= set(server.events)
    assert "page_failed" not in server.events


def test_without_a_key_there_is_no_operators_page(server):
    async def visit():
        visitor = Visitor(server.url)
        await visitor.open("/operator")
        await visitor.close()
        return visitor.texts

    assert not any("Operator" in text for text in loops.run(visit()))


def test_a_wrong_setting_ends_the_start_with_a_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "0"],
        cwd=ROOT, env={"CROSSPOOL_WAIT_SECNDS": "5"}, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "crosspool: There is no setting 'CROSSPOOL_WAIT_SECNDS' (in the environment); "
        "did you mean CROSSPOOL_WAIT_SECONDS?\n"
    )
