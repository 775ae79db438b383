"""The driver for many machines: Ray's actors, each with the network, which compute a shard at a time.

Nodes may come and go. What a lost actor was computing is given to another one: a few times at most, or many times where
it went with its node.
"""

import time
from collections.abc import Generator
from functools import cached_property
from typing import Any

from crosspool.errors import CrosspoolError, SettingError
from crosspool.shards.extraction import Extractor, Job, Task, counted
from crosspool.shards.schedule import Schedule

MEMORY = 2 * 2**30  # bytes that Ray reserves for an actor
POLL_SECONDS = 1.0
LOOK_SECONDS = 5.0  # between two looks at how many machines there are


def extract_on_ray(schedule: Schedule, address: str, workers: int | None, gpus: float = 0.0) -> float:
    """Compute what is open of a schedule by Ray's actors, as many as there are processors unless `workers` says.

    Args:
        schedule: What is to be done.
        address: Of a Ray cluster: "auto" for the one that this machine belongs to, "local" to start one here.
        workers: How many actors at most.
        gpus: How many GPUs each has, which may be a part of one.

    Returns:
        float: The seconds that it took to start, or to join the cluster.

    Raises:
        SettingError: Ray is not installed or cannot be reached, the cluster's Python cannot import crosspool, or a
            shard fails again and again.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingError("Ray is not installed; install it with: pip install 'crosspool[ray]'") from error
    start = time.perf_counter()
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SettingError(f"Ray cannot be reached at {address} ({error}); check the address.") from error
    seconds = time.perf_counter() - start
    try:
        _Crew(ray, schedule, workers, gpus).work()
    finally:
        ray.shutdown()
    return seconds


class _Actor:
    """What an actor does; it holds the network once. To make one fails only where crosspool cannot be imported."""

    def __init__(self, job: Job) -> None:
        self._job = job

    @cached_property
    def _extractor(self) -> Extractor:
        return self._job.extractor()

    def node(self) -> str:
        """The node that it is on."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def do(self, work: Any) -> Generator[int]:
        """Do some work. Yields now and then how many more images are done."""
        yield from counted(self._extractor.extract(work) if isinstance(work, Task) else self._extractor.learn(work))


class _Crew:
    """The actors of a driver, those that work and those that wait."""

    def __init__(self, ray: Any, schedule: Schedule, workers: int | None, gpus: float) -> None:
        self._ray, self._schedule, self._workers, self._gpus = ray, schedule, workers, gpus
        options = {"num_cpus": 1, "num_gpus": gpus, "memory": MEMORY, "max_restarts": 0}
        self._new = ray.remote(_Actor).options(**options)
        self._job = ray.put(schedule.job)
        self._idle: list[Any] = []
        self._nodes: dict[Any, Any] = {}  # what each actor's node will be
        self._busy: dict[Any, tuple[Any, int]] = {}  # the actor and the number of its work, by what it yields
        self._looked = 0.0

    def work(self) -> None:
        while not self._schedule.is_done:
            self._grow()
            while self._idle and (found := self._schedule.next()) is not None:
                number, work = found
                actor = self._idle.pop()
                self._busy[actor.do.options(num_returns="streaming").remote(work)] = actor, number
            ready, _ = self._ray.wait(list(self._busy), timeout=POLL_SECONDS) if self._busy else ([], [])
            for stream in ready:
                self._take(stream)

    def _grow(self) -> None:
        """Have as many actors as there is room for, machines that came meanwhile included."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        there = self._ray.cluster_resources()
        room = int(there.get("GPU", 0) / self._gpus) if self._gpus else int(there.get("CPU", 0))
        if not room:
            needed = "GPU" if self._gpus else "processor"
            raise SettingError(f"The Ray cluster has no {needed}; add a machine that has one.")
        wanted = min(room, self._workers or room) - len(self._idle) - len(self._busy)
        new = [self._new.remote(self._job) for _ in range(wanted)]
        self._nodes |= {actor: actor.node.remote() for actor in new}
        self._idle += new

    def _take(self, stream: Any) -> None:
        """Hear what an actor has done, or that it is gone."""
        actor, number = self._busy[stream]
        try:
            self._schedule.count(number, self._ray.get(next(stream)))
        except StopIteration:
            del self._busy[stream]
            self._schedule.finish(number)
            self._idle.append(actor)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, CrosspoolError):
                raise SettingError(str(error.cause)) from error
            self._lose(stream, f"{error.cause}")
        except self._ray.exceptions.RayError as error:
            if getattr(error, "actor_init_failed", False):
                reason = str(error).strip().splitlines()[-1]
                problem = f"The Python of the Ray cluster cannot import crosspool ({reason})"
                raise SettingError(f"{problem}; install the same version on each of its machines.") from error
            reason = f"its actor was lost ({type(error).__name__})"
            self._lose(stream, reason, is_to_blame=self._is_there(self._nodes[actor]))

    def _is_there(self, node: Any) -> bool:
        """Whether an actor has begun on a node that is still there."""
        try:
            name = self._ray.get(node)
        except self._ray.exceptions.RayError:
            return False
        return any(each["Alive"] and each["NodeID"] == name for each in self._ray.nodes())

    def _lose(self, stream: Any, reason: str, *, is_to_blame: bool = True) -> None:
        actor, number = self._busy.pop(stream)
        del self._nodes[actor]
        self._ray.kill(actor)
        self._looked = 0.0  # another one takes its place at once
        self._schedule.fail(number, reason, is_to_blame=is_to_blame)
