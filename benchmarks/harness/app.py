"""The app and a browser, for benchmarks that act as a person does."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from playwright.sync_api import Browser, sync_playwright

from benchmarks.harness.chromium import find_chromium

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300_000  # milliseconds
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


@contextmanager
def served(
    cache: str, *, within: Sequence[str] = (), log: int | BinaryIO = subprocess.DEVNULL, **environment: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A new server of the app, with this cache; gives its address and its process.

    `within` is a command that runs the one behind it, `log` where to the server writes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*within, sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
        cwd=ROOT, env={**os.environ, "CROSSPOOL_CACHE": cache, **environment}, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        url = f"http://localhost:{port}"
        while True:
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):
                    break
            except OSError:
                if process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; SystemExit where there is none."""
    path = find_chromium()
    if path is None:
        raise SystemExit("There is no Chromium that starts; see benchmarks/harness/chromium.py.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield browser
        browser.close()
