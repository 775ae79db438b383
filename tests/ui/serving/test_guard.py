"""Which requests are answered, and the headers of the answers."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from crosspool.ui.serving.guard import (
    HEADERS,
    LONGEST_QUERY,
    RequestGuard,
    SecurityHeaders,
    host_of,
    names_of,
    own_names,
)
from tests.asgi import ask

STRANGE = ("", "evil.example", "localhost.evil.example", "1.2.3.4.evil.example", "[::1", "a:b:c")


async def answer(request):
    headers = {"X-Content-Type-Options": "its own"} if request.url.path == "/own" else {}
    return PlainTextResponse("here", headers=headers)


async def talk(socket):
    await socket.accept()


def get(host, path="/", hosts="crosspool.example", kind="http", query="", **headers):
    routes = [WebSocketRoute("/_stcore/stream", talk), Route("/{path:path}", answer)]
    middleware = [Middleware(SecurityHeaders), Middleware(RequestGuard, hosts=names_of(hosts))]
    return ask(Starlette(routes=routes, middleware=middleware), path, {"Host": host, **headers}, kind, query)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8501", "192.168.1.5:8501", "[::1]:8501", "crosspool.example", *sorted(own_names())]
)
def test_it_answers_by_its_names_and_by_any_address(host):
    assert get(host).status == 200


@pytest.mark.parametrize("host", STRANGE)
def test_it_does_not_answer_by_other_names(host):
    refused = get(host)
    assert refused.status == 400
    assert "CROSSPOOL_HOSTS" in refused.text
    assert get(host, hosts="*").status == 200


def test_the_hosts_of_the_setting():
    assert names_of(" A.example, b.example ,") == {"a.example", "b.example"}
    assert names_of("http://a.example, b.example:8501, https://c.example:1/d, *") == {
        "a.example", "b.example", "c.example", "*",
    }  # fmt: skip
    assert (host_of("A.example:1"), host_of("[::1]:2"), host_of("[")) == ("a.example", "::1", "")


def test_only_its_own_pages_open_a_websocket():
    def status(**headers):
        return get("localhost:8501", "/_stcore/stream", kind="websocket", **headers).status

    assert [status(), status(Origin="http://localhost:8501"), status(Origin="https://localhost:8501")] == [101] * 3
    for origin in ("http://localhost:9999", "http://127.0.0.1:8501", "http://evil.example", "null", "http://[", ""):
        assert status(Origin=origin) == 403


def test_a_link_that_is_too_long_is_one_sentence():
    assert get("localhost", query="a" * LONGEST_QUERY).status == 200
    refused = get("localhost", query="a" * (LONGEST_QUERY + 1))
    assert refused.status == 414
    assert refused.text.startswith("This link is longer than any of this server; ")


def test_streamlits_pages_for_operators_are_closed():
    for path in (
        "/_stcore/metrics",
        "/base/_stcore/metrics/",
        "/_stcore/script-health-check",
        "/_stcore/agent/x",
        "/auth/login",
        "/oauth2callback",
    ):
        assert get("localhost", path).status == 404
    assert get("localhost", "/_stcore/health").status == 200


def test_every_answer_tells_browsers_what_a_page_may_do():
    for host, path in (("localhost", "/"), ("evil.example", "/"), ("localhost", "/_stcore/metrics")):
        headers = get(host, path).headers
        assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
    assert get("localhost", "/own").headers["x-content-type-options"] == "its own"
