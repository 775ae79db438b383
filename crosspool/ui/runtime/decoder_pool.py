"""Visitors' images, decoded in other processes, so that a malformed one harms nobody else.

Made here rather than taken from a library: process pools wait for a task that never ends, break as a whole when one
process dies, and pickle.
"""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from crosspool.errors import ImageError
from crosspool.ui.runtime import decode_worker
from crosspool.ui.runtime.decode_worker import LONGEST_HEADER, Message, StorageFormat, StoredImage
from crosspool.ui.runtime.gate import BusyError, FairSemaphore, OnWait
from crosspool.ui.runtime.settings import ServerSettings

CORES_PER_DECODER = 2
IMAGES_PER_PROCESS = 200  # after which it is replaced, as its memory grows
START_SECONDS = 60.0
GRACE_SECONDS = 2.0  # after which a process that was not stopped ends itself
LONGEST_ANSWER = 128 * 2**20
ADVICE = "save it as JPEG or PNG, and try again"

_COMMAND = (sys.executable, "-B", "-m", "crosspool.ui.runtime.decode_worker")
# One thread for each library, as decoders share the cores with the rest; and nothing of the server's environment.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_ROOT = Path(__file__).parents[3]  # the folder of the package


class _LostError(Exception):
    """The process has ended, or its answer makes no sense."""


class _LateError(_LostError):
    """The process was ended because it took too long."""


def too_large(name: str, nbytes: int, most: int) -> str:
    """Why a file with more than `most` megabytes is refused."""
    return f"{name} has {nbytes / 2**20:,.1f} MB, and this server takes at most {most}; scale it down and try again."


class DecoderProcess:
    """A process that decodes images, one at a time. It ends with this process, or when it is closed.

    `confinement` says in words what it may not do.
    """

    def __init__(self) -> None:
        self.done = 0
        self.process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT, env=_ENVIRONMENT,
            start_new_session=True,  # so that interrupting the server in a terminal does not interrupt this process
        )  # fmt: skip
        try:
            hello, _ = self._watched(START_SECONDS, lambda: self._receive(LONGEST_HEADER))
        except _LostError:
            self.close()
            raise
        self.confinement = tuple(map(str, hello.get("confinement", ())))

    def store(self, data: bytes, name: str, form: StorageFormat, seconds: float) -> StoredImage:
        """As `decode_worker.stored_image`. Raises ImageError; _LostError once this process is useless."""

        def ask() -> Message:
            assert self.process.stdin is not None
            header = decode_worker.request(name, form, seconds + GRACE_SECONDS)
            decode_worker.send(self.process.stdin, header, data)
            return self._receive(LONGEST_ANSWER)

        self.done += 1
        answer, data = self._watched(seconds, ask)
        match answer:
            case {"error": str(sentence)}:
                raise ImageError(sentence)
            case {"shrunk": bool(shrunk), "frames": int(frames), "file": int(length)} if 0 < length < len(data):
                return StoredImage(data[:length], shrunk, data[length:], frames)
        raise _LostError

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):  # for what was not written yet
                stream.close()

    def _receive(self, limit: int) -> Message:
        assert self.process.stdout is not None
        return decode_worker.receive(self.process.stdout, limit)

    def _watched(self, seconds: float, talk: Callable[[], Message]) -> Message:
        """Kill the process if talking to it takes longer, which ends any reading and writing."""
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


class DecoderPool:
    """A few processes, each started when it is first needed; images are decoded first come, first served.

    `counts` are the images since the server's start that were decoded, refused, or lost together with a process.
    """

    def __init__(
        self, settings: ServerSettings, on_wait: OnWait = lambda seconds: None, width: int | None = None
    ) -> None:
        self._settings = settings
        self.semaphore = FairSemaphore(width or max((os.cpu_count() or 1) // CORES_PER_DECODER, 1), on_wait)
        self.counts = Counter(decoded=0, refused=0, lost=0)
        self.confinement: tuple[str, ...] = ()  # of the last process
        self._lock = threading.Lock()
        self._idle: list[DecoderProcess] = []

    @property
    def processes(self) -> int:
        """The number of processes."""
        return len(self._idle) + self.semaphore.running

    def store(self, data: bytes, name: str, form: StorageFormat) -> StoredImage:
        """An image in the form in which it is stored; `name` is for messages. Raises ImageError."""
        most = self._settings.upload_megabytes
        if len(data) > most * 2**20:
            raise ImageError(too_large(name, len(data), most))
        try:
            with self.semaphore.turn(seconds=self._settings.wait_seconds):
                return self._store(data, name, form)
        except BusyError as error:
            raise ImageError(f"{name} was left out. {error}") from error

    def _store(self, data: bytes, name: str, form: StorageFormat) -> StoredImage:
        process, seconds = self._take(), self._settings.decode_seconds
        try:
            image = process.store(data, name, form, seconds)
        except ImageError:
            self._put_back(process, "refused")
            raise
        except _LateError as error:
            self._lose(process)
            raise ImageError(f"{name} takes longer than {seconds:g} seconds to decode; {ADVICE}.") from error
        except BaseException as error:
            self._lose(process)
            if not isinstance(error, _LostError):
                raise
            raise ImageError(f"{name} cannot be decoded: its decoder broke off; {ADVICE}.") from error
        self._put_back(process, "decoded")
        return image

    def _take(self) -> DecoderProcess:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.process.poll() is None:
                    return process
                process.close()  # it was killed: decoders are the first to be when memory is short
        try:
            process = DecoderProcess()
        except (_LostError, OSError) as error:
            raise ImageError("The server cannot decode images at the moment; try again in a minute.") from error
        self.confinement = process.confinement
        return process

    def _put_back(self, process: DecoderProcess, outcome: str) -> None:
        with self._lock:
            self.counts[outcome] += 1
            if process.done < IMAGES_PER_PROCESS:
                self._idle.append(process)
                return
        process.close()

    def _lose(self, process: DecoderProcess) -> None:
        process.close()
        with self._lock:
            self.counts["lost"] += 1

    def close(self) -> None:
        """End the processes that are idle."""
        with self._lock:
            processes, self._idle = self._idle, []
        for process in processes:
            process.close()
