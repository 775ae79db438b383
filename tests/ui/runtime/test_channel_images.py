"""Visualisations in the background: computed once for all, in turns with others, and dropped with their last reader."""

import threading

import pytest

from crosspool.ui.runtime import channel_images
from crosspool.ui.runtime.channel_images import ChannelRequest
from crosspool.ui.runtime.server import Server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.visualisation import Recipe

REQUEST = ChannelRequest("squeezenet1_1", "untrained", "features.3.expand1x1", 7)
PATIENCE = 60.0


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(channel_images, "RECIPE", Recipe(size=64, steps=3))
    server = Server(ServerSettings())
    yield server
    server.close()


def test_an_image_is_computed_once_and_kept(server):
    assert server.channel_images.get(REQUEST) is None
    job = server.channel_images.start(REQUEST)
    assert server.channel_images.start(REQUEST) is job
    assert job.wait(PATIENCE)
    assert (job.error, job.progress) == ("", 1)
    assert server.channel_images.get(REQUEST).size == (64, 64)


def test_it_gives_way_to_others_between_steps(server, monkeypatch):
    monkeypatch.setattr(channel_images, "RECIPE", Recipe(size=64, steps=500))
    job = server.channel_images.start(REQUEST)
    inside = threading.Event()
    with server.compute.turn():
        inside.set()
    assert inside.is_set()
    assert job.running
    job.cancel()
    assert job.wait(PATIENCE)


def test_it_ends_when_nobody_waits_for_it(server, monkeypatch):
    monkeypatch.setattr(channel_images, "RECIPE", Recipe(size=64, steps=100_000))
    job = server.channel_images.start(REQUEST)
    ended = job._ending.ended
    del job
    assert ended.wait(PATIENCE)
    assert server.channel_images.get(REQUEST) is None


def test_it_is_ended_after_the_longest_time(server, monkeypatch):
    monkeypatch.setattr(channel_images, "MAX_SECONDS", 0.0)
    job = server.channel_images.start(REQUEST)
    assert job.wait(PATIENCE)
    assert "crosspool visualise-channels on your own machine" in job.error
