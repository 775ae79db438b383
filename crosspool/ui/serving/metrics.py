"""The server's numbers for Prometheus: the same as on the operator's page, and behind the same key."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
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
        yield from self._events()
        yield from self._queues()
        yield from self._cache()
        yield from self._memory()

    def _events(self) -> Iterator[Metric]:
        times = CounterMetricFamily("crosspool_events", "Events since the start.", labels=["event"])
        seconds = CounterMetricFamily("crosspool_event_seconds", "What they took.", labels=["event"], unit="seconds")
        for name, count in self._server.log.counters.counts().items():
            times.add_metric([name], count.times)
            seconds.add_metric([name], count.ms / 1000)
        yield from (times, seconds)

    def _queues(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("crosspool_queue_running", "Computations that have a turn.", labels=["queue"])
        waiting = GaugeMetricFamily("crosspool_queue_waiting", "Computations that wait for one.", labels=["queue"])
        for name, semaphore in queues(self._server).items():
            running.add_metric([name], semaphore.running)
            waiting.add_metric([name], semaphore.waiting)
        yield from (running, waiting)

    def _cache(self) -> Iterator[Metric]:
        nbytes = GaugeMetricFamily("crosspool_cache_bytes", "Results in memory.", labels=["kind"])
        hits = CounterMetricFamily("crosspool_cache_hits", "Requests that found a result.", labels=["kind"])
        misses = CounterMetricFamily("crosspool_cache_misses", "Requests that found none.", labels=["kind"])
        for usage in self._server.cache.usages():
            nbytes.add_metric([usage.name], usage.nbytes)
            hits.add_metric([usage.name], usage.hits)
            misses.add_metric([usage.name], usage.misses)
        yield from (nbytes, hits, misses)

    def _memory(self) -> Iterator[Metric]:
        server = self._server
        images = CounterMetricFamily("crosspool_decoded_images", "Uploaded images by outcome.", labels=["outcome"])
        counts = server.decoders.counts
        for outcome, number in {"decoded": counts.decoded, "refused": counts.refused, "lost": counts.lost}.items():
            images.add_metric([outcome], number)
        yield images
        gauges = {
            "crosspool_networks": ("Networks in memory.", len(server.networks)),
            "crosspool_decoders": ("Processes that decode images.", server.decoders.processes),
            "crosspool_visitor_images": ("Different image files of all visitors.", server.quota.image_count),
            "crosspool_visitor_image_bytes": ("Memory of the images of all visitors.", server.quota.nbytes),
            "crosspool_classifier_bytes": ("Memory of trained classifiers.", server.classifier_memory.reserved),
            "crosspool_memory_bytes": ("Memory of the server with its decoders.", memory_use().server),
        }
        for name, (meaning, value) in gauges.items():
            yield GaugeMetricFamily(name, meaning, value)
