"""The server's numbers for Prometheus: the same as on the operator's page, and behind the same key."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily as Counter
from prometheus_client.metrics_core import GaugeMetricFamily as Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from crosspool.ui.runtime.server import Server
from crosspool.ui.serving.operator import memory_use, queues


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
        if scheme.lower() != "bearer" or not await run_in_threadpool(key.matches, token.strip()):
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        text = await run_in_threadpool(generate_latest, self._registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})

    def collect(self) -> Iterator[Metric]:
        """All metrics, with their values now."""
        server = self._server
        events, semaphores = server.log.counts(), queues(server).items()
        usages = server.cache.usages()
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
            (Counter, "decoded_images", "Uploaded images by outcome.", "outcome", server.decoders.counts),
        ):
            family = kind(f"crosspool_{name}", meaning, labels=[label])
            for value_of_label, number in values.items():
                family.add_metric([value_of_label], number)
            yield family
        for name, meaning, value in (
            ("networks", "Networks in memory.", len(server.networks)),
            ("decoders", "Processes that decode images.", server.decoders.processes),
            ("visitor_images", "Different image files of all visitors.", server.quota.image_count),
            ("visitor_image_bytes", "Memory of the images of all visitors.", server.quota.nbytes),
            ("classifier_bytes", "Memory of trained classifiers.", server.classifier_memory.reserved),
            ("memory_bytes", "Memory of the server with its decoders.", memory_use().server),
        ):
            yield Gauge(f"crosspool_{name}", meaning, value)
