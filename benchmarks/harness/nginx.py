"""nginx with the configuration of deploy/, in which only the addresses and folders differ, and what a test shortens."""

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.app import ROOT, STOP_SECONDS, wait_until

CONF, TLS = (ROOT / "deploy" / name for name in ("nginx.conf", "tls.conf"))
CERTIFICATE = (
    "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
    "-addext", "subjectAltName=DNS:localhost", "-out", "fullchain.pem", "-keyout", "privkey.pem",
)  # fmt: skip


def at_ports(conf: str, port: int, replicas: dict[str, int], folder: Path) -> str:
    """The configuration with addresses on this machine, and this folder instead of /tmp."""
    changes = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/tmp/": f"{folder}/",
        "/dev/stdout": f"{folder}/access.log",
    }
    changes |= {f"{name}:8501": f"127.0.0.1:{at}" for name, at in replicas.items()}
    return changed(conf, {**changes, "/etc/nginx/tls[.]conf": f"{folder}/tls[.]conf"})


def changed(conf: str, changes: Mapping[str, str]) -> str:
    """The configuration with each text replaced by another. Raises ValueError for one that it does not have."""
    for old, new in changes.items():
        if old not in conf:
            raise ValueError(f"the configuration has no {old}")
        conf = conf.replace(old, new)
    return conf


@contextmanager
def nginx(
    port: int,
    replicas: dict[str, int],
    folder: Path,
    *,
    tls_port: int | None = None,
    changes: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """nginx at this port, in front of replicas by name and port; also with TLS, by a certificate made for the occasion.

    Raises SystemExit where nginx is not installed.
    """
    program = shutil.which("nginx")
    if program is None:
        raise SystemExit("nginx is not installed (on Debian and Ubuntu: apt-get install nginx-light).")
    folder.chmod(0o755)  # its workers are another user
    conf = folder / "nginx.conf"
    text = at_ports(CONF.read_text(encoding="utf-8"), port, replicas, folder)
    conf.write_text(changed(text, changes or {}), encoding="utf-8")
    if tls_port is not None:
        subprocess.run(CERTIFICATE, cwd=folder, check=True, capture_output=True)
        places = {"listen 8443": f"listen 127.0.0.1:{tls_port}", "/etc/nginx/certificates": str(folder)}
        (folder / "tls.conf").write_text(changed(TLS.read_text(encoding="utf-8"), places), encoding="utf-8")
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
