"""The driver for one machine: processes of one thread each, which compute a shard at a time."""

import multiprocessing
import signal
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from crosspool.errors import CrosspoolError, SettingError
from crosspool.shards.extraction import Job, Task, counted
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
            while pool.idle and (found := schedule.next()) is not None:
                number, work = found
                worker = pool.idle.pop()
                worker.connection.send(work)
                busy[worker.connection] = worker, number
            for connection in wait(list(busy)):
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
                    pool.replace(worker)
                    schedule.fail(number, f"its process ended with status {worker.process.exitcode}")


class _Worker:
    """A process that waits for work."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(job, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def message(self) -> Any:
        """What it says; None where it has ended."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            return None

    def end(self) -> None:
        """Let it leave what it does, as nobody listens any more, and wait until it has."""
        self.connection.close()
        self.process.join(PATIENCE)
        self.process.kill()
        self.process.join()


class _Pool:
    """Workers, which end with the context."""

    def __init__(self, job: Job, count: int) -> None:
        self._job = job
        self.idle = [_Worker(job) for _ in range(count)]
        self._every = set(self.idle)

    def replace(self, worker: _Worker) -> None:
        """Let another one take the place of one that has ended."""
        worker.end()
        self._every.remove(worker)
        new = _Worker(self._job)
        self._every.add(new)
        self.idle.append(new)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._every:
            worker.end()


def _serve(job: Job, connection: "Connection[Any, Any]") -> None:
    """The life of a worker: Ctrl-C is its parent's, which ends it; where the parent is gone, it ends, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        extractor = job.extractor()
        while True:
            work = connection.recv()
            for count in counted(extractor.extract(work) if isinstance(work, Task) else extractor.learn(work)):
                connection.send(count)
            connection.send(DONE)
    except (EOFError, ConnectionError):
        return
    except CrosspoolError as error:
        connection.send(SettingError(str(error)))
