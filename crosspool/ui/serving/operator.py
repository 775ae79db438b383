"""The operator's page and /metrics: what the server does, how full it is, its settings; nothing about whose images."""

import asyncio
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import psutil
import streamlit as st
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily as Counter
from prometheus_client.metrics_core import GaugeMetricFamily as Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from crosspool import __version__
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.log import EventCount
from crosspool.ui.runtime.memory import memory_use
from crosspool.ui.runtime.server import Server, current_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.shared_cache import CacheUsage
from crosspool.ui.visit.state import VisitPart, plain, visit_state

REFRESH_SECONDS = 5.0
LARGEST = 5  # visitors that are shown
WRONG_KEY_SECONDS = 1.0
PACKAGES = ("streamlit", "torch", "torchvision")
MB, GB = 2**20, 2**30

Row = dict[str, Any]


@dataclass
class OperatorState(VisitPart):
    """Whether the visitor has given the operator's key."""

    is_operator: bool = plain(False)


def operator_page() -> None:
    """The page."""
    server = current_server()
    st.title("Operator", anchor=False)
    if not visit_state(OperatorState).is_operator:
        _ask_for_key(server)
        return
    _show_state()
    hint = "Networks as well: whatever is needed again is loaded and computed again."
    st.button("Empty the caches", on_click=server.empty_caches, help=hint)
    st.subheader("Settings in force", anchor=False)
    _table(settings_rows(server.settings))
    _table([{"package": package, "version": number} for package, number in versions().items()])


def _ask_for_key(server: Server) -> None:
    with st.form("operator"):
        key = st.text_input("Key", type="password", max_chars=200)
        sent = st.form_submit_button("Open")
    if sent and server.operator_key.matches(key):
        visit_state(OperatorState).is_operator = True
        st.rerun()
    if sent:
        time.sleep(WRONG_KEY_SECONDS)
        st.error("This is not the key in CROSSPOOL_OPERATOR_KEY; try again.")


@st.fragment(run_every=REFRESH_SECONDS)
def _show_state() -> None:
    """Everything that changes by itself."""
    server = current_server()
    events = server.log.counts()
    began, ended = (events.get(name, EventCount()).times for name in ("visit_began", "visit_ended"))
    memory = memory_use()
    figures = {
        "open pages": f"{began - ended:,}",
        "visitors' images": f"{server.quota.image_count:,}",
        "they take": f"{server.quota.nbytes / MB:,.0f} of {server.settings.visitors_megabytes:,} MB",
        "memory of the server": f"{memory.server / GB:,.2f} GB",
        "of the machine": f"{memory.used / GB:,.1f} of {memory.limit / GB:,.1f} GB",
        "up": f"{(time.time() - psutil.Process().create_time()) / 3600:,.1f} h",
    }
    for column, (label, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(label, value)
    st.subheader("Queues", anchor=False)
    _table(queue_row(name, semaphore) for name, semaphore in queues(server).items())
    confinement = server.decoders.confinement
    st.caption(
        f"Processes that decode images: {'; '.join(confinement) or 'none has started, or nothing confines them'}."
    )
    st.subheader("Limits", anchor=False)
    _table(limit_row(name, use) for name, use in limits(server).items())
    st.subheader("Visitors who take most", anchor=False)
    st.caption("Of time to compute lately, or of memory and disk. The names are made up anew for every visitor.")
    _table(map(account_row, server.accounts.largest(LARGEST)))
    st.subheader("Caches", anchor=False)
    st.caption(f"All kinds together may take {server.cache.limit / MB:,.0f} MB.")
    _table(cache_row(usage) for usage in server.cache.usages())
    st.subheader("What happened since the start", anchor=False)
    _table(event_row(name, count) for name, count in events.items())


def _table(rows: Iterable[Row]) -> None:
    st.dataframe(list(rows), hide_index=True)


def queues(server: Server) -> dict[str, FairSemaphore]:
    """A server's queues by name."""
    return {
        "maps and features": server.compute,
        "layers of networks": server.tracing,
        "networks to load": server.loading,
        "trainings": server.trainings,
        "trainings begun": server.begun_trainings,
        "images to decode": server.decoders.semaphore,
    }


@dataclass(frozen=True)
class LimitUse:
    """How much is taken of what is limited, the most that can be, and how often something was refused for it."""

    used: int
    most: int
    refusals: int


def limits(server: Server) -> dict[str, LimitUse]:
    """What is limited on a server, by name."""
    jobs = (server.training_jobs, server.survey_jobs, server.channel_images.jobs, server.downloads.jobs)
    counts = {
        "pages": LimitUse(len(server.open_pages), server.open_pages.limit, server.open_pages.refusals),
        **{each.plural: LimitUse(len(each), each.limit, each.refusals) for each in jobs},
    }
    images = LimitUse(server.quota.nbytes, server.quota.limit, server.quota.refusals)
    budgets = (server.classifier_memory, server.files, server.disk)
    nbytes = {f"bytes of {each.name}": LimitUse(each.reserved, each.limit, each.refusals) for each in budgets}
    askers = sum(use.most for use in counts.values())  # each of which waits for one turn at most
    turns = LimitUse(server.compute.waiting, askers, server.compute.refusals)
    return counts | {"waiting to compute": turns, "bytes of images": images} | nbytes


def limit_row(name: str, use: LimitUse) -> Row:
    """A limit as a row."""
    return {"limit": name, "now": f"{use.used:,}", "at most": f"{use.most:,}", "refused": use.refusals}


def account_row(account: Account) -> Row:
    """What a visitor takes as a row."""
    seconds = {"s lately": round(account.recent_seconds(time.monotonic()), 1), "s in all": round(account.seconds, 1)}
    sizes = {"MB of images": account.nbytes, **{f"MB of {name}": size for name, size in account.reserved.items()}}
    return {"visitor": account.name, **seconds, **{name: round(size / MB, 1) for name, size in sizes.items()}}


def event_row(name: str, count: EventCount) -> Row:
    """An event as a row."""
    mean, longest = round(count.ms / count.times), round(count.longest_ms)
    return {"event": name, "times": count.times, "mean ms": mean, "longest ms": longest}


def queue_row(name: str, semaphore: FairSemaphore) -> Row:
    """A queue as a row."""
    waits = semaphore.waits or [0.0]
    lengths = {"at a time": semaphore.width, "running": semaphore.running, "waiting": semaphore.waiting}
    mean, longest = round(sum(waits) / len(waits), 2), round(max(waits), 2)
    return {"queue": name, **lengths, "mean wait, s": mean, "longest wait, s": longest}


def cache_row(usage: CacheUsage) -> Row:
    """A kind of results in the cache as a row."""
    requests = usage.hits + usage.misses
    size = {"cache": usage.name, "entries": usage.entries, "MB": round(usage.nbytes / MB, 1)}
    return size | {"asked for": requests, "there, %": round(100 * usage.hits / max(requests, 1), 1)}


def settings_rows(settings: ServerSettings) -> list[Row]:
    """The settings as rows, without the key."""
    return [
        {"setting": name, "value": str(value) if ServerSettings.model_fields[name].repr else "hidden"}
        for name, value in settings.model_dump().items()
    ]


def versions() -> dict[str, str]:
    """The versions of crosspool, Python and the main packages."""
    return {"crosspool": __version__, "Python": platform.python_version()} | {name: version(name) for name in PACKAGES}


# --- for Prometheus


class ServerMetrics(Collector):
    """A server's numbers, read whenever they are asked for."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    async def respond(self, request: Request) -> Response:
        """The answer to a request: 404 without an operator's key, 401 unless the request has it as a bearer token."""
        key = self._server.operator_key
        if not key:
            return Response(status_code=404)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.matches(token.strip()):
            await asyncio.sleep(WRONG_KEY_SECONDS)  # which takes none of the server's threads
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        text = await run_in_threadpool(generate_latest, self._registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})

    def collect(self) -> Iterator[Metric]:
        """All metrics, with their values now."""
        server = self._server
        events, semaphores = server.log.counts(), queues(server).items()
        usages = server.cache.usages()
        uses, now = limits(server), time.monotonic()
        visitors = {str(rank): account for rank, account in enumerate(server.accounts.largest(LARGEST), 1)}
        used = {name: use.used for name, use in uses.items()}
        most = {name: use.most for name, use in uses.items()}
        refusals = {name: use.refusals for name, use in uses.items()}
        visitor_seconds = {rank: account.recent_seconds(now) for rank, account in visitors.items()}
        visitor_bytes = {rank: account.all_bytes for rank, account in visitors.items()}
        times = {name: count.times for name, count in events.items()}
        seconds = {name: count.ms / 1000 for name, count in events.items()}
        running = {name: semaphore.running for name, semaphore in semaphores}
        waiting = {name: semaphore.waiting for name, semaphore in semaphores}
        nbytes = {usage.name: usage.nbytes for usage in usages}
        hits = {usage.name: usage.hits for usage in usages}
        misses = {usage.name: usage.misses for usage in usages}
        for kind, name, meaning, label, values in (
            (Counter, "events", "Events since the start.", "event", times),
            (Counter, "event_seconds", "How long they took.", "event", seconds),
            (Gauge, "queue_running", "Computations that have a turn.", "queue", running),
            (Gauge, "queue_waiting", "Computations that wait for one.", "queue", waiting),
            (Gauge, "cache_bytes", "Results in memory.", "kind", nbytes),
            (Counter, "cache_hits", "Requests that found a result.", "kind", hits),
            (Counter, "cache_misses", "Requests that found none.", "kind", misses),
            (Gauge, "limit_used", "What is taken of each limit.", "limit", used),
            (Gauge, "limit", "The most that can be taken of it.", "limit", most),
            (Counter, "refusals", "What was refused for it.", "limit", refusals),
            (Gauge, "visitor_seconds", "Computed lately for those who take most.", "rank", visitor_seconds),
            (Gauge, "visitor_bytes", "Kept for those who take most.", "rank", visitor_bytes),
            (Counter, "decoded_images", "Uploaded images by outcome.", "outcome", server.decoders.counts),
        ):
            family = kind(f"crosspool_{name}", meaning, labels=[label])
            for value_of_label, number in values.items():
                family.add_metric([value_of_label], number)
            yield family
        for name, meaning, value in (
            ("networks", "Networks in memory.", len(server.networks)),
            ("network_bytes", "Memory of networks.", server.networks.nbytes),
            ("decoders", "Processes that decode images.", server.decoders.processes),
            ("visitor_images", "Different image files of all visitors.", server.quota.image_count),
            ("visitor_image_bytes", "Memory of the images of all visitors.", server.quota.nbytes),
            ("classifier_bytes", "Memory of trained classifiers.", server.classifier_memory.reserved),
            ("memory_bytes", "Memory of the server with its decoders.", memory_use().server),
        ):
            yield Gauge(f"crosspool_{name}", meaning, value)
