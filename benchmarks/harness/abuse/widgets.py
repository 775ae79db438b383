"""Links and states of widgets as no page sends them."""

import json
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.harness.abuse.base import WHOLE, Attack, Target, shown
from benchmarks.harness.app import PAGE_PATHS
from benchmarks.harness.tab import Tab, component_event

NUMBERS = (float("nan"), float("inf"), -1.0, 1e308, 2.0**53, 10.0**9)
VALUES: tuple[Any, ...] = (
    None, True, -1, 10**30, 1e308, "x", "x" * 100_000, [], [[]], {}, {"a": {}}, [-1, -1], [10**9, 0, 0], ["x", 0],
    {"revision": "x", "value": 1}, {"view": {"revision": 2**60, "value": {}}}, {"view": {"revision": 2**60}},
    {"selected": {"revision": 2**60, "value": "x"}}, {"selected": {"revision": 2**60, "value": [1e300, 0, 0]}},
    {"pins": {"revision": 2**60, "value": list(range(10_000))}}, {"box": {"revision": 2**60, "value": [9, 9, 9, 9]}},
)  # fmt: skip
EVENTS = ("changes", "chosen", "removed", "pressed", "cell", "ticked", "camera", "name", "event", "")
LINKS = (
    urlencode({"pins": ",".join(map(str, range(100_000)))}),
    "&".join(f"p{number}=1" for number in range(50_000)),
    "sample=" + "x" * 500_000,
    "box=" + "1," * 200_000,
    "size=" + "9" * 400_000,
    "top=1e-" + "9" * 100_000,
    quote("\U000e0041" * 20_000),
)


def _states_of(tab: Tab, random: Random) -> list[WidgetState]:
    """A forged state for each widget of a page: of the right kind or another, and beyond its range."""
    forged = []
    for node in [node for _, node in sorted(tab.page.nodes.items()) if node.id]:
        number, value = random.choice(NUMBERS), random.choice(VALUES)
        kinds: list[dict[str, Any]] = [
            {"double_value": number},
            {"int_value": 2**62},
            {"string_value": "x" * random.choice((0, 1, 50_000))},
            {"json_value": json.dumps(value)},
            {"bool_value": True},
            {"bytes_value": b"\xff" * 1000},
        ]
        forged.append(WidgetState(id=node.id, **random.choice(kinds)))
        if node.kind == "bidi_component":
            forged[-1] = component_event(node.id, random.choice(EVENTS), value)
    return forged


async def _forge(target: Target) -> None:
    """Each widget of each page, with a state that does not fit it."""

    async def visit(number: int) -> str:
        path = PAGE_PATHS[number % len(PAGE_PATHS)]
        async with target.tab(f"/{path}") as tab:
            random = Random(number)
            for state in _states_of(tab, random):
                await tab.run_with(state)
                if tab.page.errors:
                    return f"/{path}: {tab.page.errors[0]}"
            return "the page"

    await target.repeat(visit, at_once=2)


async def _long_links(target: Target) -> None:
    async def visit(number: int) -> str:
        path = PAGE_PATHS[number % len(PAGE_PATHS)]
        async with target.tab(f"/{path}", LINKS[number % len(LINKS)]) as tab:
            return shown(tab.page)

    await target.repeat(visit, at_once=2)


async def _every_page(target: Target) -> None:
    """All pages, one after the other, in tabs that are closed at once."""

    async def visit(number: int) -> str:
        async with target.tab(f"/{PAGE_PATHS[number % len(PAGE_PATHS)]}") as tab:
            return shown(tab.page)

    await target.repeat(visit, at_once=4)


ATTACKS = (
    Attack("forged-states", "A state that does not fit, for each widget of each page.", _forge, WHOLE),
    Attack("long-links", "Links with 50,000 settings, and with values of half a megabyte.", _long_links, WHOLE),
    Attack("every-page", "All pages, by four visitors who leave at once.", _every_page, WHOLE),
)
