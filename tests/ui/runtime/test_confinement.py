"""What a confined process may still do."""

import os
import subprocess
import sys
from ctypes.util import find_library

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have other measures")

TRIALS = """
import ctypes, os, signal, socket, threading
from crosspool.ui.runtime.confinement import confine

libc = ctypes.CDLL(None, use_errno=True)
measures = confine(2**30)
secret = ctypes.create_string_buffer(8)
trials = {
    "open": lambda: open("/proc/%d/environ" % os.getppid()),
    "socket": socket.socket,
    "fork": os.fork,
    "kill": lambda: os.kill(os.getppid(), 0),
    "delete": lambda: os.unlink("file"),
    "exec": lambda: os.execv("/bin/true", ["true"]),
}
for name, trial in trials.items():
    try:
        trial()
    except OSError:
        continue
    os.write(1, f"{name} is possible\\n".encode())
if libc.ptrace(16, os.getppid(), 0, 0) != -1:
    os.write(1, b"ptrace is possible\\n")
thread = threading.Thread(target=os.write, args=(1, b"a thread ran\\n"))
thread.start()
thread.join()
os.write(1, "\\n".join(measures).encode())
"""


def output_of(code, folder):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True
    ).stdout


def test_a_confined_process_computes_and_nothing_else(tmp_path):
    if find_library("seccomp") is None:
        pytest.skip("the system's libseccomp is missing")
    (tmp_path / "file").write_text("")
    first, *measures = output_of(TRIALS, tmp_path).splitlines()
    assert first == "a thread ran"
    assert measures == [
        "first to be killed where memory is short", "1,024 MB of memory", "memory hidden from others",
        "no new privileges", "no core dumps", "writes no files", "opens no files and no sockets",
        "system calls for computing only",
    ]  # fmt: skip


def test_memory_is_hidden_from_other_processes(tmp_path):
    code = (
        "import ctypes; from crosspool.ui.runtime.confinement import hide_memory; "
        "print(hide_memory(), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    )
    assert output_of(code, tmp_path) == "True 0\n"
