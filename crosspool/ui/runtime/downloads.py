"""Downloads of weights, each shared by all visitors who ask for it."""

import logging
import threading
from dataclasses import dataclass
from weakref import WeakValueDictionary

from crosspool.backbones import BackboneSpec
from crosspool.backbones.weights import fetch_weights
from crosspool.errors import BackboneError
from crosspool.ui.runtime.background import BackgroundJob, Step
from crosspool.ui.runtime.log import EventLog


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
    """The downloads of one server: one at a time for each file."""

    def __init__(self, log: EventLog) -> None:
        self._log, self._lock = log, threading.Lock()
        self._downloads: WeakValueDictionary[str, Download] = WeakValueDictionary()

    def of(self, spec: BackboneSpec) -> Download:
        """The running download of this network's weights, or a new one; the caller has to hold it."""
        with self._lock:
            running = self._downloads.get(spec.name)
            if running is not None and running.job.running:
                return running
            download = _start(spec, self._log)
            self._downloads[spec.name] = download
            return download


def _start(spec: BackboneSpec, log: EventLog) -> Download:
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

    return Download(BackgroundJob(work, task="the download", advice="try again later"), progress)
