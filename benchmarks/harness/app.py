"""The served app and a browser, for benchmarks and tests that use the app as people do."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.harness.chromium import find_chromium

ROOT = Path(__file__).resolve().parents[2]
# The paths of the pages that every server has, after the names of their scripts; the first page has none.
PAGE_PATHS = (
    "",
    *sorted({script.stem for script in (ROOT / "pages").glob("*.py")} - {"weighting_maps", "operator", "collection"}),
)
STREAMLIT = (sys.executable, "-m", "streamlit", "run", "app.py", "--server.port")
PATIENCE_MILLISECONDS = 300_000
START_SECONDS, STOP_SECONDS, REQUEST_SECONDS = 120.0, 20.0, 60.0
CHROMIUM_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run",
)  # fmt: skip


@dataclass(frozen=True)
class AppServer:
    """A running server of the app; `log` is the file that it writes to."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def get(self, path: str) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        answer = requests.get(self.url + path, timeout=REQUEST_SECONDS)
        return answer.status_code, answer.content

    def is_healthy(self) -> bool:
        """Whether it answers at all. Raises RuntimeError with its log if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"The app did not start:\n{self.log.read_text()}")
        try:
            return self.get("/_stcore/health")[0] == HTTPStatus.OK
        except OSError:
            return False

    def is_ready(self) -> bool:
        """Whether it has computed something already."""
        return self.get("/ready")[0] == HTTPStatus.OK

    @property
    def log_lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()

    @property
    def events(self) -> list[str]:
        """The events in a log of JSON lines, in order."""
        return [json.loads(line)["event"] for line in self.log_lines if line.startswith("{")]

    @property
    def faults(self) -> list[str]:
        """The lines of the log that report an error."""
        return [line for line in self.log_lines if " ERROR " in line or "Traceback" in line]


@contextmanager
def served(
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    command: Sequence[str] = STREAMLIT,
    cwd: Path = ROOT,
) -> Iterator[AppServer]:
    """Start a server of the app and wait until it is healthy; its cache and log are in the folder, or a temporary one.

    `command` starts it when a port is appended.
    """
    with ExitStack() as stack:
        folder = folder or Path(stack.enter_context(TemporaryDirectory()))
        port, log = free_port(), folder / "log.txt"
        process = subprocess.Popen(
            [*command, str(port)],
            cwd=cwd,
            env={**os.environ, "CROSSPOOL_CACHE": str(folder / "cache"), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=stack.enter_context(log.open("wb")),
            stderr=subprocess.STDOUT,
        )
        stack.callback(_stop, process)
        server = AppServer(f"http://localhost:{port}", process, log)
        if not wait_until(server.is_healthy, START_SECONDS):
            raise RuntimeError(f"The app did not answer within {START_SECONDS:.0f} s:\n{log.read_text()}")
        yield server


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nothing uses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_until(holds: Callable[[], bool], seconds: float = REQUEST_SECONDS) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """A headless Chromium, started with more options. Raises SystemExit where none starts."""
    with sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        if path is None:
            raise SystemExit("No Chromium starts here; `python -m benchmarks.harness.chromium` installs one.")
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_OPTIONS, *options])
        yield browser
        browser.close()


def new_page(browser: Browser, width: int = 1440, height: int = 1000) -> Page:
    """A new window, for a benchmark that waits for as long as it takes."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    return page
