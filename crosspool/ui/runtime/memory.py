"""The memory that this process uses, and how much it may use: its cgroup's limit, its own, or the machine."""

from dataclasses import dataclass

import psutil

from crosspool.memory_limits import cgroups, own_limit


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
    used_and_limits = [(machine.total - machine.available, machine.total), *cgroups()]
    if (own := own_limit()) is not None:
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
