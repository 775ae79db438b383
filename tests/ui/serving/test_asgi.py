"""The server as its visitors, its operator and its log see it, hostile names included."""

import io
import json
import re
import subprocess
import sys

import pytest
import requests
from PIL import Image
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnected
from streamlit.testing.v1 import AppTest

from benchmarks.harness.app import ROOT, served, wait_until
from benchmarks.harness.tab import Tab
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.serving.asgi import RequestLog
from crosspool.ui.serving.document import DESCRIPTION, DESCRIPTIONS, Document
from tests import loops

MB = 2**20
SECRET = "Geheim"  # pragma: allowlist secret
SECONDS = 60


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


# --- one real server


@pytest.fixture(scope="module")
def served_app(tmp_path_factory):
    with served(tmp_path_factory.mktemp("server"), {"CROSSPOOL_LOG": "json"}) as server:
        yield server


def test_scripts_are_sent_compressed_and_never_asked_for_again(served_app):
    page = requests.get(served_app.url, headers={"Accept": "text/html"}, timeout=SECONDS)
    assert page.headers["Content-Encoding"] == "gzip"
    assert page.headers["Cache-Control"] == "no-cache"
    (name,) = re.findall(r'src="./(static/js/index\.[\w-]+\.js)"', page.text)
    answer = requests.get(f"{served_app.url}/{name}", timeout=SECONDS, stream=True)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    plain = requests.get(f"{served_app.url}/{name}", headers={"Accept-Encoding": "identity"}, timeout=SECONDS)
    assert "Content-Encoding" not in plain.headers
    assert answer.content == plain.content
    assert int(answer.headers["Content-Length"]) < len(plain.content) / 2
    part = requests.get(f"{served_app.url}/{name}", headers={"Range": "bytes=0-9"}, timeout=SECONDS)
    assert (part.status_code, part.content) == (206, plain.content[:10])


def test_every_page_has_a_description_of_its_own():
    pages = {path.stem for path in (ROOT / "pages").glob("*.py")} - {"weighting_maps", "operator"}
    assert pages == DESCRIPTIONS.keys()
    assert len({DESCRIPTION, *DESCRIPTIONS.values()}) == 1 + len(pages)


def test_a_downloaded_page_passes_as_it_is():
    """Whatever its encoding, and without the work of compressing it on the server's event loop."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"text/html"), (b"etag", b"x")],
    }
    body = {"type": "http.response.body", "body": "<title>Grüße</title>".encode("latin-1")}
    sent = []

    async def download(scope, receive, send):
        await send(start)
        await send(body)

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    headers = [(b"accept", b"text/html"), (b"accept-encoding", b"gzip")]
    scope = {"type": "http", "method": "GET", "path": "/media/x.html", "headers": headers}
    loops.run(Document(download)(scope, receive, send))
    assert sent == [start, body]


def test_the_document_is_ours_on_every_path(served_app):
    for path, words, has_side_bar in (
        ("/", "channels of a convolutional network", True),
        ("/lesson?step=2", "guided lesson", False),
    ):
        answer = requests.get(
            served_app.url + path, headers={"Accept": "text/html", "If-None-Match": "x"}, timeout=SECONDS
        )
        assert answer.text.count("<title>crosspool</title>") == 1
        assert words in answer.text.partition('name="description"')[2].partition(">")[0]
        assert ('<html class="with-side-bar"' in answer.text) is has_side_bar
        assert ".st-key-gallery {" in answer.text.partition('<div id="root"></div>')[2]
        assert "ETag" not in answer.headers
    health = requests.get(f"{served_app.url}/_stcore/health", headers={"Accept": "text/html"}, timeout=SECONDS)
    assert health.text == "ok"


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


@pytest.mark.parametrize(("kind", "error"), [("http", ClientDisconnect), ("websocket", WebSocketDisconnected)])
@pytest.mark.parametrize("has_left", [False, True])
def test_one_who_leaves_is_no_failure_of_the_server(kind, error, has_left):
    async def app(scope, receive, send):
        await receive()
        raise error

    async def receive():
        return {"type": f"{kind}.disconnect" if has_left else f"{kind}.connect"}

    async def send(message):
        raise AssertionError("nobody is there to read it")

    log = EventLog()
    call = RequestLog(app, log)({"type": kind, "method": "GET", "path": "/"}, receive, send)
    if has_left:
        loops.run(call)
    else:
        with pytest.raises(error):
            loops.run(call)
    assert ("request_failed" in log.counts()) == (kind == "http" and not has_left)


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
