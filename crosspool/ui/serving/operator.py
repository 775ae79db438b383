"""The operator's page: what the server does, how full it is and how it is set; nothing about whose images."""

import hmac
import platform
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import streamlit as st

from crosspool import __version__
from crosspool.ui.comparison.job import trainings
from crosspool.ui.runtime import quota as private
from crosspool.ui.runtime import shared_cache as kept
from crosspool.ui.runtime.counters import Tally, tallies
from crosspool.ui.runtime.decoder_pool import workers
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.log import event
from crosspool.ui.runtime.maps import forget_networks, gate
from crosspool.ui.runtime.settings import ServerSettings, settings
from crosspool.ui.visit.state import VisitPart, plain, visit_state

REFRESH_SECONDS = 5.0
WRONG_KEY_SECONDS = 1.0
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
CONTAINER_USE = Path("/sys/fs/cgroup/memory.current")
PACKAGES = ("streamlit", "torch", "torchvision")
MB, GB = 2**20, 2**30

_trying = threading.Lock()

Row = dict[str, Any]


@dataclass
class OperatorState(VisitPart):
    """Whether the visitor has given the operator's key."""

    is_operator: bool = plain(False)


def operator_page() -> None:
    """The page."""
    st.title("Operator", anchor=False)
    if not visit_state(OperatorState).is_operator:
        _ask_for_key()
        return
    _figures()
    st.button(
        "Empty the caches",
        on_click=_empty_caches,
        help="Networks included: what is asked for again is loaded and computed again.",
    )
    st.subheader("Settings in force", anchor=False)
    _table(in_force(settings()))
    _table([{"package": name, "version": found} for name, found in versions().items()])


def _ask_for_key() -> None:
    with st.form("operator"):
        key = st.text_input("Key", type="password", max_chars=200)
        sent = st.form_submit_button("Open")
    if sent and is_key(key):
        visit_state(OperatorState).is_operator = True
        st.rerun()
    if sent:
        st.error("This is not the key that CROSSPOOL_OPERATOR_KEY has; try again.")


def is_key(text: str) -> bool:
    """Whether it is the operator's key. One is tried at a time, and a wrong one takes a second, whoever tries."""
    with _trying:
        right = hmac.compare_digest(text.encode(), settings().operator_key.encode())
        if not right:
            event("wrong_key")
            time.sleep(WRONG_KEY_SECONDS)
    return right and bool(text)


def _empty_caches() -> None:
    kept.forget_all()
    forget_networks()
    event("caches_emptied")


@st.fragment(run_every=REFRESH_SECONDS)
def _figures() -> None:
    """All that changes by itself."""
    process = psutil.Process()
    counted = tallies()
    began, ended = (counted.get(name, Tally()).times for name in ("visit_began", "visit_ended"))
    memory = memory_now()
    figures = {
        "open pages": f"{began - ended:,}",
        "visitors' pictures": f"{private.pictures_kept():,}",
        "they take": f"{private.bytes_kept() / MB:,.0f} of {settings().visitors_megabytes:,} MB",
        "memory of the server": f"{memory.server / GB:,.2f} GB",
        "of the machine": f"{memory.used / GB:,.1f} of {memory.limit / GB:,.1f} GB",
        "up": f"{(time.time() - process.create_time()) / 3600:,.1f} h",
    }
    for place, (label, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        place.metric(label, value)
    st.subheader("Queues", anchor=False)
    _table([queue("maps and features", gate), queue("trainings", trainings), queue("pictures to decode", workers.gate)])
    st.subheader("Caches", anchor=False)
    st.caption(f"All kinds together may take {kept.limit() / MB:,.0f} MB.")
    _table(cache(usage) for usage in kept.usages())
    st.subheader("What happened since the start", anchor=False)
    _table(
        {
            "event": name,
            "times": tally.times,
            "mean ms": round(tally.ms / tally.times),
            "longest ms": round(tally.longest),
        }
        for name, tally in counted.items()
    )


def _table(rows: Iterable[Row]) -> None:
    st.dataframe(list(rows), hide_index=True)


def queue(name: str, of: FairSemaphore) -> Row:
    """A queue as a row."""
    waits = of.waits
    return {
        "queue": name,
        "at a time": of.width,
        "running": of.running,
        "waiting": of.waiting,
        "mean wait, s": round(sum(waits) / len(waits), 2) if waits else 0.0,
        "longest wait, s": round(max(waits, default=0.0), 2),
    }


def cache(usage: kept.Usage) -> Row:
    """A cache as a row."""
    asked = usage.hits + usage.misses
    return {
        "cache": usage.name,
        "entries": usage.entries,
        "MB": round(usage.nbytes / MB, 1),
        "asked for": asked,
        "there, %": round(100 * usage.hits / asked, 1) if asked else 0.0,
    }


@dataclass(frozen=True)
class Memory:
    """Bytes: of the server with its workers; used and there in the container, or else the machine."""

    server: int
    used: int
    limit: int


def memory_now() -> Memory:
    """How much memory is used."""
    process = psutil.Process()
    server = sum(_resident(each) for each in [process, *process.children(recursive=True)])
    if CONTAINER_LIMIT.exists() and (limit := CONTAINER_LIMIT.read_text().strip()) != "max":
        return Memory(server, int(CONTAINER_USE.read_text()), int(limit))
    machine = psutil.virtual_memory()
    return Memory(server, machine.total - machine.available, machine.total)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # a worker that has ended meanwhile
        return 0


def in_force(chosen: ServerSettings) -> list[Row]:
    """The settings as rows, without the key."""
    return [
        {"setting": name, "value": str(value) if ServerSettings.model_fields[name].repr else "hidden"}
        for name, value in chosen.model_dump().items()
    ]


def versions() -> dict[str, str]:
    """What runs."""
    return {"crosspool": __version__, "Python": platform.python_version()} | {name: version(name) for name in PACKAGES}
