"""Connections without a request: against a real uvicorn, with the clock in the test's hand."""

import asyncio
import contextlib
import socket

import pytest
import uvicorn

from crosspool.ui.serving import connections
from crosspool.ui.serving.connections import SECONDS, SWEEP_SECONDS, ConnectionWatch
from tests import loops

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
HANDSHAKE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"  # pragma: allowlist secret
)
PATIENCE = 60  # seconds, which only end a hang


async def app(scope, receive, send):
    """Accept WebSockets, never answer /slow, and answer everything else."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    if scope["path"] == "/slow":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@contextlib.asynccontextmanager
async def watched():
    """A watch of a server, and a function that opens a connection and sends something, until it is answered."""
    watch = ConnectionWatch()
    watch.attach(asyncio.get_running_loop())
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=1, log_config=None))
    listening = socket.socket()  # made and given as Streamlit does it
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    serving = asyncio.create_task(server.serve([listening]))
    async with asyncio.timeout(PATIENCE):
        while not server.started:
            await asyncio.sleep(0.01)
        writers = []

        async def connected(data, answer=b""):
            before = len(watch._waits)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(data)
            if answer:
                assert answer in await reader.readuntil(b"\r\n\r\n")
            while not answer and len(watch._waits) <= before:
                await asyncio.sleep(0.01)
            return reader

        yield watch, connected
        for writer in writers:
            writer.close()
        server.should_exit = True
        await serving


async def is_open(reader):
    """Whether nothing came and nothing ended."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
        return False
    return True


@pytest.mark.parametrize("start", [b"", b"G", HEAD, HEAD + b"Cookie: a"])
def test_a_request_that_does_not_come_is_not_waited_for(start):
    async def attempt():
        async with watched() as (watch, connected):
            reader = await connected(start)
            now = asyncio.get_running_loop().time()
            watch.sweep(now + SECONDS / 2)
            assert await is_open(reader)
            watch.sweep(now + SECONDS + 1)
            assert await reader.read() == b""

    loops.run(attempt())


def test_nor_is_the_next_one():
    async def attempt():
        async with watched() as (watch, connected):
            reader = await connected(HEAD + b"\r\n" + HEAD, b"204")
            now = asyncio.get_running_loop().time()
            watch.sweep(now)  # it has answered the first
            watch.sweep(now + SECONDS / 2)
            assert await is_open(reader)
            watch.sweep(now + SECONDS)
            assert await reader.read() == b""

    loops.run(attempt())


def test_what_is_being_answered_and_what_is_a_socket_stays():
    async def attempt():
        async with watched() as (watch, connected):
            slow = await connected(HEAD.replace(b"/ ", b"/slow ") + b"\r\n")
            web_socket = await connected(HEAD + HANDSHAKE, b"101 Switching Protocols")
            await is_open(slow)  # its request has been read
            now = asyncio.get_running_loop().time()
            for sweep in range(4):
                watch.sweep(now + sweep * SECONDS)
            assert await is_open(slow)
            assert await is_open(web_socket)

    loops.run(attempt())


def test_where_too_many_wait_the_oldest_end_at_once(monkeypatch):
    monkeypatch.setattr(connections, "MOST_WAITING", 2)

    async def attempt():
        async with watched() as (watch, connected):
            oldest, *others = [await connected(HEAD) for _ in range(3)]
            watch.sweep(asyncio.get_running_loop().time() + SWEEP_SECONDS)
            assert await oldest.read() == b""
            assert [await is_open(reader) for reader in others] == [True, True]

    loops.run(attempt())


def test_closed_connections_are_forgotten():
    async def attempt():
        async with watched() as (watch, connected):
            reader = await connected(HEAD + b"Connection: close\r\n\r\n", b"204")
            await reader.read()
            watch.sweep(asyncio.get_running_loop().time())
            assert len(watch._waits) == 0

    loops.run(attempt())


def test_nothing_waits_for_the_browser_to_acknowledge_what_went_before():
    async def attempt():
        async with watched() as (watch, connected):
            await connected(HEAD + b"\r\n", b"204")
            (connection,) = watch._waits
            connected_socket = connection.transport.get_extra_info("socket")
            assert connected_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    loops.run(attempt())


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
def test_a_unix_socket_has_no_such_wait(tmp_path):
    async def attempt():
        loop = asyncio.get_running_loop()
        ConnectionWatch().attach(loop)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "server"))
            (await loop.create_server(asyncio.Protocol, sock=listening)).close()

    loops.run(attempt())
