"""What a process that reads strangers' files may still do: compute, read its input, write its answers, and end.

Each measure is taken where the system has it; which ones hold is told, and shown to the operator.
"""

import ctypes
import errno
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38  # linux/prctl.h
CLONE_THREAD = 0x10000  # linux/sched.h
# What computing, memory, threads, clocks and the end take. Everything else is refused: opening files,
# sockets, other processes and their memory.
ALLOWED_CALLS = (
    "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "exit", "exit_group", "fstat", "futex",
    "getpid", "getrandom", "gettid", "gettimeofday", "lseek", "madvise", "membarrier", "mmap", "mprotect", "mremap",
    "munmap", "newfstatat", "read", "readv", "restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "sched_getaffinity", "sched_yield", "set_robust_list", "setitimer", "sigaltstack", "write",
    "writev",
)  # fmt: skip


def hide_memory() -> bool:
    """Let no other process of this user read this process's memory and environment; whether that holds now."""
    return _prctl(PR_SET_DUMPABLE, 0)


def confine(memory: int) -> tuple[str, ...]:
    """Confine this process for good, with `memory` bytes of address space; the measures that hold now, in words.

    What it needs from files has to be loaded before.
    """
    return tuple(words for words, measure in _measures(memory) if measure())


def _measures(memory: int) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Each measure in words, in an order in which none prevents the next."""
    if sys.platform == "win32":  # only the parent's time limit protects there
        return
    filter_calls = _call_filter()
    if sys.platform == "linux":  # elsewhere libraries reserve more address space than they use
        yield "first to be killed where memory is short", _be_killed_first
        yield f"{memory // 2**20:,} MB of memory", lambda: _limit("RLIMIT_AS", memory)
        yield "memory hidden from others", hide_memory
        yield "no new privileges", lambda: _prctl(PR_SET_NO_NEW_PRIVS, 1)
    yield "no core dumps", lambda: _limit("RLIMIT_CORE", 0)
    yield "writes no files", lambda: _limit("RLIMIT_FSIZE", 0)
    yield "opens no files and no sockets", lambda: _limit("RLIMIT_NOFILE", 0)
    yield "system calls for computing only", filter_calls


def _limit(name: str, value: int) -> bool:
    import resource  # Windows lacks it

    resource.setrlimit(getattr(resource, name), (value, value))
    return True


def _be_killed_first() -> bool:
    Path("/proc/self/oom_score_adj").write_text("1000")
    return True


def _prctl(option: int, value: int) -> bool:
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)


def _call_filter() -> Callable[[], bool]:
    """A function that refuses all system calls but `ALLOWED_CALLS` and new threads, by the system's libseccomp."""
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError):  # not Linux, or the system's library is missing
        return lambda: False
    calls = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in ALLOWED_CALLS:
        calls.add_rule(seccomp.ALLOW, name)
    # A thread is known by its flags, which clone3 has in memory, where no filter sees them: glibc then tries clone.
    calls.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    calls.add_rule(seccomp.ALLOW, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, CLONE_THREAD))
    return lambda: calls.load() is None
