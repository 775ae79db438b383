"""The server as its visitors, its operator and its log see it: one real server, hostile names and words included."""

import io
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from benchmarks.harness.app import ROOT, served, wait_until
from benchmarks.harness.tab import Tab
from crosspool.ui.runtime.log import EventCount, EventLog, LogFormatter
from tests import loops

SECRET = "Geheim"
SECONDS = 60


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


# --- the log


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
    assert all(part in line for part in ("It failed", "ValueError", "FileNotFoundError", "test_asgi.py", "fails"))


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
        for name in re.findall(r'\.(?:record|timed)\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
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


def failing_page():
    from crosspool.ui.serving.asgi import show_page_failure

    assert show_page_failure(ValueError("Geheim"))


def test_a_failure_is_one_sentence_with_the_number_in_the_log(caplog):
    app = AppTest.from_function(failing_page).run()
    (record,) = [record for record in caplog.records if record.msg == "page_failed"]
    (sentence,) = [error.value for error in app.error]
    assert not app.exception
    assert record.facts["reference"] in sentence
    assert SECRET not in sentence
    assert [button.label for button in app.button] == ["Try again"]


# --- the server


@pytest.fixture(scope="module")
def served_app(tmp_path_factory):
    with served(tmp_path_factory.mktemp("server"), {"CROSSPOOL_LOG": "json"}) as server:
        yield server


def test_a_server_is_healthy_at_once_and_ready_when_it_has_computed(served_app):
    assert served_app.get("/_stcore/health") == (200, b"ok")
    answers = []

    def is_ready():
        answers.append(served_app.get("/ready"))
        return answers[-1][0] != 503

    assert wait_until(is_ready)
    *early, (status, body) = answers
    assert not any(json.loads(answer)["ready"] for _, answer in early)
    assert status == 200
    checks = json.loads(body)["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == dict.fromkeys(
        ("network", "decoder", "queue", "cache"), True
    )


def test_hostile_names_and_words_reach_the_page_but_never_the_log(served_app):
    good = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(good, "PNG")

    async def visit():
        tab = Tab(served_app.url)
        await tab.open("/", channel=SECRET, sample=SECRET, network=f"<b>{SECRET}")
        await tab.choose("Image", "Upload")
        await tab.upload((f"{SECRET} <b>.png", good.getvalue()), (f"{SECRET}.jpg", b"not an image"))
        texts = [*tab.page.texts, *tab.page.errors]
        await tab.close()
        return texts

    texts = loops.run(visit())
    assert any(SECRET in text for text in texts)  # the page says which file it means
    assert served_app.get(f"/{SECRET}")[0] == 200  # Streamlit's page, which then finds no such page
    assert SECRET not in served_app.log.read_text()
    assert {"started", "warmed_up", "visit_began", "upload_taken", "page_ran"} <= set(served_app.events)
    assert "page_failed" not in served_app.events


def test_without_a_key_there_is_no_operators_page(served_app):
    async def visit():
        tab = Tab(served_app.url)
        await tab.open("/operator")
        await tab.close()
        return tab.page.texts

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
