"""Visitors' images and classifiers, read in other processes, so that a malformed file harms nobody else.

Made here rather than taken from a library: process pools wait for a task that never ends, break as a whole when one
process dies, and pickle.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from crosspool.errors import CrosspoolError, ImageError, ModelError
from crosspool.inspection.image import ImageFacts
from crosspool.ui.runtime import decode_worker
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.decode_worker import LONGEST_HEADER, Message, StorageFormat, StoredImage
from crosspool.ui.runtime.described_classifiers import ADVICE, LONGEST_DESCRIPTION, DescribedClassifier, described
from crosspool.ui.runtime.gate import BusyError, FairSemaphore, OnWait
from crosspool.ui.runtime.settings import ServerSettings

CORES_PER_DECODER = 2
IMAGES_PER_PROCESS = 200  # after which it is replaced, as its memory grows
START_SECONDS = 60.0
WAIT_TIMES = 10  # how much longer than it works a process may take, where others use the cores
GRACE_SECONDS = 2.0  # after which a process that was not stopped ends itself
LONGEST_ANSWER = 128 * 2**20
LONGEST_FACT = 64  # characters: a SHA-256

_COMMAND = (sys.executable, "-B", "-m", "crosspool.ui.runtime.decode_worker")
# One thread for each library, as decoders share the cores with the rest; and nothing of the server's environment.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_ROOT = Path(__file__).parents[3]  # the folder of the package

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class FileKind:
    """A kind of files: its plural, the error for one that cannot be read, and what helps then."""

    plural: str
    error: type[CrosspoolError]
    advice: str


IMAGE = FileKind("images", ImageError, "save it as JPEG or PNG, and try again")
CLASSIFIER = FileKind("classifiers", ModelError, ADVICE)


class _LostError(Exception):
    """The process has ended, or its answer makes no sense."""


class _LateError(_LostError):
    """The process was ended because it did not answer for long."""


class _LaboriousError(_LostError):
    """The process ended itself because it had to work for too long."""


def _facts(answer: object) -> ImageFacts:
    """The facts about an image in an answer. Raises _LostError where they are none."""
    match answer:
        case {
            "format": str(kind), "mode": str(mode), "width": int(width), "height": int(height), "pixels": str(pixels),
            "has_few_colours": bool(few),
        } if max(len(kind), len(mode), len(pixels)) <= LONGEST_FACT:  # fmt: skip
            return ImageFacts(kind, mode, width, height, pixels, few)
    raise _LostError


def too_large(name: str, nbytes: int, most: int) -> str:
    """Why a file with more than `most` megabytes is refused."""
    return f"{name} has {nbytes / 2**20:,.1f} MB, and this server takes at most {most}; scale it down and try again."


class DecoderProcess:
    """A process that reads files, one at a time. It ends with this process, or when it is closed.

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
        match self._ask(data, name, form, seconds, LONGEST_ANSWER):
            case {"error": str(sentence)}, _:
                raise ImageError(sentence)
            case {"shrunk": bool(shrunk), "frames": int(frames), "file": int(length), "facts": facts}, bytes(files) if (
                0 < length < len(files)
            ):
                return StoredImage(
                    files[:length], shrunk, files[length:], frames, _facts(facts) if form.facts else None
                )
        raise _LostError

    def describe(self, data: bytes, name: str, seconds: float) -> DescribedClassifier:
        """What a classifier's file holds. Raises ModelError; _LostError once this process is useless."""
        header, texts = self._ask(data, name, None, seconds, LONGEST_DESCRIPTION)
        if isinstance(sentence := header.get("error"), str):
            raise ModelError(sentence)
        try:
            return described(header, texts, data)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise _LostError from error

    def _ask(self, data: bytes, name: str, form: StorageFormat | None, seconds: float, limit: int) -> Message:
        """The answer about a file, of at most `limit` bytes, which takes at most `seconds` of a core's work."""
        wait = WAIT_TIMES * seconds
        header = decode_worker.request(name, form, seconds, wait + GRACE_SECONDS)

        def talk() -> Message:
            assert self.process.stdin is not None
            decode_worker.send(self.process.stdin, header, data)
            return self._receive(limit)

        self.done += 1
        return self._watched(wait, talk)

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

    def _ended_itself(self) -> bool:
        """Whether the process is gone because its work took too long; it may need a moment to go."""
        try:
            return self.process.wait(GRACE_SECONDS) == -signal.SIGPROF
        except subprocess.TimeoutExpired:
            return False

    def _watched(self, seconds: float, talk: Callable[[], Message]) -> Message:
        """Kill the process if talking to it takes longer, which ends any reading and writing."""
        start = time.monotonic()
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            return talk()
        except (EOFError, OSError, ValueError) as error:
            if not isinstance(error, ValueError) and self._ended_itself():
                raise _LaboriousError from error
            raise (_LateError if time.monotonic() - start >= seconds else _LostError) from error
        finally:
            watchdog.cancel()


class DecoderPool:
    """A few processes, each started when it is first needed; files are read in turns, fairly between visitors.

    `counts` are the files since the server's start that were decoded, refused, or lost together with a process.
    """

    def __init__(
        self, settings: ServerSettings, on_wait: OnWait = lambda seconds: None, width: int | None = None,
        whose: Callable[[], Account] = Account,
    ) -> None:  # fmt: skip
        self._settings = settings
        width = width or max((os.cpu_count() or 1) // CORES_PER_DECODER, 1)
        self.semaphore = FairSemaphore(width, on_wait, whose)
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
        return self._turn(lambda process, seconds: process.store(data, name, form, seconds), name, IMAGE)

    def describe(self, data: bytes, name: str) -> DescribedClassifier:
        """What a classifier's file holds; `name` is for messages. Raises ModelError."""
        return self._turn(lambda process, seconds: process.describe(data, name, seconds), name, CLASSIFIER)

    def _turn(self, ask: Callable[[DecoderProcess, float], Answer], name: str, kind: FileKind) -> Answer:
        try:
            with self.semaphore.turn(seconds=self._settings.wait_seconds):
                return self._answer(ask, name, kind)
        except BusyError as error:
            raise kind.error(f"{name} was left out. {error}") from error

    def _answer(self, ask: Callable[[DecoderProcess, float], Answer], name: str, kind: FileKind) -> Answer:
        process, seconds = self._take(kind), self._settings.decode_seconds
        try:
            answer = ask(process, seconds)
        except kind.error:
            self._put_back(process, "refused")
            raise
        except _LaboriousError as error:
            self._lose(process)
            problem = f"{name} takes longer than {seconds:g} seconds to decode"
            raise kind.error(f"{problem}; {kind.advice}.") from error
        except _LateError as error:
            self._lose(process)
            problem = f"{name} could not be decoded, as the server is busy with other work"
            raise kind.error(f"{problem}; try again in a minute.") from error
        except BaseException as error:
            self._lose(process)
            if not isinstance(error, _LostError):
                raise
            problem = f"{name} cannot be decoded: its decoder broke off"
            raise kind.error(f"{problem}; {kind.advice}.") from error
        self._put_back(process, "decoded")
        return answer

    def _take(self, kind: FileKind) -> DecoderProcess:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.process.poll() is None:
                    return process
                process.close()  # it was killed: decoders are the first to be when memory is short
        try:
            process = DecoderProcess()
        except (_LostError, OSError) as error:
            raise kind.error(f"The server cannot decode {kind.plural} at the moment; try again in a minute.") from error
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
