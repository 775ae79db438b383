"""Train & compare: methods without end, and trainings that take all turns."""

import asyncio
from collections.abc import Awaitable, Callable

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.harness.abuse.base import Attack, Target, shown
from benchmarks.harness.people import TRAINED_NETWORK, Person
from benchmarks.harness.tab import Tab

PAGE, METHODS = "/train_and_compare", "Other methods"
SUMS = ",".join(f"sum@{size}" for size in range(128, 228))
MADE_UP = ",".join(f"n{number}" for number in range(20_000))
LONG_PARTS = "+".join(["cl@896"] * 200)
TRAINERS = 10


def _state(tab: Tab, text: str) -> WidgetState:
    return WidgetState(id=tab.page.widget(METHODS, "text_input").id, string_value=text)


def _naming(text: str, *, at_once: int = 2, reruns: int = 3) -> Callable[[Target], Awaitable[None]]:
    """An attack that types these methods and runs the page again, by so many visits at a time."""

    async def attack(target: Target) -> None:
        async def visit(number: int) -> str:
            async with target.tab(PAGE) as tab:
                state = _state(tab, text)
                for _ in range(reruns):
                    await tab.run_with(state)
                return shown(tab.page, "accepted")

        await target.repeat(visit, at_once)

    return attack


async def _leave(target: Target) -> None:
    async def visit(number: int) -> str:
        async with target.tab(PAGE) as tab:
            state = ClientState(page_script_hash=tab.page_hash)
            sums = ",".join(f"sum@{128 + (7 * number + each) % 700}" for each in range(16))
            state.widget_states.widgets.append(_state(tab, sums))
            await tab.send(BackMsg(rerun_script=state))
            await asyncio.sleep(0.05)
            return "left"

    await target.repeat(visit, at_once=4)


async def _train(target: Target) -> None:
    """Ten visits, each with the longest training that the controls allow, begun again as soon as it has ended."""

    async def visit(number: int) -> str:
        async with target.tab(PAGE) as tab:
            person = Person(1000 + number, 7)
            await person.upload_labelled(tab)
            await tab.choose("Network", TRAINED_NETWORK)
            await tab.type("Random splits", 10)
            await tab.choose_all("Methods", tab.options("Methods"))
            await tab.press("train")
            await tab.settle_until(lambda: target.left <= 0 or not tab.has("button", "cancel"))
            return shown(tab.page, "trains")

    await target.repeat(visit, at_once=TRAINERS)


REFUSAL = "methods|characters|busy|understood|names|names have"
ATTACKS = (
    Attack(
        "methods-sums",
        "A hundred sums at sizes from 128 to 227, named in 799 characters, and again on each rerun.",
        _naming(SUMS),
        REFUSAL,
        times=1,
    ),
    Attack("methods-made-up", "20,000 made-up names of methods, and again on each rerun.", _naming(MADE_UP)),
    Attack("methods-parts", "One method of 200 parts at the largest size.", _naming(LONG_PARTS)),
    Attack("methods-leaving", "Methods at ever new sizes, typed by visitors who leave at once.", _leave),
    Attack("trainings", "Ten visits train at once, with all methods and the most splits.", _train),
)
