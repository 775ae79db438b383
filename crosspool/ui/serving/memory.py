"""How much memory the server and its machine use."""

from dataclasses import dataclass
from pathlib import Path

import psutil

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
CONTAINER_USE = Path("/sys/fs/cgroup/memory.current")


@dataclass(frozen=True)
class MemoryUse:
    """Bytes: of the server with its decoders; used and available in all, in the container or else the machine."""

    server: int
    used: int
    limit: int


def memory_use() -> MemoryUse:
    """How much memory is used now."""
    process = psutil.Process()
    server = sum(_resident(each) for each in [process, *process.children(recursive=True)])
    if CONTAINER_LIMIT.exists() and (limit := CONTAINER_LIMIT.read_text().strip()) != "max":
        return MemoryUse(server, int(CONTAINER_USE.read_text()), int(limit))
    machine = psutil.virtual_memory()
    return MemoryUse(server, machine.total - machine.available, machine.total)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # a decoder that has ended meanwhile
        return 0
