"""nginx with the configuration of deploy/, in which only the addresses and folders differ."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.app import ROOT, STOP_SECONDS, wait_until

CONF = ROOT / "deploy" / "nginx.conf"


def at_ports(conf: str, port: int, replicas: dict[str, int], folder: Path) -> str:
    """The configuration with addresses on this machine, and this folder instead of /tmp."""
    changes = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/tmp/": f"{folder}/",
        "/dev/stdout": f"{folder}/access.log",
    }
    changes |= {f"{name}:8501": f"127.0.0.1:{at}" for name, at in replicas.items()}
    for old, new in changes.items():
        if old not in conf:
            raise ValueError(f"{CONF.name} has no {old}")
        conf = conf.replace(old, new)
    return conf


@contextmanager
def nginx(port: int, replicas: dict[str, int], folder: Path) -> Iterator[None]:
    """nginx at this port, in front of replicas by name and port. Raises SystemExit where it is not installed."""
    program = shutil.which("nginx")
    if program is None:
        raise SystemExit("nginx is not installed (on Debian and Ubuntu: apt-get install nginx-light).")
    folder.chmod(0o755)  # its workers are another user
    conf = folder / "nginx.conf"
    conf.write_text(at_ports(CONF.read_text(encoding="utf-8"), port, replicas, folder), encoding="utf-8")
    command = [program, "-p", str(folder), "-c", str(conf), "-e", "stderr"]
    subprocess.run([*command, "-t", "-q"], check=True)
    process = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        wait_until(lambda: _listens(port))
        yield
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
