"""WebSockets as no browser uses them: many, silent, deaf, broken, or with messages that grow."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from benchmarks.harness.abuse.base import WHOLE, Attack, Target, loss, shown
from benchmarks.harness.tab import component_event

MEGABYTE = 2**20
SOCKETS, DEAF_SOCKETS = 200, 20
FRAGMENTS = 100_000
RERUNS = 1000  # a second
TOO_LONG = "1009"
Message = bytes | str | AsyncIterator[bytes]


@asynccontextmanager
async def _socket(
    target: Target, compression: str | None = None, max_queue: int | None = 16
) -> AsyncIterator[ClientConnection]:
    """A WebSocket that nothing was sent by yet."""
    async with connect(
        target.url.replace("http", "ws", 1) + "/_stcore/stream",
        origin=Origin(target.url),
        subprotocols=[Subprotocol("streamlit")],
        compression=compression,
        max_queue=max_queue,
        max_size=None,
        ping_interval=None,
        open_timeout=30,
        close_timeout=1,
    ) as socket:
        yield socket


def _sending(
    make: Callable[[], Message], at_once: int = 2, compression: str | None = None
) -> Callable[[Target], Awaitable[None]]:
    """An attack that sends this message in new WebSockets, and waits for what comes."""

    async def attack(target: Target) -> None:
        async def send(number: int) -> str:
            async with _socket(target, compression) as socket:
                try:
                    await socket.send(make())
                    await asyncio.wait_for(socket.recv(), 5)
                except ConnectionClosed as error:
                    return loss(error)
                except TimeoutError:
                    return "ignored"
                return "an answer"

        await target.repeat(send, at_once)

    return attack


def _rerun(query: str) -> bytes:
    return bytes(BackMsg(rerun_script=ClientState(query_string=query)).SerializeToString())


async def _many(target: Target) -> None:
    """200 pages that are open at once."""
    async with AsyncExitStack() as stack:
        opened = 0

        async def visit(number: int) -> str:
            nonlocal opened
            if opened >= SOCKETS:
                await asyncio.sleep(target.left)
                return f"{SOCKETS} pages are open"
            opened += 1
            await stack.enter_async_context(target.tab())
            return "the page"

        await target.repeat(visit, at_once=4)


async def _reconnect(target: Target) -> None:
    async def open_socket(number: int) -> str:
        async with _socket(target):
            return "connected"

    await target.repeat(open_socket, at_once=8)


async def _rerun_storm(target: Target) -> None:
    """A thousand messages a second that ask for the page to be run again."""
    async with target.tab() as tab:
        message = BackMsg(rerun_script=ClientState(page_script_hash=tab.page_hash))
        while target.left > 0:
            for _ in range(RERUNS // 20):
                await tab.send(message)
            await asyncio.sleep(0.05)
        target.note(shown(tab.page))


async def _deaf(target: Target) -> None:
    """Pages that are asked for over and over, whose answers nobody reads."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(_socket(target, max_queue=1)) for _ in range(DEAF_SOCKETS)]

        async def ask(number: int) -> str:
            message = _rerun(f"size={200 + number % 600}")
            try:
                await asyncio.wait_for(sockets[number % DEAF_SOCKETS].send(message), 5)
            except ConnectionClosed as error:
                return loss(error)
            return "sent"

        await target.repeat(ask, pause=0.02)


async def _pings(target: Target) -> None:
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(_socket(target)) for _ in range(4)]

        async def ping(number: int) -> str:
            await (await sockets[number % 4].ping(b"%125d" % number))
            return "pong"

        await target.repeat(ping, at_once=4)


async def _fragments() -> AsyncIterator[bytes]:
    yield _rerun("sample=cat")
    for _ in range(FRAGMENTS):
        yield b""


def _as_view(megabytes: int) -> Callable[[Target], Awaitable[None]]:
    """An attack that sends so much as the view of the gallery."""

    async def attack(target: Target) -> None:
        async def tell(number: int) -> str:
            async with target.tab() as tab:
                view = {"sort": "x" * (megabytes * MEGABYTE - 2000), "first": 0}
                node = tab.page.widget("gallery", "bidi_component")
                changes = {"view": {"revision": 2**50, "value": view}}
                await tab.run_with(component_event(node.id, "changes", changes), fragment=node.fragment)
                return shown(tab.page)

        await target.repeat(tell, at_once=2)

    return attack


async def _hashes(target: Target) -> None:
    """Pages whose browser says that it has 20,000 messages already."""

    async def ask(number: int) -> str:
        async with target.tab() as tab:
            state = ClientState(page_script_hash=tab.page_hash)
            state.cached_message_hashes.extend(f"{each:032x}" for each in range(20_000))
            await tab.ask(state)
            return shown(tab.page)

    await target.repeat(ask, at_once=2)


def _noise() -> bytes:
    return Random(0).randbytes(100_000)


def _many_widgets() -> bytes:
    states = json.dumps({"a": 1})
    message = BackMsg()
    for number in range(20_000):
        message.rerun_script.widget_states.widgets.add(id=f"forged {number}", json_value=states)
    return bytes(message.SerializeToString())


ATTACKS = (
    Attack("sockets", "200 pages are opened and stay open.", _many, WHOLE),
    Attack("reconnects", "Eight connections at a time open and close.", _reconnect),
    Attack("reruns", "One page is asked for a thousand times a second.", _rerun_storm, WHOLE),
    Attack("deaf", "Twenty connections ask for pages at ever new sizes, and read none.", _deaf),
    Attack("pings", "Pings without end.", _pings, "^pong"),
    Attack("fragments", "Messages in 100,000 fragments.", _sending(_fragments, 1)),
    Attack("no-protocol", "Messages of 100,000 random bytes.", _sending(_noise), times=1),
    Attack("text-frames", "Messages of text where there are only bytes.", _sending(lambda: "x" * 100_000)),
    Attack("message-11-mb", "Messages of 11 MB as the view of the gallery.", _as_view(11), TOO_LONG + "|closed"),
    Attack("message-1-mb", "Messages of a megabyte as the view of the gallery.", _as_view(1), WHOLE),
    Attack("hashes", "Pages whose browser says that it has 20,000 messages already.", _hashes, WHOLE),
    Attack(
        "inflating",
        "Compressed messages of 200 kB that inflate to 200 MB.",
        _sending(lambda: bytes(200 * MEGABYTE), 1, "deflate"),
        TOO_LONG + "|closed|4",
    ),
    Attack("forged-widgets", "The states of 20,000 widgets that no page has.", _sending(_many_widgets), WHOLE),
)
