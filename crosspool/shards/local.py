"""The driver for one machine: processes of one thread each, which compute a shard at a time."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from crosspool.errors import CrosspoolError, SettingError
from crosspool.shards.extraction import Job
from crosspool.shards.schedule import Schedule

PATIENCE = 5.0  # seconds for a worker to leave its shard
DONE = "done"


def extract_locally(schedule: Schedule, workers: int) -> None:
    """Compute what is open of a schedule in so many processes.

    Where it ends early, by an error or by Ctrl-C, what is under way is left; it is computed again next time.

    Raises SettingError, with the sentence of a worker that could not go on, or where a shard fails again and again.
    """
    with _Pool(schedule.job, workers) as pool:
        busy: dict[Any, tuple[_Worker, int]] = {}
        while not schedule.is_done:
            while pool.has_room and (found := schedule.next()) is not None:
                number, work = found
                worker = pool.take()
                with suppress(ConnectionError):  # it has ended, and will be heard to have
                    worker.connection.send(work)
                busy[worker.connection] = worker, number
            for connection in wait(list(busy)) if busy else ():  # another driver may have done the rest
                worker, number = busy[connection]
                message = worker.message()
                if isinstance(message, int):
                    schedule.count(number, message)
                    continue
                del busy[connection]
                if isinstance(message, CrosspoolError):
                    raise message
                if message == DONE:
                    schedule.finish(number)
                    pool.idle.append(worker)
                else:
                    pool.drop(worker)
                    schedule.fail(number, message or f"its process ended with status {worker.process.exitcode}")


class _Worker:
    """A process that waits for work."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(job, theirs), daemon=True)
        with _interrupts_held():
            self.process.start()
        theirs.close()

    def message(self) -> Any:
        """What it says; None where it has ended."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            return None


class _Pool:
    """At most `most` workers, each begun when there is work for it; they end with the context."""

    def __init__(self, job: Job, most: int) -> None:
        self._job, self._most = job, most
        self.idle: list[_Worker] = []
        self._every: set[_Worker] = set()

    @property
    def has_room(self) -> bool:
        """Whether one waits, or can be begun."""
        return bool(self.idle) or len(self._every) < self._most

    def take(self) -> _Worker:
        """One that waits, or a new one."""
        if self.idle:
            return self.idle.pop()
        worker = _Worker(self._job)
        self._every.add(worker)
        return worker

    def drop(self, worker: _Worker) -> None:
        """Forget one that has ended."""
        _end([worker])
        self._every.remove(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end(self._every)


def _end(workers: Collection[_Worker]) -> None:
    """Let workers leave what they do, as nobody listens any more, and wait until they have."""
    for worker in workers:
        worker.connection.close()
    deadline = time.monotonic() + PATIENCE
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        worker.process.kill()
        worker.process.join()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the end; a process that is begun here never gets it, not even during its imports."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let Ctrl-C through when it begins
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))  # other threads may still get it
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if came:
        signal.raise_signal(signal.SIGINT)


def _serve(job: Job, connection: "Connection[Any, Any]") -> None:
    """The life of a worker: Ctrl-C is its parent's, which ends it; where the parent is gone, it ends, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held back
    try:
        extractor = job.extractor()
        while True:
            for count in extractor.work(connection.recv()):
                connection.send(count)
            connection.send(DONE)
    except (EOFError, ConnectionError):
        return
    except CrosspoolError as error:
        connection.send(SettingError(str(error)))
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
        raise  # so that its traceback is seen
