"""The files of deploy/ tried out: two replicas behind nginx, real browsers, one replica killed.

`python -m benchmarks.load.replicas` starts nginx with deploy/nginx.conf, in which only the addresses are others, and
prints what it found; status 1 where something is not as it should be. Without nginx it installs Debian's, if it may.
"""

import argparse
import http.client
import io
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.harness.app import ROOT, chromium, served
from benchmarks.harness.debian import install_packages
from benchmarks.harness.visits import Visit

CONF = ROOT / "deploy" / "nginx.conf"
VISITORS = 8
SECONDS = 30.0
TOO_LARGE = 66 * 2**20  # bytes, more than client_max_body_size


class Replica:
    """One of the servers, by what it logs."""

    def __init__(self, name: str, url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name, self.port, self.process, self._log = name, int(url.rpartition(":")[2]), process, log

    def events(self, name: str) -> int:
        """How often that happened."""
        lines = [line for line in self._log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
        return sum(json.loads(line)["event"] == name for line in lines)


def at_ports(conf: str, port: int, replicas: dict[str, int], folder: Path) -> str:
    """The configuration with addresses on this machine, and a folder of its own instead of /tmp."""
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


def nginx_program() -> str:
    """nginx, installed where there is none; SystemExit where it cannot be had."""
    found = shutil.which("nginx") or (install_packages("nginx-light") and shutil.which("nginx"))
    if not found:
        raise SystemExit("There is no nginx; install it (on Debian and Ubuntu: apt-get install nginx-light).")
    return found


@contextmanager
def nginx(port: int, replicas: dict[str, int], folder: Path) -> Iterator[None]:
    """nginx with the configuration of deploy/."""
    folder.chmod(0o755)  # its workers are another user
    conf = folder / "nginx.conf"
    conf.write_text(at_ports(CONF.read_text(encoding="utf-8"), port, replicas, folder), encoding="utf-8")
    command = [nginx_program(), "-p", str(folder), "-c", str(conf), "-e", "stderr"]
    subprocess.run([*command, "-t", "-q"], check=True)
    process = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        until(lambda: listens(port))
        yield
    finally:
        process.terminate()
        process.wait(20)


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def until(holds: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


class Trial:
    """Checks by name, and whether all held."""

    def __init__(self) -> None:
        self.good = True

    def check(self, what: str, holds: bool, found: object = "") -> None:
        self.good &= holds
        print(f"{'ok    ' if holds else 'WRONG '} {what}{f': {found}' if found != '' else ''}", flush=True)


def request(port: int, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    """The answer to the head of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection.getresponse()


def photo(number: int) -> bytes:
    """A picture like no other."""
    file = io.BytesIO()
    Image.effect_mandelbrot((96, 96), (-2.0, -1.5, 1.0, 1.5 + number / 10), 50).save(file, "PNG")
    return file.getvalue()


def visitor(browser: Browser, url: str, number: int, replicas: list[Replica]) -> tuple[Any, list[str]]:
    """Somebody opens the app, uploads a picture and opens it again: the page, and the replica of each step."""
    seen: list[str] = []

    def step(event: str, act: Callable[[], object]) -> None:
        before = {replica.name: replica.events(event) for replica in replicas}
        act()
        until(lambda: any(replica.events(event) > before[replica.name] for replica in replicas))
        seen.append("+".join(r.name for r in replicas if r.events(event) > before[r.name]) or "nobody")

    visit: Any = Visit(browser.new_context().new_page(), url)
    step("visit_began", visit.go)
    visit.page.get_by_role("radio", name="Upload").click()
    visit.settle()
    step("upload_taken", lambda: visit.upload((f"picture {number}.png", photo(number))))
    expect(visit.page.locator("strong", has_text=f"picture {number}.png")).to_be_visible()
    step("visit_began", visit.go)
    return visit, seen


def goes_on(page: Page) -> bool:
    """Whether the page answers a press, without having been opened again."""
    expect(page.get_by_text("Connection error")).to_have_count(0)
    page.get_by_role("link", name="Build P").first.click()
    expect(page.get_by_role("heading", name="Build P").first).to_be_visible()
    return True


def answers(trial: Trial, port: int) -> None:
    """What nginx answers by itself."""
    page = request(port, "GET", "/")
    cookies = page.headers.get_all("Set-Cookie") or []
    given = next((one for one in cookies if one.startswith("crosspool_visitor=")), "")
    trial.check("a visitor is given a cookie", "HttpOnly" in given)
    again = request(port, "GET", "/", Cookie=given.split(";")[0])
    kept = not any(one.startswith("crosspool_visitor=") for one in again.headers.get_all("Set-Cookie") or [])
    trial.check("and keeps it", kept)
    forged = request(port, "GET", "/", Cookie="crosspool_visitor=x")
    replaced = any(one.startswith("crosspool_visitor=") for one in forged.headers.get_all("Set-Cookie") or [])
    trial.check("one of somebody else's making is replaced", replaced)
    trial.check("types are not guessed", page.headers["X-Content-Type-Options"] == "nosniff")
    statuses = {path: request(port, "GET", path).status for path in ("/_stcore/health", "/ready", "/_stcore/metrics")}
    trial.check("health is answered, what is the operator's is not", [*statuses.values()] == [200, 404, 404], statuses)
    large = request(port, "PUT", "/_stcore/upload_file/x/y", Content_Length=str(TOO_LARGE)).status
    trial.check("a file that is too large", large == 413, large)
    script = request(port, "GET", "/", Accept_Encoding="gzip").headers["Content-Encoding"]
    trial.check("text is compressed", script == "gzip", script)


def main() -> int:
    """Try everything, and print what was found."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    trial = Trial()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        replicas: list[Replica] = []
        for name in ("app1", "app2"):
            log = folder / f"{name}.log"
            file = stack.enter_context(log.open("wb"))
            started = stack.enter_context(served(str(folder / "cache"), log=file, CROSSPOOL_LOG="json"))
            replicas.append(Replica(name, *started, log))
        port = free_port()
        stack.enter_context(nginx(port, {replica.name: replica.port for replica in replicas}, folder))
        for replica in replicas:
            ready = until(lambda at=replica.port: request(at, "GET", "/ready").status == 200)  # type: ignore[misc]
            trial.check(f"{replica.name} gets ready", ready)
        answers(trial, port)
        browser = stack.enter_context(chromium())
        visits = [visitor(browser, f"http://localhost:{port}", number, replicas) for number in range(VISITORS)]
        homes = [seen[0] for _, seen in visits]
        trial.check("both replicas have visitors", len(set(homes)) == 2, ", ".join(homes))
        stayed = all(len(set(seen)) == 1 for _, seen in visits)
        trial.check("page, upload and next page of each are at one replica", stayed, [seen for _, seen in visits])
        trial.check(
            "no complaints of the browser", not any(v.complaints for v, _ in visits), [v.complaints for v, _ in visits]
        )
        dead, alive = replicas
        lost = [visit for visit, seen in visits if seen[0] == dead.name]
        before = alive.events("visit_began")
        dead.process.kill()
        moved = until(lambda: alive.events("visit_began") >= before + len(lost))
        trial.check(f"{dead.name} is killed: its visitors' pages find {alive.name}", moved, len(lost))
        trial.check("and answer, without having been opened again", all(goes_on(visit.page) for visit in lost))
        for visit in lost:
            visit.go()
        trial.check("and when they are opened again", True)
    return 0 if trial.good else 1


if __name__ == "__main__":
    sys.exit(main())
