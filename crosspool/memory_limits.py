"""How much memory this process may use: its cgroup's limit, its own, or the machine's."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
NO_LIMIT = 2**60  # bytes; the first version of cgroups writes a number near 2**63 where there is no limit
UNKNOWN_MACHINE = 8 * 2**30  # bytes that a machine is taken to have whose system does not say
# The folder of each version's hierarchy below CGROUPS, and its files of the limit and of the use.
_VERSIONS = {
    "": (".", "memory.max", "memory.current"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
}


def usable_memory() -> int:
    """The most bytes that this process may use, whatever else uses them now."""
    own = own_limit()
    return min([_machine(), *(limit for _, limit in cgroups()), *([] if own is None else [own])])


def _machine() -> int:
    if not hasattr(os, "sysconf"):  # Windows
        return UNKNOWN_MACHINE
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def own_limit() -> int | None:
    """The limit of this process's address space, as `ulimit -v` sets it."""
    if sys.platform == "win32":
        return None
    import resource  # Windows lacks it

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def cgroups() -> Iterator[tuple[int, int]]:
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
