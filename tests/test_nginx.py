"""The limits of deploy/nginx.conf, by a real nginx in front of a stand-in for the app; its times are shortened."""

import asyncio
import contextlib
import select
import shutil
import socket
import ssl
import threading

import pytest
import requests

from benchmarks.harness.app import free_port
from benchmarks.harness.nginx import nginx

pytestmark = pytest.mark.skipif(
    None in map(shutil.which, ("nginx", "openssl")), reason="nginx or openssl is not installed"
)
PATIENCE = 60  # seconds, which only end a hang
CONNECTIONS = 400  # of one address
SHORT = {"client_header_timeout 10s": "client_header_timeout 1s", "client_body_timeout 20s": "client_body_timeout 1s"}
HEAD = b"GET /hold HTTP/1.1\r\nHost: localhost\r\n"


async def answer(reader, writer):
    """Answer each request with its head, but never one for /hold."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.split()[1].startswith(b"/hold"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))
    writer.close()


@pytest.fixture(scope="module")
def replica():
    """The port of a stand-in for a replica."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)  # as this one may have a loop, of a browser's
    thread.start()
    starting = asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@pytest.fixture(scope="module")
def in_front(replica, tmp_path_factory):
    """A function that starts nginx with changes, for the length of the block, and returns its port."""

    @contextlib.contextmanager
    def start(changes=None, tls_port=None):
        port = free_port()
        folder = tmp_path_factory.mktemp("nginx")
        with nginx(port, {"app1": replica, "app2": replica}, folder, tls_port=tls_port, changes=changes):
            yield port

    return start


@pytest.fixture(scope="module")
def port(in_front):
    with in_front(SHORT) as port:
        yield port


def connected(port, data=b""):
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    client.sendall(data)
    return client


def status_of(data):
    """The status in an answer's first line; None where nothing came."""
    return int(data.split()[1]) if data else None


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HT", HEAD, b"POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123"]
)
def test_what_does_not_go_on_is_ended(port, begun):
    with connected(port, begun) as client:
        assert status_of(client.recv(1000)) in (None, 408)


@pytest.mark.parametrize("another", ["", "Content-Length: 6\r\n", "Transfer-Encoding: identity\r\n"])
def test_a_body_with_two_lengths_is_refused(port, another):
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n{another}\r\n"
    with connected(port, head.encode() + b"0\r\n\r\n") as client:
        assert status_of(client.recv(1000)) == 400


def test_one_address_has_so_many_connections(port):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(port, HEAD + b"\r\n")) for _ in range(CONNECTIONS + 1)]
        answered, _, _ = select.select(clients, [], [], PATIENCE)  # those that are being answered say nothing
        assert [status_of(client.recv(1000)) for client in answered] == [429]
        with connected(port, HEAD + b"\r\n") as one_more:
            assert status_of(one_more.recv(1000)) == 429


def test_one_address_has_so_many_requests(in_front):
    with in_front({"rate=200r/s": "rate=1r/s", "burst=8000": "burst=20"}) as port, requests.Session() as session:
        statuses = [session.get(f"http://localhost:{port}/", timeout=PATIENCE).status_code for _ in range(200)]
    assert set(statuses) == {200, 429}
    assert statuses[:21] == [200] * 21


def test_cookies_are_secure_where_the_browser_speaks_tls(port):
    cookies = {
        scheme: requests.get(
            f"http://localhost:{port}/", headers={"X-Forwarded-Proto": scheme}, timeout=PATIENCE
        ).headers["Set-Cookie"]
        for scheme in ("http", "https")
    }
    assert "Secure" not in cookies["http"]
    assert "; Secure" in cookies["https"]


def test_with_certificates_everything_comes_by_tls(in_front, tmp_path):
    tls_port = free_port()
    with in_front(tls_port=tls_port) as port:
        plain = requests.get(f"http://localhost:{port}/a?b=c", timeout=PATIENCE, allow_redirects=False)
        certificate = tmp_path / "certificate.pem"
        certificate.write_text(ssl.get_server_certificate(("127.0.0.1", tls_port)), encoding="utf-8")
        secure = requests.get(f"https://localhost:{tls_port}/", timeout=PATIENCE, verify=str(certificate))
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://localhost/a?b=c")
    assert secure.status_code == 200
    assert "; Secure" in secure.headers["Set-Cookie"]
    assert "X-Forwarded-Proto: https" in secure.text
    assert secure.headers["Strict-Transport-Security"] == "max-age=31536000"
