"""The real app and a real browser, each started once for all tests that ask for them; torch on one core; commands."""

import os
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, settings

from benchmarks.harness import app as harness

ROOT = harness.ROOT


settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pytest_configure():
    """Before any settings are read: no test depends on how long a busy machine takes, for an example or an image."""
    settings.load_profile("patient")
    os.environ.setdefault("CROSSPOOL_DECODE_SECONDS", "60")


@pytest.fixture(scope="session", autouse=True)
def torch_alone(tmp_path_factory):
    """No test finds or makes a converted network by accident: its numbers would depend on what ran before."""
    from crosspool.engines import choice
    from crosspool.evaluation import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSPOOL_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(choice, "CONVERSION_SECONDS", float("inf"))
        patch.setattr(choice, "WORTH_SECONDS", float("inf"))
        patch.setattr(run, "TIMED_IMAGES", 1)  # of every method that is evaluated
        yield


@pytest.fixture(scope="module")
def tiny():
    """A small network with random weights."""
    from crosspool.backbones import UNTRAINED, load
    from tests.networks import small_network, spec_for

    return load(spec_for(small_network), UNTRAINED, "cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of features for the tests of a file."""
    from crosspool.cache import ArrayCache

    return ArrayCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def app_url(tmp_path_factory):
    """The address of the app."""
    with served(tmp_path_factory.mktemp("app")) as url:
        yield url


@contextmanager
def served(folder, command=harness.STREAMLIT, cwd=ROOT):
    """The address of a new server; only the embedded weights, an empty cache, and nothing wrong in its log."""
    with harness.served(
        folder, {"TORCH_HOME": str(folder), "CROSSPOOL_ENGINE": "torch"}, command=command, cwd=cwd
    ) as server:
        yield server.url
    assert server.faults == [], server.log.read_text()


@pytest.fixture(scope="session")
def browser():
    """A Chromium; where there is none, `make unit` runs the tests that need none."""
    try:
        with harness.chromium("--process-per-site") as chromium:
            yield chromium
    except SystemExit as error:
        pytest.fail(f"{error} Or leave these tests out with: make unit")


@pytest.fixture(scope="module")
def context(browser, app_url):
    """What the windows share: the browser's cache, and a process that a window which stays open keeps alive.

    So Streamlit's scripts are read and compiled once, and a window opens sooner. The process grows with every window,
    so that it ends with the module.
    """
    context = browser.new_context()
    context.new_page().goto(f"{app_url}/_stcore/health")
    yield context
    context.close()


@pytest.fixture
def visit(context, app_url):
    """Opens windows; every one must have been quiet and have stayed at home."""
    from benchmarks.harness.visits import Visit

    context.clear_cookies()  # or the first window would go on with the last test's visit
    context.pages[0].evaluate("localStorage.clear()")  # and Streamlit would open the menu where it last was
    visits = []

    def new(width=1440, height=900):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        visits.append(Visit(page, app_url))
        return visits[-1]

    yield new
    for window in visits:
        window.page.close()
        window.expect_no_complaints()


@pytest.fixture(scope="module")
def module_server():
    """A server with the default settings, which serves the pages that run in this process."""
    from crosspool.ui.runtime.server import Server, use_server
    from crosspool.ui.runtime.settings import ServerSettings

    with use_server(Server(ServerSettings())) as server:
        yield server


@pytest.fixture
def server(module_server):
    """The module's server; modules may replace this by one that each test has to itself."""
    return module_server


@pytest.fixture
def one_core():
    """For many small steps, and where threads are the test's own: torch's threads would mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command here, which is silent however long it takes: (exit status, standard output, standard error)."""
    from crosspool.cli import main, progress

    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 3600.0)

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
