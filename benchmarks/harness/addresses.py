"""Odd addresses opened in the served app, each on a random page and as a new visit."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import requests

from benchmarks.harness.app import PAGE_PATHS
from benchmarks.harness.connection import PATIENCE_SECONDS, TabClosedError
from benchmarks.harness.fuzzing.base import check_sentence
from benchmarks.harness.fuzzing.links import link
from benchmarks.harness.tab import Tab
from crosspool.ui.serving.guard import LONGEST_QUERY


@dataclass
class OpenedAddress:
    """An address and its result: the texts in boxes, and the faults."""

    path: str
    query: str
    seconds: float = 0.0
    boxes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def address(seed: int, number: int) -> tuple[str, str]:
    """A page's path, and the text after the question mark."""
    random = Random(f"{seed} address {number}")
    return random.choice(PAGE_PATHS), link(random).decode("utf-8", "replace")


async def open_address(url: str, path: str, query: str, limit: float) -> OpenedAddress:
    """Open an address as a new visitor, and leave again; more seconds than the limit are a fault."""
    opened, tab = OpenedAddress(path, query), Tab(url)
    if len(query) > LONGEST_QUERY:
        return await _open_too_long(opened, tab)
    try:
        opened.seconds = await tab.open_address(path, query)
    except TimeoutError as error:
        opened.faults.append(str(error))
    opened.boxes = [str(node.proto.body) for node in tab.page.elements("alert")]
    if opened.seconds > limit:
        opened.faults.append(f"It took {opened.seconds:.1f} s.")
    if not any(tab.page.elements("heading")):
        opened.faults.append("The page has no heading.")
    opened.faults += [f"It failed: {node.proto.message}" for node in tab.page.elements("exception")]
    for text in tab.page.errors:
        try:
            assert "Something went wrong" not in text, text
            check_sentence(text)
        except AssertionError as error:
            opened.faults.append(str(error))
    await tab.close()
    return opened


async def _open_too_long(opened: OpenedAddress, tab: Tab) -> OpenedAddress:
    """Open an address that is refused: by a sentence as a document, and on a connection without a page."""
    answer = await asyncio.to_thread(
        requests.get, f"{tab.url}/{opened.path.strip('/')}", params=opened.query, timeout=PATIENCE_SECONDS
    )
    opened.boxes = [answer.text]
    if answer.status_code != 414:
        opened.faults.append(f"It is answered by {answer.status_code}.")
    try:
        await tab.open_address(opened.path, opened.query)
        opened.faults.append("A page is shown.")
    except TabClosedError:
        pass
    return opened


async def open_addresses(url: str, count: int, seed: int, limit: float) -> AsyncIterator[OpenedAddress]:
    """Open as many addresses, one after the other."""
    for number in range(count):
        yield await open_address(url, *address(seed, number), limit)
