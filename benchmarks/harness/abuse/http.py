"""Requests as no browser sends them: hosts, origins, half heads, storms, paths and ranges."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import requests
from websockets.asyncio.client import connect
from websockets.typing import Origin

from benchmarks.harness.abuse.base import OPERATOR_KEY, Attack, Target, answer_of, hang_up

IDLE_SOCKETS = 300
PIPELINED = 200
LARGE_FILES = ("/", "/_stcore/host-config", "/static/favicon.png", "/favicon.png")
TRAVERSALS = (
    "/static/../../../../../etc/passwd", "/app/static/%2e%2e/%2e%2e/app.py", "/media/..%2f..%2fetc%2fpasswd",
    "/component/../../app.py", "/_stcore/bidi-components/..%2f..%2fapp.py", "//etc/passwd", "/static/%00", "/%ff%fe",
    "/static/" + "a/" * 4000, "/_stcore/upload_file/../../etc/passwd", "/pages/weighting_maps.py",
)  # fmt: skip


def _head(target: Target, path: str = "/", *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {target.netloc}", *lines, "", "")).encode()


def _requesting(
    path: str, headers: dict[str, str], *, at_once: int = 4, pause: float = 0.02
) -> Callable[[Target], Awaitable[None]]:
    """An attack that asks for this path with these headers."""

    async def attack(target: Target) -> None:
        await target.repeat(lambda number: target.ask("GET", path, headers=headers), at_once, pause)

    return attack


async def _foreign_sockets(target: Target) -> None:
    address = target.url.replace("http", "ws", 1) + "/_stcore/stream"
    origins = ("http://evil.example", "http://localhost:1", "https://localhost", "null", "file://")

    async def open_socket(number: int) -> str:
        async with connect(address, origin=Origin(origins[number % len(origins)])):
            return "accepted"

    await target.repeat(open_socket, at_once=2, pause=0.02)


async def _wrong_keys(target: Target) -> None:
    """Twenty at once, and the right one again and again meanwhile."""

    async def wrong(number: int) -> str:
        answer = await target.ask("GET", "/metrics", headers={"Authorization": f"Bearer wrong {number}"})
        return f"wrong key: {answer}"

    async def right(number: int) -> str:
        start = target.left
        answer = await target.ask("GET", "/metrics", headers={"Authorization": f"Bearer {OPERATOR_KEY}"})
        seconds = start - target.left
        return f"right key: {answer}" + (f", after {seconds:.0f} s" if seconds >= 5 else "")

    await asyncio.gather(target.repeat(wrong, at_once=20), target.repeat(right, pause=0.5))


async def _half_heads(target: Target) -> None:
    """Connections that send one more line of a head every second, and never its end."""

    async def hold(number: int) -> None:
        reader, writer = await target.connect()
        start = target.left
        try:
            writer.write(_head(target, "/", f"X-Number: {number}")[:-2])
            while target.left > 0 and not reader.at_eof():
                writer.write(b"X-More: 1\r\n")
                await writer.drain()
                await asyncio.sleep(1)
            target.note("held to the end" if target.left <= 0 else f"closed after {start - target.left:.0f} s")
        except OSError:
            target.note(f"closed after {start - target.left:.0f} s")
        finally:
            await hang_up(writer)

    await asyncio.gather(*map(hold, range(IDLE_SOCKETS)))


async def _idle(target: Target) -> None:
    """Connections that send nothing at all."""
    async with AsyncExitStack() as stack:
        for _ in range(IDLE_SOCKETS):
            _, writer = await target.connect()
            stack.push_async_callback(hang_up, writer)
        await target.repeat(lambda number: target.ask("GET", "/_stcore/health"), pause=0.5)


async def _pipeline(target: Target) -> None:
    """Requests one after the other on a connection whose answers are read late."""
    data = _head(target) * PIPELINED

    async def send(number: int) -> str:
        return await target.exchange(data, pause=1)

    await target.repeat(send, at_once=2)


def _exchanging(*messages: Callable[[Target], bytes]) -> Callable[[Target], Awaitable[None]]:
    """An attack that sends these bytes, in turn, each on a connection of its own."""

    async def attack(target: Target) -> None:
        async def send(number: int) -> str:
            return await target.exchange(messages[number % len(messages)](target), seconds=5)

        await target.repeat(send, at_once=2, pause=0.02)

    return attack


def _malformed() -> Sequence[Callable[[Target], bytes]]:
    return (
        lambda target: _head(target, "/", "Content-Length: 5", "Content-Length: 50"),
        lambda target: _head(target, "/", "X: " + "x" * 10**6),
        lambda target: _head(target, "/", *(f"X-{number}: 1" for number in range(20_000))),
        lambda target: _head(target, "/" + "x" * 10**6),
        lambda target: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 100,
        lambda target: b"GET / HTTP/9.9\r\n\r\n",
        lambda target: b"\x00" * 10**6,
    )


async def _cookies(target: Target) -> None:
    """New browsers without end, each of which opens the document and a page."""

    async def visit(number: int) -> str:
        async with target.tab() as tab:
            return "the page" if tab.page.nodes else "nothing"

    async def flood(number: int) -> str:
        cookies = "; ".join(f"crosspool_visit={each + number:032x}" for each in range(100))
        return await target.ask("GET", "/", headers={"Accept": "text/html", "Cookie": cookies})

    await asyncio.gather(target.repeat(visit, at_once=2), target.repeat(flood, at_once=2))


async def _ranges(target: Target) -> None:
    ranges = ",".join(f"{number}-" for number in range(5000))

    async def ask(number: int) -> str:
        return await target.ask("GET", LARGE_FILES[number % 4], headers={"Range": f"bytes={ranges}"})

    await target.repeat(ask, at_once=2)


async def _paths(target: Target) -> None:
    async def ask(number: int) -> str:
        answer = await target.exchange(
            _head(target, TRAVERSALS[number % len(TRAVERSALS)], "Connection: close"), seconds=5
        )
        return answer

    await target.repeat(ask, at_once=2, pause=0.01)


async def _static_storm(target: Target) -> None:
    """The document and its scripts, as fast as they come."""
    document = await asyncio.to_thread(_scripts, target.url)

    async def ask(number: int) -> str:
        reader, writer = await target.connect()
        try:
            writer.write(_head(target, document[number % len(document)], "Connection: close"))
            await writer.drain()
            first = await reader.read(2**16)
            while await reader.read(2**18):
                pass
            return answer_of(first[:12] + b"\r\n\r\n")
        finally:
            await hang_up(writer)

    await target.repeat(ask, at_once=8)


def _scripts(url: str) -> list[str]:
    text = requests.get(url, timeout=30, headers={"Accept": "text/html"}).text
    return ["/", *(f"/{path.lstrip('./')}" for path in re.findall(r'(?:src|href)="([^":]+)"', text))]


ATTACKS = (
    Attack(
        "unknown-host",
        "Requests by a name that is not the server's.",
        _requesting("/", {"Host": "evil.example"}),
        "^400",
        times=2,
    ),
    Attack("foreign-origin", "Sessions opened by pages of other sites.", _foreign_sockets, "^403", times=5),
    Attack("wrong-keys", "Twenty wrong operator's keys at a time.", _wrong_keys, "^wrong key: 401|^right key: 200$"),
    Attack("half-heads", "300 connections send the head of a request line by line, without end.", _half_heads),
    Attack("idle-sockets", "300 connections send nothing.", _idle, "^200"),
    Attack("pipelining", "200 requests at once on each connection.", _pipeline, "^(200|closed)"),
    Attack("malformed-http", "Requests that break the protocol.", _exchanging(*_malformed()), "^4|closed", times=7),
    Attack("new-visits", "New visits without end, with a hundred cookies each.", _cookies, "^(200|the page)"),
    Attack("ranges", "Five thousand ranges of each file.", _ranges, "^(200|206|4)"),
    Attack("paths", "Paths that lead out of what is served.", _paths, "^([34]|200$|closed)", times=11),
    Attack("static-storm", "The document and its scripts, by eight at a time.", _static_storm, "^200"),
)
