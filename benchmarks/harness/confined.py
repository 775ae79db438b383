"""The app on the cores and the memory of a small machine, and how much of both it uses."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.harness.app import ROOT, STREAMLIT, AppServer, served, wait_until

MEGABYTE = 2**20
END_SECONDS = 10.0  # that the workers of a server may take to end after it
VERSIONS = {  # of control groups: the file of the limit, the line of the memory in use, the file of the peak
    1: ("memory.limit_in_bytes", "total_rss", "memory.max_usage_in_bytes"),
    2: ("memory.max", "anon", "memory.peak"),
}


@dataclass(frozen=True)
class ConfinedServer:
    """A server and its workers. Without a control group the limit is only watched, not enforced."""

    app: AppServer
    process: psutil.Process
    group: Path | None
    version: int
    limit: int

    def memory(self) -> int:
        """The bytes that the server and its workers hold, without the system's cache of files."""
        if self.group is not None:
            return _numbers(self.group / "memory.stat")[VERSIONS[self.version][1]]
        return int(self._sum(lambda process: process.memory_full_info().uss))

    def peak(self) -> int | None:
        """The largest number of bytes that was held, with files; None where it is not counted."""
        if self.group is None or not (file := self.group / VERSIONS[self.version][2]).exists():
            return None
        return int(file.read_text())

    def killed(self) -> int:
        """How often the system ended a process for lack of memory."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return 0 if self.group is None else _numbers(self.group / name).get("oom_kill", 0)

    def threads(self) -> int:
        """How many threads the server has."""
        return int(self.process.num_threads())

    def cpu_seconds(self) -> float:
        """The processor time of the server, of its living workers, and of all that both started before."""
        return self._sum(lambda process: sum(process.cpu_times()[:4]))

    def _sum(self, measure: Callable[[psutil.Process], float]) -> float:
        total, processes = 0.0, [self.process]
        with suppress(psutil.NoSuchProcess):  # the server has ended
            processes += self.process.children(recursive=True)
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # a worker that has just ended
                total += measure(process)
        return total

    @property
    def enforced(self) -> str:
        """The limit, and how it is enforced."""
        by_group = f"by a control group (version {self.version})"
        way = by_group if self.group else "only watched: no control group can be made here"
        return f"{self.limit // MEGABYTE:,} MB, {way}"


def _numbers(file: Path) -> dict[str, int]:
    """The numbers of a control group's file, by their names."""
    pairs = (line.split() for line in file.read_text().splitlines())
    return {name: int(number) for name, number in pairs}


@contextmanager
def confined(
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    megabytes: int,
    cores: int,
    cwd: Path = ROOT,
) -> Iterator[ConfinedServer]:
    """A new server of the app with this much memory and this many cores from its first instruction on; see `served`."""
    memory = megabytes * MEGABYTE
    group, version = _new_group(memory)
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:cores])  # what is started inherits it
    try:
        within = () if group is None else ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs"))
        with served(folder, environment, command=(*within, *STREAMLIT), cwd=cwd) as app:
            os.sched_setaffinity(0, own)
            yield ConfinedServer(app, psutil.Process(app.process.pid), group, version, memory)
    finally:
        os.sched_setaffinity(0, own)
        if group is not None:
            _remove(group)


def _remove(group: Path) -> None:
    """Remove the group once the server's workers have ended too. Raises RuntimeError where one does not."""
    members = group / "cgroup.procs"
    if not wait_until(lambda: not members.read_text(), END_SECONDS):
        raise RuntimeError(f"The server has ended, and left these processes behind: {members.read_text().split()}")
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
