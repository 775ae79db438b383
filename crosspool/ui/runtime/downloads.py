"""Downloads of weights, each shared by all visitors who ask for it, and only a few at a time."""

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from crosspool.backbones import BackboneSpec
from crosspool.backbones.weights import fetch_weights
from crosspool.errors import BackboneError
from crosspool.text import human_bytes
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.background import BackgroundJob, FullError, JobLimit, JobPlace, Step
from crosspool.ui.runtime.log import EventLog

AT_ONCE = 2
SPARE_BYTES = 2**30  # that stay free on the disk


@dataclass
class DownloadProgress:
    """Bytes so far, and bytes in all: 0 until the connection stands."""

    done: int = 0
    total: int = 0


@dataclass(frozen=True, eq=False)
class Download:
    """A download under way or ended. When no visitor holds it any more, it ends, and leaves no file."""

    job: BackgroundJob
    progress: DownloadProgress


class Downloads:
    """The downloads of one server: one at a time for each file, and few at a time in all."""

    def __init__(self, log: EventLog, whose: Callable[[], Account] = Account) -> None:
        self._log, self._whose, self._lock = log, whose, threading.Lock()
        self.jobs = JobLimit("download", "downloads", AT_ONCE, AT_ONCE)
        self._downloads: WeakValueDictionary[str, Download] = WeakValueDictionary()

    def of(self, spec: BackboneSpec) -> Download:
        """The running download of this network's weights, or a new one; the caller has to hold it.

        Raises FullError where too many are running, or the disk has no room.
        """
        with self._lock:
            running = self._downloads.get(spec.name)
            if running is not None and running.job.running:
                return running
            place = self.jobs.take(self._whose())
            try:
                _check_disk(spec)
            except FullError:
                place.give_back()
                raise
            download = _start(spec, self._log, place)
            self._downloads[spec.name] = download
            return download


def _check_disk(spec: BackboneSpec) -> None:
    """Raise FullError where the disk has no room for these weights, with those that are under way and some to spare."""
    folder = spec.weights.path.parent
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    need, free = int(spec.weights.megabytes * 1e6), shutil.disk_usage(existing).free
    if free < need + SPARE_BYTES:
        raise FullError(
            f"The weights of {spec.title} take {human_bytes(need)}, and the server's disk has {human_bytes(free)} "
            f"left, of which {human_bytes(SPARE_BYTES)} stay free; ask who runs this server to make room, or choose a "
            "smaller network."
        )


def _start(spec: BackboneSpec, log: EventLog, place: JobPlace) -> Download:
    progress, session = DownloadProgress(), log.running_session()

    def work(step: Step) -> None:
        def report(done: int, total: int) -> None:
            step()
            progress.done, progress.total = done, total

        try:
            fetch_weights(spec.weights, report)
        except BackboneError as error:  # its words are ours and about this machine: for the operator, not for visitors
            log.record(
                "download_failed",
                level=logging.WARNING,
                network=spec.name,
                kind=str(error),
                session=session,
                error=error,
            )
            problem = f"The weights of {spec.title} could not be downloaded"
            raise BackboneError(
                f"{problem}; try again later, or ask who runs this server (its log says why)."
            ) from None
        log.record("downloaded", network=spec.name, session=session)

    return Download(BackgroundJob(work, place, task="the download", advice="try again later"), progress)
