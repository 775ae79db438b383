"""All that one server shares between its visits, built once from its settings."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from crosspool.ui.runtime.cores import cores, default_width
from crosspool.ui.runtime.decoder_pool import DecoderPool
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.housekeeping import keep_house
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.runtime.memory_budget import MemoryBudget
from crosspool.ui.runtime.networks import Networks
from crosspool.ui.runtime.operator_key import OperatorKey
from crosspool.ui.runtime.quota import ImageQuota
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.shared_cache import SharedCache
from crosspool.ui.runtime.visit_register import VisitRegister

MB = 2**20


class Server:
    """The parts that visits share; two servers in one process share nothing."""

    def __init__(self, settings: ServerSettings) -> None:
        width = settings.at_once or default_width()
        self.settings = settings
        self.log = EventLog()
        # One forward pass uses a few cores well; more at a time would only slow each other down. So whatever computes
        # holds a turn here, for one image or one step at a time.
        self.compute = FairSemaphore(width, self._record_wait)
        self.trainings = FairSemaphore(settings.trainings, self._record_wait)
        self.decoders = DecoderPool(settings, self._record_wait)
        self.networks = Networks(settings.networks, threads=max(cores() // width, 1))
        self.cache = SharedCache(settings.cache_megabytes * MB)
        self.quota = ImageQuota(
            settings.visitor_megabytes * MB, settings.visitors_megabytes * MB, self.cache.forget_images
        )
        self.classifier_memory = MemoryBudget(settings.trained_megabytes * MB)
        self.visits = VisitRegister()
        self.operator_key = OperatorKey(settings.operator_key, self.log)
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin what goes on beside the visits."""
        threading.Thread(target=keep_house, args=(self._closed,), name="housekeeping", daemon=True).start()

    def close(self) -> None:
        """End this server's threads and processes, as soon as they have nothing to do."""
        self._closed.set()
        self.decoders.close()
        self.quota.close()

    def empty_caches(self) -> None:
        """Drop all results, and all networks that nobody uses at this moment."""
        self.cache.clear()
        self.networks.clear()
        self.log.record("caches_emptied")

    def _record_wait(self, seconds: float) -> None:
        self.log.record("waited", ms=1000 * seconds)


_current: Server | None = None


def current_server() -> Server:
    """The server that serves the page that is running."""
    if _current is None:
        raise RuntimeError("no server was started: begin with use_server(Server(ServerSettings()))")
    return _current


def serve_with(server: Server) -> None:
    """From now on this process's pages are served by this server."""
    global _current  # noqa: PLW0603  # a page is a script that Streamlit runs, so nobody can hand it its server
    _current = server


@contextmanager
def use_server(server: Server) -> Iterator[Server]:
    """Serve pages with this server for the length of the block, and close it then; for tests and benchmarks."""
    global _current  # noqa: PLW0603
    before, _current = _current, server
    try:
        yield server
    finally:
        _current = before
        server.close()
