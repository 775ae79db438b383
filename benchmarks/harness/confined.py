"""The app with so many cores and so much memory as a small machine has, and what it takes of both."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import BinaryIO

import psutil

from benchmarks.harness.app import served

MEGABYTE = 2**20
ENDED_SECONDS = 10.0  # that the workers of a server may take to end after it
VERSIONS = {  # of control groups: the file of the limit, of what lives in memory, of the peak
    1: ("memory.limit_in_bytes", "total_rss", "memory.max_usage_in_bytes"),
    2: ("memory.max", "anon", "memory.peak"),
}


@dataclass(frozen=True)
class Room:
    """Where the server and its workers run. Without a control group the limit is only watched, not enforced."""

    url: str
    process: psutil.Process
    group: Path | None
    version: int
    limit: int

    def memory(self) -> int:
        """Bytes that the server and its workers hold, without what the system keeps of files."""
        if self.group is not None:
            lines = (self.group / "memory.stat").read_text().splitlines()
            return int(dict(line.split() for line in lines)[VERSIONS[self.version][1]])
        found = 0
        for one in self._family():
            try:
                found += one.memory_full_info().uss
            except psutil.NoSuchProcess:  # a worker that has just ended
                continue
        return found

    def peak(self) -> int | None:
        """The most that was held, with files; None where nobody keeps count."""
        if self.group is None or not (file := self.group / VERSIONS[self.version][2]).exists():
            return None
        return int(file.read_text())

    def killed(self) -> int:
        """How often the system ended a process for want of memory."""
        if self.group is None:
            return 0
        file = self.group / ("memory.oom_control" if self.version == 1 else "memory.events")
        return int(dict(line.split() for line in file.read_text().splitlines()).get("oom_kill", 0))

    def threads(self) -> int:
        """How many threads the server has."""
        return int(self.process.num_threads())

    def cpu_seconds(self) -> float:
        """Of the server, and of workers that live."""
        found = 0.0
        for one in self._family():
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            found += times.user + times.system + times.children_user + times.children_system
        return found

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    @property
    def enforced(self) -> str:
        """Who sees to the limit."""
        if self.group is None:
            return f"{self.limit // MEGABYTE:,} MB, only watched: no control group may be made here"
        return f"{self.limit // MEGABYTE:,} MB, by a control group (version {self.version})"


@contextmanager
def confined(cache: str, *, memory: int, cores: int, log: BinaryIO, **environment: str) -> Iterator[Room]:
    """A new server of the app with so many bytes and cores, from its first instruction on."""
    group, version = _new_group(memory)
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:cores])  # what is started inherits it
    try:
        within = () if group is None else ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs"))
        with served(cache, within=within, log=log, **environment) as (url, process):
            os.sched_setaffinity(0, own)
            yield Room(url, psutil.Process(process.pid), group, version, memory)
    finally:
        os.sched_setaffinity(0, own)
        if group is not None:
            _remove(group)


def _remove(group: Path) -> None:
    """As soon as the server's workers have ended, too. Raises RuntimeError where one outlives it."""
    deadline = monotonic() + ENDED_SECONDS
    while left := (group / "cgroup.procs").read_text().split():
        if monotonic() > deadline:
            raise RuntimeError(f"The server has ended, and left these processes behind: {', '.join(left)}")
        sleep(0.1)
    group.rmdir()


def _new_group(memory: int) -> tuple[Path | None, int]:
    """A control group with that limit, below the one that this process is in; (None, 0) where none can be made."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        version = 1 if "memory" in controllers.split(",") else 2 if not controllers else 0
        root = Path("/sys/fs/cgroup") / ("memory" if version == 1 else "")
        group = root / path.strip("/") / f"crosspool-{os.getpid()}"
        try:
            if version and group.parent.is_dir():
                group.mkdir()
                (group / VERSIONS[version][0]).write_text(str(memory))
                return group, version
        except OSError:
            if group.is_dir():
                group.rmdir()
    return None, 0
