"""The store that a server has: opened at once, arranged in the background, and whose maps its peaks are."""

import threading
import time

import numpy as np
import pytest

import crosspool.shards.collection
from crosspool.backbones import load_backbone
from crosspool.errors import ModelError, SettingError
from crosspool.ui.runtime import collection
from crosspool.ui.runtime.collection import ServedStore, StoreMaps, expect_network, maps_of
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.runtime.server import Server
from crosspool.ui.runtime.settings import ServerSettings
from tests.shards.stores import plan_by_hand, written


def arranged(store):
    store.begin()
    for _ in range(2000):
        if store.ready is not None or store.problem:
            break
        time.sleep(0.01)
    return store


@pytest.fixture
def folder(tmp_path):
    written(tmp_path / "store", np.eye(4, dtype=np.float32), ["a", "b", "b", None])
    return str(tmp_path / "store")


def test_a_server_without_a_store_has_none_and_a_wrong_one_is_a_sentence(tmp_path):
    assert Server(ServerSettings()).collection is None
    with pytest.raises(ModelError, match="A store is made by: crosspool extract"):
        Server(ServerSettings(features=str(tmp_path / "none")))


def test_it_is_arranged_once_and_a_store_without_channels_has_no_plane(folder, monkeypatch):
    store = arranged(ServedStore(folder, EventLog()))
    assert store.problem == ""
    assert (store.done, store.ready.plane, store.ready.maps) == (4, None, None)
    assert store.ready.counts == {"a": 1, "b": 2}
    assert store.ready.largest(1) == {"b"}
    monkeypatch.setattr(threading, "Thread", None)
    store.begin()  # nothing more is begun


def test_a_failure_is_a_sentence_and_the_next_visitor_tries_again(folder, monkeypatch):
    real = crosspool.shards.collection.arranged

    def fail(*arguments):
        raise SettingError("There is no room.")

    monkeypatch.setattr(collection, "arranged", fail)
    store = arranged(ServedStore(folder, EventLog()))
    assert (store.problem, store.ready) == ("There is no room.", None)
    monkeypatch.setattr(collection, "arranged", real)
    assert arranged(store).ready is not None


@pytest.mark.parametrize(
    ("method", "channels", "maps"),
    [
        ("gem@224", 1280, StoreMaps("efficientnet_lite0", "pretrained", "conv_head", 224, "squash", (7, 7))),
        ("cl@448", 1280, StoreMaps("efficientnet_lite0", "pretrained", "conv_head", 448, "squash", (14, 14))),
        ("cl@448", 7, None),  # of something else
        ("jitter@224", 1280, None),  # of several crops
    ],
)
def test_whose_maps_the_peaks_are(method, channels, maps):
    assert maps_of(plan_by_hand(1, method=method), channels) == maps


def test_maps_of_a_network_that_is_not_here_are_nobodys():
    assert maps_of(plan_by_hand(1, backbone="networks:birds"), 5) is None


def test_another_networks_store_is_refused_in_a_sentence():
    backbone = load_backbone("squeezenet1_1", "untrained")
    expect_network(plan_by_hand(1, fingerprint=backbone.fingerprint), backbone)
    with pytest.raises(SettingError, match="The store was made with other weights of SqueezeNet"):
        expect_network(plan_by_hand(1, fingerprint="0"), backbone)
