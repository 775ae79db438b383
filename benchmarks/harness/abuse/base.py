"""What an attack is, and what it can do to a server: requests, raw bytes, and visits without a browser."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import urlsplit

import requests
from websockets.exceptions import InvalidStatus, WebSocketException

from benchmarks.harness.connection import TabClosedError
from benchmarks.harness.deltas import Page
from benchmarks.harness.tab import Tab

OPERATOR_KEY = "the operator of the abused server"
END_SECONDS = 15.0  # that an attack may take to end
PATIENCE_SECONDS = 5.0  # after which what is under way in the end counts as not answered
ANSWER_LENGTH = 90  # characters of an answer that are told
LOSSES = (OSError, WebSocketException, TabClosedError, LookupError, RuntimeError)
CLOSED, SILENT = "closed", "no answer"
WHOLE = "^(?!.*Something went wrong)"  # an answer of a page that has not failed


@dataclass
class Target:
    """The server under attack, for some seconds, or for some `times`; `answers` counts what it answered."""

    url: str
    seconds: float
    times: int = 10**9
    answers: Counter[str] = field(default_factory=Counter)
    start: float = field(default_factory=monotonic)

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.start + self.seconds - monotonic()

    @property
    def netloc(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    def note(self, answer: str) -> None:
        """Count an answer, without what differs from one to the next."""
        text = re.sub(r"\b[0-9a-f]{6}\b|`[^`]*`", "…", " ".join(answer.split()))
        self.answers[text if len(text) <= ANSWER_LENGTH else text[: ANSWER_LENGTH - 1] + "…"] += 1

    async def repeat(self, act: Callable[[int], Awaitable[str]], at_once: int = 1, pause: float = 0.0) -> None:
        """Do it over and over, so many at a time, and note each answer, until the time is over.

        `act` is given its number. What is under way in the end is broken off, as a visitor would who leaves.
        """
        numbers, under_way = iter(range(self.times)), dict[asyncio.Task[None] | None, float]()

        async def go_on() -> None:
            while self.left > 0 and (number := next(numbers, None)) is not None:
                under_way[asyncio.current_task()] = monotonic()
                try:
                    self.note(await act(number))
                except LOSSES as error:
                    self.note(loss(error))
                    await asyncio.sleep(0.05)
                await asyncio.sleep(pause)

        tasks = [asyncio.create_task(go_on()) for _ in range(at_once)]
        done, late = await asyncio.wait(tasks, timeout=max(self.left, 0) + 1)
        for task in late:
            task.cancel()
            if monotonic() - under_way[task] > PATIENCE_SECONDS:
                self.note(SILENT)
        await asyncio.wait(tasks)
        for task in done:
            task.result()

    @asynccontextmanager
    async def tab(self, path: str = "/", query: str = "") -> AsyncIterator[Tab]:
        """A new visit on this page, with a cookie as a browser has, which ends with the block."""
        tab = Tab(self.url)
        try:
            await tab.ask_for_cookie()
            await tab.open_address(path, query)
            yield tab
        finally:
            await tab.close()

    async def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> str:
        """The status of a request, with the answer's sentence if it has one."""
        answer = await asyncio.to_thread(
            requests.request, method, self.url + path, data=body, headers=headers or {}, timeout=30
        )
        return said(answer.status_code, answer.content)

    async def exchange(self, *parts: bytes, seconds: float = 30.0, pause: float = 0.0) -> str:
        """Send these bytes, with a pause between the parts: the status and the sentence, or how it ended."""
        reader, writer = await self.connect()
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            return answer_of(await asyncio.wait_for(reader.read(2**16), seconds))
        except TimeoutError:
            return SILENT
        finally:
            await hang_up(writer)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection."""
        parts = urlsplit(self.url)
        return await asyncio.open_connection(parts.hostname, parts.port)


@dataclass(frozen=True)
class Attack:
    """A name, a sentence, and what is done.

    `refusal` is a pattern that each answer has to match, "" where any will do. `times` is how often it is tried in the
    short form, 0 where it takes no part.
    """

    name: str
    sentence: str
    run: Callable[[Target], Awaitable[None]]
    refusal: str = ""
    times: int = 0

    def unexpected(self, answers: Counter[str]) -> list[str]:
        """The answers that are not as they should be."""
        if not answers:
            return ["no answer at all"]
        return [answer for answer in answers if not re.search(self.refusal, answer)]


async def _nothing(target: Target) -> None:
    await asyncio.sleep(target.seconds)
    target.note("nothing was asked")


CONTROL = Attack("nothing", "No attack: what the visitors' own steps take in the same time.", _nothing)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a bare connection."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def loss(error: Exception) -> str:
    """How something ended that did not go on, in few words."""
    if isinstance(error, TimeoutError):
        return SILENT
    if isinstance(error, InvalidStatus):
        return str(error.response.status_code)
    if isinstance(error, LookupError | RuntimeError):
        return str(error)
    code = getattr(getattr(error, "rcvd", None), "code", None)
    return f"{CLOSED} ({code})" if code else CLOSED


def answer_of(raw: bytes) -> str:
    """The status and the sentence of a raw HTTP answer."""
    if not raw:
        return CLOSED
    head, _, body = raw.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return said(int(status[0]), body) if status and status[0].isdigit() else "no HTTP"


def said(status: int, body: bytes) -> str:
    """A status, and what an answer says in one line of text."""
    text = body.decode("utf-8", "replace").strip()
    is_sentence = status >= 300 and text and "\n" not in text and not text.startswith(("<", "{"))
    return f"{status} {text}" if is_sentence else str(status)


def shown(page: Page, otherwise: str = "the page") -> str:
    """What a page says in its first red box, or else in its first blue one."""
    boxes = [str(node.proto.body) for node in page.elements("alert")]
    return (page.errors or boxes or [otherwise])[0]
