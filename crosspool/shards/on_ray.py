"""The driver for many machines: Ray's actors, each with the network, which compute a shard at a time.

An actor gets a shard once it has begun, which may take long where others use the cluster. Nodes may come and go. What a
lost actor was computing is given to another one: a few times at most, or many times where it went with its node.
"""

import socket
import time
from collections.abc import Generator
from functools import cached_property
from typing import Any

from crosspool.errors import CrosspoolError, SettingError
from crosspool.shards.extraction import Extractor, Job
from crosspool.shards.schedule import LOSSES, Schedule
from crosspool.text import human_bytes

MEMORY = 2 * 2**30  # bytes that Ray reserves for an actor
CONNECT_SECONDS = 10.0
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
        SettingError: Ray is not installed or cannot be reached, no machine has room for an actor, the cluster's Python
            cannot import crosspool, or a shard fails again and again.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingError("Ray is not installed; install it with: pip install 'crosspool[ray]'") from error
    start = time.perf_counter()
    try:
        _expect_answer(address)
        ray.init(address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingError(f"Ray cannot be reached at {address} ({error}); check the address.") from error
    seconds = time.perf_counter() - start
    try:
        _Crew(ray, schedule, workers, gpus).work()
    finally:
        ray.shutdown()
    return seconds


def _expect_answer(address: str) -> None:
    """Raise OSError where nothing answers at an address with a port: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


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
        yield from self._extractor.work(work)


class _Crew:
    """The actors of a driver: those that work, those that wait, and those that have not begun."""

    def __init__(self, ray: Any, schedule: Schedule, workers: int | None, gpus: float) -> None:
        self._ray, self._schedule, self._workers, self._gpus = ray, schedule, workers, gpus
        self._needs = {"CPU": 1.0, "memory": MEMORY, **({"GPU": gpus} if gpus else {})}
        self._new = ray.remote(_Actor).options(num_cpus=1, num_gpus=gpus, memory=MEMORY, max_restarts=0)
        self._job = ray.put(schedule.job)
        self._idle: list[Any] = []
        self._coming: dict[Any, Any] = {}  # actors, by what their nodes will be
        self._nodes: dict[Any, str] = {}  # of those that have begun
        self._losses = 0  # of those that have not
        self._busy: dict[Any, tuple[Any, int]] = {}  # the actor and the number of its work, by what it yields
        self._looked = 0.0

    def work(self) -> None:
        while not self._schedule.is_done:
            self._grow()
            while self._idle and (found := self._schedule.next()) is not None:
                number, work = found
                actor = self._idle.pop()
                self._busy[actor.do.options(num_returns="streaming").remote(work)] = actor, number
            awaited = [*self._busy, *self._coming]
            ready, _ = self._ray.wait(awaited, timeout=POLL_SECONDS) if awaited else ([], [])
            for each in ready:
                if each in self._coming:
                    self._welcome(each)
                else:
                    self._take(each)

    def _grow(self) -> None:
        """Have as many actors as there is room for, machines that came meanwhile included."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        room = sum(self._room_on(node["Resources"]) for node in self._ray.nodes() if node["Alive"])
        if not room:
            needed = f"a processor and {human_bytes(MEMORY)} of memory" + (
                f" and {self._gpus:g} GPU" if self._gpus else ""
            )
            raise SettingError(f"No machine of the Ray cluster has {needed} for a worker; add one that has.")
        wanted = min(room, self._workers or room) - len(self._idle) - len(self._busy) - len(self._coming)
        new = [self._new.remote(self._job) for _ in range(wanted)]
        self._coming |= {actor.node.remote(): actor for actor in new}

    def _room_on(self, there: dict[str, float]) -> int:
        """How many actors a machine has room for, if nothing else runs on it."""
        return min(int(there.get(name, 0) / need) for name, need in self._needs.items())

    def _welcome(self, node: Any) -> None:
        """Take in an actor that has begun, or hear that it could not."""
        actor = self._coming.pop(node)
        try:
            self._nodes[actor] = self._ray.get(node)
        except self._ray.exceptions.RayError as error:
            if getattr(error, "actor_init_failed", False):
                reason = str(error).strip().splitlines()[-1]
                problem = f"The Python of the Ray cluster cannot import crosspool ({reason})"
                raise SettingError(f"{problem}; install the same version on each of its machines.") from error
            self._losses += 1
            if self._losses >= LOSSES:
                problem = f"{LOSSES} of Ray's actors ended before they had begun ({type(error).__name__})"
                raise SettingError(f"{problem}; look at its machines, and run the same command again.") from error
            return
        self._idle.append(actor)

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
            reason = f"its actor was lost ({type(error).__name__})"
            self._lose(stream, reason, is_to_blame=self._is_there(self._nodes[actor]))

    def _is_there(self, node: str) -> bool:
        """Whether a node is still there."""
        return any(each["Alive"] and each["NodeID"] == node for each in self._ray.nodes())

    def _lose(self, stream: Any, reason: str, *, is_to_blame: bool = True) -> None:
        actor, number = self._busy.pop(stream)
        del self._nodes[actor]
        self._ray.kill(actor)
        self._looked = 0.0  # another one takes its place at once
        self._schedule.fail(number, reason, is_to_blame=is_to_blame)
