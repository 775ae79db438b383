"""Downloads of weights: shared, few at a time, and only where the disk has room."""

import shutil
import threading
from collections import namedtuple

import pytest

from crosspool.backbones import spec_of
from crosspool.ui.runtime import downloads as module
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.background import FullError
from crosspool.ui.runtime.downloads import AT_ONCE, SPARE_BYTES, Downloads
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.runtime.settings import ServerSettings

LONG = 120
NAMES = ["alexnet", "resnet18", "squeezenet1_0", "squeezenet1_1"]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def fetching(monkeypatch):
    """Names of the files that are being fetched, until the event is set."""
    names, go_on = [], threading.Event()

    def fetch(weights, progress):
        names.append(weights.filename)
        assert go_on.wait(LONG)

    monkeypatch.setattr(module, "fetch_weights", fetch)
    yield names, go_on
    go_on.set()


@pytest.fixture
def free(monkeypatch):
    """The free bytes of the disk, as a list with one number."""
    free = [2**40]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**41, 0, free[0]))
    return free


def test_only_a_few_files_are_fetched_at_a_time(fetching, free):
    downloads, (names, go_on) = Downloads(EventLog()), fetching
    running = [downloads.of(spec_of(name)) for name in NAMES[:AT_ONCE]]
    assert downloads.of(spec_of(NAMES[0])) is running[0]  # whoever asks for the same one shares it
    with pytest.raises(FullError, match=rf"^The server is full, as it takes {AT_ONCE} downloads; try again"):
        downloads.of(spec_of(NAMES[AT_ONCE]))
    go_on.set()
    for download in running:
        assert download.job.wait(LONG)
    last = downloads.of(spec_of(NAMES[AT_ONCE]))
    assert last.job.wait(LONG)
    assert len(names) == AT_ONCE + 1


def test_where_the_disk_has_no_room_nothing_is_fetched(fetching, free):
    downloads, spec = Downloads(EventLog(), Account), spec_of(NAMES[0])
    free[0] = int(spec.weights.megabytes * 1e6) + SPARE_BYTES - 1
    with pytest.raises(FullError, match=r"^The weights of AlexNet take .* make room, or choose a smaller network\.$"):
        downloads.of(spec)
    assert len(downloads.jobs) == 0
    free[0] += 1
    assert downloads.of(spec).job.running


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({}, True),
        ({"hosts": "crosspool.example"}, False),
        ({"hosts": "*"}, False),
        ({"hosts": "crosspool.example", "downloads": "on"}, True),
        ({"downloads": "off"}, False),
    ],
)
def test_strangers_may_download_only_where_the_operator_says_so(settings, allowed):
    assert ServerSettings(**settings).allows_downloads == allowed
