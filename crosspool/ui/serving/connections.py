"""The server's connections: none waits for good for a request, and none to send what is ready."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

SECONDS = 10.0  # for which a connection may wait for a request's head, as nginx in deploy/ does
MOST_WAITING = 256  # of which the oldest end at once; a browser holds six, and sends its requests when it connects
SWEEP_SECONDS = 1.0


class HttpConnection(Protocol):
    """What uvicorn's protocols for HTTP tell of a connection: its transport, once made, and its latest request."""

    transport: asyncio.Transport | None
    cycle: Any


@dataclass(frozen=True)
class Wait:
    """Since when a connection waits for a request after this one, on the loop's clock."""

    cycle: object
    since: float


class ConnectionWatch:
    """Ends connections that wait too long for a request, or that too many others have come after.

    On some no request comes, or only half of one, and uvicorn itself would hold them for good.
    """

    def __init__(self) -> None:
        self._waits: WeakKeyDictionary[HttpConnection, Wait] = WeakKeyDictionary()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch all connections to the servers that this loop will start, and let them send at once.

        A socket as Streamlit makes it, without naming its protocol, is one on which asyncio does not turn off Nagle's
        algorithm: what follows a first packet waited until the browser had acknowledged that, for up to 40 ms.
        Connections inherit this from the socket that listens.
        """
        create_server = loop.create_server

        async def create_watched(
            factory: Callable[[], asyncio.Protocol], *args: Any, sock: socket.socket | None = None, **options: Any
        ) -> asyncio.Server:
            def watched() -> asyncio.Protocol:
                protocol = factory()
                self._waits[cast(HttpConnection, protocol)] = Wait(None, loop.time())
                return protocol

            if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return await create_server(watched, *args, sock=sock, **options)

        # Streamlit starts uvicorn with settings of its own, so the loop is the one place to learn of connections.
        vars(loop)["create_server"] = create_watched

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now: float) -> None:
        """Forget connections that are closed or a WebSocket's by now, and end those that have waited too long."""
        waiting: list[tuple[float, asyncio.Transport]] = []
        for connection, wait in list(self._waits.items()):
            transport = connection.transport
            if transport is None:  # it is being made
                continue
            served_by: object = transport.get_protocol()
            if transport.is_closing() or served_by is not connection:
                del self._waits[connection]
            elif connection.cycle is not wait.cycle or not _waits(connection):
                self._waits[connection] = Wait(connection.cycle, now)
            else:
                waiting.append((wait.since, transport))
        waiting.sort(key=lambda pair: pair[0])
        too_many = len(waiting) - MOST_WAITING
        for place, (since, transport) in enumerate(waiting):
            if now - since >= (SWEEP_SECONDS if place < too_many else SECONDS):
                transport.close()


def _waits(connection: HttpConnection) -> bool:
    """Whether a connection has no request that is being answered."""
    return connection.cycle is None or bool(connection.cycle.response_complete)
