"""Strangers' pictures, decoded in other processes: what is wrong with one harms nobody else."""

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosspool.errors import ImageError
from crosspool.ui.runtime.decode_worker import LONGEST_HEADER, StorageFormat, StoredImage, receive, request, send
from crosspool.ui.runtime.gate import BusyError, FairSemaphore
from crosspool.ui.runtime.settings import settings

CORES_A_WORKER = 2
WORN = 200  # pictures after which a worker is replaced, lest its memory grow
START_SECONDS = 60.0
GRACE = 2.0  # seconds after which a worker that nobody stopped ends itself
LONGEST_ANSWER = 128 * 2**20
AGAIN = "save it as JPEG or PNG, and try again"

_COMMAND = (sys.executable, "-B", "-m", "crosspool.ui.runtime.decode_worker")
# One thread a library: the workers share the cores with the rest. And nothing of the server's environment.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_PLACE = Path(__file__).parents[3]  # where the package is found


class _LostError(Exception):
    """The worker has ended, or says nothing that makes sense."""


class _LateError(_LostError):
    """The worker was ended because it took too long."""


class Worker:
    """A process that decodes pictures, one at a time; it ends with this one, or when it is closed."""

    def __init__(self) -> None:
        self.done = 0
        self.process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_PLACE,
            env=_ENVIRONMENT,
            start_new_session=True,  # whoever interrupts the server in a terminal does not mean this one
        )
        self._watched(START_SECONDS, lambda: self._receive(LONGEST_HEADER))

    def keep(self, data: bytes, name: str, form: StorageFormat, seconds: float) -> StoredImage:
        """As `decode_worker.keep`. Raises ImageError; _LostError when this worker is of no use any more."""

        def ask() -> tuple[dict[str, Any], bytes]:
            assert self.process.stdin is not None
            send(self.process.stdin, request(name, form, seconds + GRACE), data)
            return self._receive(LONGEST_ANSWER)

        self.done += 1
        answer, found = self._watched(seconds, ask)
        match answer:
            case {"error": str(sentence)}:
                raise ImageError(sentence)
            case {"shrunk": bool(shrunk), "file": int(length)} if 0 < length < len(found):
                return StoredImage(found[:length], shrunk, found[length:])
        raise _LostError

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):  # over what could not be written any more
                stream.close()

    def _receive(self, most: int) -> tuple[dict[str, Any], bytes]:
        assert self.process.stdout is not None
        return receive(self.process.stdout, most)

    def _watched(
        self, seconds: float, talk: Callable[[], tuple[dict[str, Any], bytes]]
    ) -> tuple[dict[str, Any], bytes]:
        """Kill the process if talking to it takes longer; that ends any reading and writing."""
        start = time.monotonic()
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            return talk()
        except (EOFError, OSError, ValueError) as error:
            raise (_LateError if time.monotonic() - start >= seconds else _LostError) from error
        finally:
            watchdog.cancel()


@dataclass(frozen=True)
class Count:
    """Pictures since the server's start: that were decoded, that were refused, and workers that were lost over one."""

    decoded: int = 0
    refused: int = 0
    lost: int = 0


class Workers:
    """A few workers, each started when it is first needed; whoever comes first is served first."""

    def __init__(self, width: int) -> None:
        self.gate = FairSemaphore(width)
        self.count = Count()
        self._lock = threading.Lock()
        self._free: list[Worker] = []

    def keep(self, data: bytes, name: str, form: StorageFormat) -> StoredImage:
        """What is kept of a picture's file, called `name` in messages. Raises ImageError."""
        limit = settings().upload_megabytes
        if len(data) > limit * 2**20:
            raise ImageError(f"{name} has {len(data) / 2**20:,.1f} MB of at most {limit}; scale it down and try again.")
        try:
            with self.gate.turn(seconds=settings().wait_seconds):
                return self._keep(data, name, form, settings().decode_seconds)
        except BusyError as error:
            raise ImageError(f"{name} was left out. {error}") from error

    def _keep(self, data: bytes, name: str, form: StorageFormat, seconds: float) -> StoredImage:
        worker = self._take()
        try:
            found = worker.keep(data, name, form, seconds)
        except ImageError:
            self._put_back(worker, refused=1)
            raise
        except _LateError as error:
            self._lose(worker)
            raise ImageError(f"{name} takes longer than {seconds:g} seconds to be decoded; {AGAIN}.") from error
        except BaseException as error:
            self._lose(worker)
            if not isinstance(error, _LostError):
                raise
            raise ImageError(f"{name} cannot be decoded, for its decoder broke off; {AGAIN}.") from error
        self._put_back(worker, decoded=1)
        return found

    def _take(self) -> Worker:
        with self._lock:
            while self._free:
                worker = self._free.pop()
                if worker.process.poll() is None:
                    return worker
                worker.close()  # where memory is short, workers are the first to be killed
        try:
            return Worker()
        except (_LostError, OSError) as error:
            raise ImageError("The server cannot decode pictures at present; try again in a minute.") from error

    def _put_back(self, worker: Worker, *, decoded: int = 0, refused: int = 0) -> None:
        with self._lock:
            self.count = Count(self.count.decoded + decoded, self.count.refused + refused, self.count.lost)
            if worker.done < WORN:
                self._free.append(worker)
                return
        worker.close()

    def _lose(self, worker: Worker) -> None:
        worker.close()
        with self._lock:
            self.count = Count(self.count.decoded, self.count.refused, self.count.lost + 1)

    def close(self) -> None:
        """End the workers that are free."""
        with self._lock:
            workers, self._free = self._free, []
        for worker in workers:
            worker.close()


workers = Workers(max((os.cpu_count() or 1) // CORES_A_WORKER, 1))
atexit.register(workers.close)
