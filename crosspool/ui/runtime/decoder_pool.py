"""Strangers' images, decoded in other processes, so that one that is malformed harms nobody else.

Made here rather than with a process pool of a library: those wait for a task that never ends, break as a whole when one
process dies, and pickle.
"""

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
from crosspool.ui.runtime.settings import ServerSettings

CORES_PER_DECODER = 2
IMAGES_PER_PROCESS = 200  # after which it is replaced, as its memory grows
START_SECONDS = 60.0
GRACE_SECONDS = 2.0  # after which a process that nobody stopped ends itself
LONGEST_ANSWER = 128 * 2**20
ADVICE = "save it as JPEG or PNG, and try again"

_COMMAND = (sys.executable, "-B", "-m", "crosspool.ui.runtime.decode_worker")
# One thread for each library: decoders share the cores with the rest. And nothing of the server's environment.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_ROOT = Path(__file__).parents[3]  # where the package is found


class _LostError(Exception):
    """The process has ended, or its answer makes no sense."""


class _LateError(_LostError):
    """The process was ended because it took too long."""


class DecoderProcess:
    """A process that decodes images, one at a time; it ends with this one, or when it is closed."""

    def __init__(self) -> None:
        self.done = 0
        self.process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env=_ENVIRONMENT,
            start_new_session=True,  # an interrupt of the server in a terminal is not meant for this process
        )
        self._watched(START_SECONDS, lambda: self._receive(LONGEST_HEADER))

    def store(self, data: bytes, name: str, form: StorageFormat, seconds: float) -> StoredImage:
        """As `decode_worker.stored_image`. Raises ImageError; _LostError when this process is of no use any more."""

        def ask() -> tuple[dict[str, Any], bytes]:
            assert self.process.stdin is not None
            send(self.process.stdin, request(name, form, seconds + GRACE_SECONDS), data)
            return self._receive(LONGEST_ANSWER)

        self.done += 1
        answer, data = self._watched(seconds, ask)
        match answer:
            case {"error": str(sentence)}:
                raise ImageError(sentence)
            case {"shrunk": bool(shrunk), "file": int(length)} if 0 < length < len(data):
                return StoredImage(data[:length], shrunk, data[length:])
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
class DecodeCounts:
    """Images since the server's start that were decoded or refused, and processes that were lost over one."""

    decoded: int = 0
    refused: int = 0
    lost: int = 0


class DecoderPool:
    """A few processes, each started when it is first needed; images are decoded first come, first served."""

    def __init__(
        self,
        settings: ServerSettings,
        on_wait: Callable[[float], object] = lambda seconds: None,
        *,
        width: int | None = None,
    ) -> None:
        self._settings = settings
        self.semaphore = FairSemaphore(width or max((os.cpu_count() or 1) // CORES_PER_DECODER, 1), on_wait)
        self.counts = DecodeCounts()
        self._lock = threading.Lock()
        self._idle: list[DecoderProcess] = []

    @property
    def processes(self) -> int:
        """How many processes there are."""
        return len(self._idle) + self.semaphore.running

    def store(self, data: bytes, name: str, form: StorageFormat) -> StoredImage:
        """An image's file in the form in which it is stored; `name` is for messages. Raises ImageError."""
        limit = self._settings.upload_megabytes
        if len(data) > limit * 2**20:
            raise ImageError(
                f"{name} has {len(data) / 2**20:,.1f} MB, and this server takes at most {limit}; scale it down and try "
                "again."
            )
        try:
            with self.semaphore.turn(seconds=self._settings.wait_seconds):
                return self._store(data, name, form, self._settings.decode_seconds)
        except BusyError as error:
            raise ImageError(f"{name} was left out. {error}") from error

    def _store(self, data: bytes, name: str, form: StorageFormat, seconds: float) -> StoredImage:
        process = self._take()
        try:
            image = process.store(data, name, form, seconds)
        except ImageError:
            self._put_back(process, refused=1)
            raise
        except _LateError as error:
            self._lose(process)
            raise ImageError(f"{name} takes longer than {seconds:g} seconds to decode; {ADVICE}.") from error
        except BaseException as error:
            self._lose(process)
            if not isinstance(error, _LostError):
                raise
            raise ImageError(f"{name} cannot be decoded: its decoder broke off; {ADVICE}.") from error
        self._put_back(process, decoded=1)
        return image

    def _take(self) -> DecoderProcess:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.process.poll() is None:
                    return process
                process.close()  # where memory is short, decoders are the first to be killed
        try:
            return DecoderProcess()
        except (_LostError, OSError) as error:
            raise ImageError("The server cannot decode images at the moment; try again in a minute.") from error

    def _put_back(self, process: DecoderProcess, *, decoded: int = 0, refused: int = 0) -> None:
        with self._lock:
            counts = self.counts
            self.counts = DecodeCounts(counts.decoded + decoded, counts.refused + refused, counts.lost)
            if process.done < IMAGES_PER_PROCESS:
                self._idle.append(process)
                return
        process.close()

    def _lose(self, process: DecoderProcess) -> None:
        process.close()
        with self._lock:
            self.counts = DecodeCounts(self.counts.decoded, self.counts.refused, self.counts.lost + 1)

    def close(self) -> None:
        """End the processes that are idle."""
        with self._lock:
            processes, self._idle = self._idle, []
        for process in processes:
            process.close()
