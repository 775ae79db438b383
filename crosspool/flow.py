"""Work on many images at once: in order, in bounded memory, and stopped at once.

Each worker takes one image from its file to its result, in one thread, so that no stage waits for another: what reads,
decodes, computes and compresses lets other threads run meanwhile. As many single-threaded passes as there are cores
take less time than one pass after another with all cores.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

import joblib

from crosspool.errors import CrosspoolError
from crosspool.tracing import BETWEEN_NODES

Item = TypeVar("Item")
Result = TypeVar("Result")

READERS = 2  # files that are read ahead of the work on them, so that a slow disk is not waited for
AHEAD = 2  # results that may wait for an earlier one, for each worker
PATIENCE = 1.0  # seconds for what is under way to end
_THREADS = threading.Lock()  # while a worker's number of threads is set, which torch also keeps for the process


class StoppedError(CrosspoolError):
    """Nobody waits for the result any more."""


def available_cores() -> int:
    """How many cores this process may use, a container's limit included."""
    return int(joblib.cpu_count())


def in_order(compute: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None) -> Generator[Result]:
    """The results for all items, in their order.

    Items are taken, and computed, a few ahead of the result that is waited for. Where this ends early, by an error, by
    Ctrl-C or as its user stops, what is under way is stopped in the middle of the network; only a thread that waits for
    a file is left behind. Within a worker of another one, it is stopped with that one.

    Args:
        compute: Called in several threads at once.
        items: Taken one at a time, in this thread.
        workers: How many are computed at a time, each with its share of the cores; None stands for as many as there
            are cores.

    Yields:
        The result for each item.

    Raises:
        Exception: What `compute` or `items` raise, after the results before it.
    """
    workers = workers or available_cores()
    threads = max(available_cores() // workers, 1)
    stopped, waiting, outer = threading.Event(), deque[Future[Result]](), BETWEEN_NODES.get()
    tasks: SimpleQueue[tuple[Future[Result], Item] | None] = SimpleQueue()

    def between() -> None:
        if stopped.is_set():
            raise StoppedError("The computation was stopped.")
        outer()

    arguments = compute, tasks, stopped, between, threads
    pool = [threading.Thread(target=_work, args=arguments, daemon=True) for _ in range(workers)]
    for worker in pool:
        worker.start()
    try:
        for future in _begun(items, tasks):
            waiting.append(future)
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stopped.set()
        for _ in pool:
            tasks.put(None)
        deadline = time.monotonic() + PATIENCE
        for worker in pool:
            worker.join(max(deadline - time.monotonic(), 0))


def _begun(items: Iterable[Item], tasks: "SimpleQueue[tuple[Future[Result], Item] | None]") -> Iterator[Future[Result]]:
    """Hand items to the workers. What `items` raises takes the place of a result; only Ctrl-C is raised at once."""
    future: Future[Result]
    try:
        for item in items:
            future = Future()
            tasks.put((future, item))
            yield future
    except Exception as error:
        future = Future()
        future.set_exception(error)
        yield future


def _work(
    compute: Callable[[Item], Result], tasks: "SimpleQueue[tuple[Future[Result], Item] | None]",
    stopped: threading.Event, between: Callable[[], None], threads: int,
) -> None:  # fmt: skip
    """Compute tasks until there are no more, or nobody waits for them."""
    BETWEEN_NODES.set(between)
    use_threads(threads)
    while (task := tasks.get()) is not None:
        future, item = task
        if stopped.is_set():
            continue
        try:
            future.set_result(compute(item))
        except BaseException as error:  # raised again where the result is waited for
            future.set_exception(error)
        del task, future, item  # so that no image stays in memory while this waits for the next one


def use_threads(threads: int) -> None:
    """Let this thread's passes use so many threads, and those of threads that begin later as many as before."""
    import torch  # only here, so that commands that refuse their arguments need not load it

    with _THREADS:
        others = torch.get_num_threads()
        torch.set_num_threads(threads)
        # That is also the number for threads that begin later, so another thread takes it back.
        restoring = threading.Thread(target=torch.set_num_threads, args=(others,))
        restoring.start()
        restoring.join()
