"""The memory that this process uses, and how much it may use: its cgroup's limit, its own, or the machine."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
NO_LIMIT = 2**60  # bytes; the first version of cgroups writes a number near 2**63 where there is no limit
# The folder of each version's hierarchy below CGROUPS, and its files of the limit and of the use.
_VERSIONS = {
    "": (".", "memory.max", "memory.current"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
}


@dataclass(frozen=True)
class MemoryUse:
    """Bytes: used by the server with its decoders; used and available in the container, or else on the machine."""

    server: int
    used: int
    limit: int


def memory_use() -> MemoryUse:
    """The memory in use now, where the tightest limit is."""
    process = psutil.Process()
    server = sum(_resident(each) for each in [process, *process.children(recursive=True)])
    machine = psutil.virtual_memory()
    used_and_limits = [(machine.total - machine.available, machine.total), *_cgroups()]
    if (own := _own_limit()) is not None:
        used_and_limits.append((process.memory_info().vms, own))
    used, limit = min(used_and_limits, key=lambda pair: pair[1])
    return MemoryUse(server, used, limit)


def memory_limit() -> int:
    """The most bytes that this process may use, as far as is known."""
    return memory_use().limit


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # a decoder that has ended meanwhile
        return 0


def _own_limit() -> int | None:
    """The limit of this process's address space, as `ulimit -v` sets it."""
    if sys.platform == "win32":
        return None
    import resource  # Windows lacks it

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _cgroups() -> Iterator[tuple[int, int]]:
    """The use and the limit of each cgroup around this process that has a limit; of both versions."""
    if not OWN_CGROUPS.exists():
        return
    for line in OWN_CGROUPS.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in set(controllers.split(",")) & set(_VERSIONS):
            folder, limit_file, use_file = _VERSIONS[controller]
            root = (CGROUPS / folder).resolve()
            # In a container the path may be that outside, of which only the root is to be seen.
            own = root / path.lstrip("/")
            for cgroup in [own, *own.parents]:
                if cgroup.is_relative_to(root) and (cgroup / limit_file).exists():
                    limit = (cgroup / limit_file).read_text().strip()
                    if limit != "max" and int(limit) < NO_LIMIT:
                        yield int((cgroup / use_file).read_text()), int(limit)
