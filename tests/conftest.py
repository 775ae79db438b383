"""The real app and a real browser, each started once for all tests that ask for them; torch on one core; commands."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.harness.chromium import find_chromium

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def app_url(tmp_path_factory):
    """The address of the app."""
    with served(tmp_path_factory.mktemp("app")) as url:
        yield url


@contextmanager
def served(folder, command=(sys.executable, "-m", "streamlit", "run", "app.py", "--server.port"), cwd=ROOT):
    """The app, served as `make app` serves it, or by another command; only the embedded weights, an empty cache."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, log = f"http://localhost:{port}", folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, str(port)],
            cwd=cwd,
            env={**os.environ, "TORCH_HOME": str(folder), "CROSSPOOL_CACHE": str(folder / "cache")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(process, url, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    assert " ERROR " not in log.read_text(), log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def _wait_until_healthy(process, url, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"The app did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def browser():
    """A Chromium; where there is none, `make unit` runs the tests that need none."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    if path is None:
        pytest.fail(
            "There is no Chromium that starts; see benchmarks/harness/chromium.py, or leave these out with: make unit"
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_OPTIONS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def context(browser):
    """What the windows share: the browser's cache, so that Streamlit's scripts are read once."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def visit(context, app_url):
    """Opens windows; every one must have been quiet and have stayed at home."""
    from benchmarks.harness.visits import Visit

    visits = []

    def new(width=1440, height=900):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        visits.append(Visit(page, app_url))
        return visits[-1]

    yield new
    for one in visits:
        one.page.close()
        one.expect_no_complaints()


@pytest.fixture
def one_core():
    """For many small steps, and where threads are the test's own: torch's threads would mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def run(capsys):
    """Run a command here: (exit status, standard output, standard error)."""
    from crosspool.cli import main

    def call(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def works(run):
    """Run a command that must succeed and say nothing on standard error: its standard output."""

    def call(*arguments):
        status, out, err = run(*arguments)
        assert (status, err) == (0, "")
        return out

    return call


@pytest.fixture
def fails(run):
    """Run a command that must fail: its one sentence."""

    def call(*arguments):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("crosspool: ")
        assert err.count("\n") == 1
        return err.strip()

    return call
