"""Odd addresses opened in the served app, each on a random page and as a new visit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

from benchmarks.harness.app import PAGE_PATHS
from benchmarks.harness.fuzzing.base import check_sentence
from benchmarks.harness.fuzzing.links import link
from benchmarks.harness.tab import Tab


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


async def open_addresses(url: str, count: int, seed: int, limit: float) -> AsyncIterator[OpenedAddress]:
    """Open as many addresses, one after the other."""
    for number in range(count):
        yield await open_address(url, *address(seed, number), limit)
