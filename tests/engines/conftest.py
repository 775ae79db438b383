import shutil

import pytest

from crosspool.engines import choice
from tests.engines.networks import ALL, images, programs


@pytest.fixture(scope="session")
def converted_once(tmp_path_factory):
    """A cache folder with the graph of `ManyOperations`."""
    folder = tmp_path_factory.mktemp("converted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSPOOL_CACHE", str(folder))
        programs("onnxruntime").run(ALL, images(1))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder; conversions begin as they do outside tests."""
    monkeypatch.setattr(choice, "CONVERSION_SECONDS", 5.0)
    monkeypatch.setattr(choice, "WORTH_SECONDS", 10.0)
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def kept(cache, converted_once):
    """A cache folder with the graph of `ManyOperations` of one's own; nothing else can be converted."""
    shutil.copytree(converted_once, cache)
    return cache


@pytest.fixture
def no_conversion(monkeypatch):
    monkeypatch.setattr(choice, "converted", lambda *_: pytest.fail("converted"))


@pytest.fixture
def times(monkeypatch):
    """The seconds of a pass of each engine; a test changes them."""
    seconds = {"torch": 2.0, "onnxruntime": 1.0}
    monkeypatch.setattr(choice, "_seconds", lambda program, _: seconds[program.engine.split()[0]])
    return seconds
