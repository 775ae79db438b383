"""All that one server shares between its visits, built once from its settings."""

import hmac
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from crosspool.flow import available_cores
from crosspool.ui.runtime import (
    accounts,
    background,
    channel_images,
    collection,
    decoder_pool,
    downloads,
    gate,
    housekeeping,
    networks,
    open_pages,
    quota,
    shared_cache,
    visits,
)
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.runtime.memory import memory_limit
from crosspool.ui.runtime.settings import ServerSettings

MB = 2**20
NETWORKS_SHARE = 3  # of the memory, for networks
ACTIVATIONS_SHARE = 2  # of the memory, for what computations hold, those included that let others go first
CORES_PER_COMPUTATION = 4  # more threads than that hardly speed one up
BEGUN_PER_PLACE = 3  # trainings that share a place among those at a time
TRAINED_SHARE = 2  # part of the memory for classifiers that one visitor may take
FILES_SHARE, VISITORS_FILES_SHARE = 8, 2  # of the memory for files to download, and of that for one visitor
DISK_SHARE = 16  # part of the room on disk that one visitor may take
SURVEYS, OWN_SURVEYS = 200, 8  # sets of images whose maps are computed: on the server, and of one visitor's tabs


class OperatorKey:
    """The key to the operator's page and /metrics. Who gives a wrong one is told after `WRONG_KEY_SECONDS`."""

    def __init__(self, key: str, log: EventLog) -> None:
        self._key, self._log = key.encode(), log

    def __bool__(self) -> bool:
        """Whether there is a key."""
        return bool(self._key)

    def matches(self, text: str) -> bool:
        """Whether this is the key, at once: no wrong one delays the right one."""
        is_right = hmac.compare_digest(text.encode(errors="replace"), self._key)
        if not is_right:
            self._log.record("wrong_key")
        return is_right and bool(self)


class Server:
    """The parts that visits share; two servers in one process share nothing."""

    def __init__(self, settings: ServerSettings) -> None:
        """Raises CrosspoolError where a setting names something that cannot be opened."""
        width = settings.at_once or max(available_cores() // CORES_PER_COMPUTATION, 1)
        self.settings = settings
        self.log = EventLog()
        # One forward pass uses a few cores well; more at a time would only slow each other down. So every computation
        # holds a turn here, for one image or one step at a time.
        self.accounts = accounts.Accounts()
        self.open_pages = open_pages.OpenPages(settings.open_pages)
        self.visits = visits.VisitRegister(settings.kept_seconds)
        self.compute = gate.FairSemaphore(width, self._record_wait, self.account, end_unwanted=visits.end_unwanted_run)
        at_a_time = width + gate.MOST_PAUSED
        self.computation_bytes = memory_limit() // ACTIVATIONS_SHARE // at_a_time  # that one of them may hold
        self.trainings = gate.FairSemaphore(settings.trainings, self._record_wait, self.account, charges=False)
        # Those that have begun take turns: they hold a network and files, so there are not many more than places.
        self.begun_trainings = gate.FairSemaphore(
            BEGUN_PER_PLACE * settings.trainings, self._record_wait, self.account, charges=False
        )
        self.training_jobs = background.JobLimit(
            "training", "trainings", settings.trainings + settings.trainings_waiting
        )
        self.survey_jobs = background.JobLimit("set of images", "sets of images", SURVEYS, OWN_SURVEYS)
        self.decoders = decoder_pool.DecoderPool(settings, self._record_wait, whose=self.account)
        # Tracing a network and loading it take seconds, most of which cannot give way: so they go on beside the
        # computations, and tracing beside loading.
        self.tracing, self.loading = (
            gate.FairSemaphore(1, self._record_wait, self.account, end_unwanted=visits.end_unwanted_run)
            for _ in range(2)
        )
        self.networks = networks.Networks(
            settings.networks,
            max(settings.networks_megabytes * MB or memory_limit() // NETWORKS_SHARE, networks.SMALLEST_LIMIT),
            threads=max(available_cores() // width, 1),
            allowed=networks.names_of(settings.network_names),
            loading=self.loading,
            engine=settings.engine,
        )
        self.downloads = downloads.Downloads(self.log, self.account)
        self.cache = shared_cache.SharedCache(settings.cache_megabytes * MB)
        self.channel_images = channel_images.ChannelImages(self.cache, self.compute, self.networks, self.account)
        visitor_bytes, all_bytes = settings.visitor_megabytes * MB, settings.visitors_megabytes * MB
        room = self.visits.make_room_for_images
        self.quota = quota.ImageQuota(visitor_bytes, all_bytes, self.cache.forget_images, room)
        trained_bytes = settings.trained_megabytes * MB
        self.classifier_memory = quota.Budget(
            "classifiers", trained_bytes, trained_bytes // TRAINED_SHARE, self.visits.make_room_for_classifiers
        )
        files_bytes = memory_limit() // FILES_SHARE
        self.files = quota.Budget("files", files_bytes, files_bytes // VISITORS_FILES_SHARE)
        disk_bytes = settings.disk_megabytes * MB
        self.disk = quota.Budget("disk", disk_bytes, disk_bytes // DISK_SHARE)
        self.collection = collection.ServedStore(settings.features, self.log) if settings.features else None
        self.run_name = secrets.token_hex(4)  # tells the runs of the server apart
        self.operator_key = OperatorKey(settings.operator_key, self.log)
        self._closed = threading.Event()

    def account(self) -> accounts.Account:
        """Who is charged for what this thread computes: the visitor whose page or job it runs, or the server itself."""
        return accounts.CHARGED.get() or self.visits.running_account() or self.accounts.own

    def start(self) -> None:
        """Start what goes on beside the visits."""
        if self.collection is not None:
            self.collection.begin()
        threading.Thread(target=housekeeping.keep_house, args=(self._closed,), name="housekeeping", daemon=True).start()

    def close(self) -> None:
        """End this server's threads and processes, as soon as they have nothing to do."""
        self._closed.set()
        self.decoders.close()
        self.quota.close()

    def empty_caches(self) -> None:
        """Drop all results, and all networks that are not in use."""
        self.cache.clear()
        self.networks.clear()
        self.log.record("caches_emptied")

    def _record_wait(self, seconds: float) -> None:
        self.log.record("waited", ms=1000 * seconds)


_current: Server | None = None


def current_server() -> Server:
    """The server of the page that is running."""
    if _current is None:
        raise RuntimeError("no server was started: begin with use_server(Server(ServerSettings()))")
    return _current


def serve_with(server: Server) -> None:
    """Let this server serve this process's pages from now on."""
    global _current  # noqa: PLW0603  # a page is a script that Streamlit runs, so nothing can hand it its server
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
