"""The store that a server has: opened at once, arranged in the background, and whose maps its peaks are."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import crosspool.shards.collection
from crosspool.backbones import load_backbone
from crosspool.errors import ModelError, SettingError
from crosspool.shards.plan import LEARNED
from crosspool.ui.runtime import collection
from crosspool.ui.runtime.collection import ServedStore, StoreMaps, expect_network, maps_of, without_folders
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


def test_a_failure_is_a_sentence_and_the_next_visitor_tries_again(folder, monkeypatch, caplog):
    real = crosspool.shards.collection.arranged

    def fail(*arguments):
        raise SettingError("There is no room in /srv/secret.")

    monkeypatch.setattr(collection, "arranged", fail)
    store = arranged(ServedStore(folder, EventLog()))
    assert store.ready is None
    assert store.problem == (
        "The collection could not be arranged; tell the person who runs this server (its log says why)."
    )
    (record,) = [record for record in caplog.records if record.msg == "collection_failed"]
    assert record.facts["kind"] == "There is no room in /srv/secret."
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
    plan = plan_by_hand(1, backbone="squeezenet1_1", fingerprint=backbone.fingerprint)
    expect_network(plan, backbone)
    with pytest.raises(SettingError, match="The store was made with other weights of SqueezeNet"):
        expect_network(plan.model_copy(update={"fingerprint": "0"}), backbone)


def test_a_network_beside_the_stores_one_must_be_the_same_too(tiny):
    backbone = load_backbone("squeezenet1_1", "untrained")
    plan = plan_by_hand(1, fingerprint=tiny.fingerprint, backbone=tiny.spec.name)
    both = tiny.beside([backbone])
    expect_network(plan.model_copy(update={"others": {"squeezenet1_1": backbone.fingerprint}}), both)
    with pytest.raises(SettingError, match="The store was made with other weights of SqueezeNet"):
        expect_network(plan.model_copy(update={"others": {"squeezenet1_1": "0"}}), both)


def test_what_was_learned_is_read_once(folder, monkeypatch):
    ready = arranged(ServedStore(folder, EventLog())).ready
    learned = ready.learned
    assert learned.sketch.directions.tolist() == np.eye(4).tolist()
    monkeypatch.setattr(collection, "recalled", None)
    assert ready.learned is learned


def test_what_was_not_learned_is_a_sentence(folder):
    ready = arranged(ServedStore(folder, EventLog())).ready
    Path(folder, LEARNED).unlink()
    with pytest.raises(ModelError, match=r"lacks learned\.safetensors; run the same crosspool extract again"):
        _ = ready.learned


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        ("a/1.png is damaged in /tmp/my sets/crc.zip, or not; go.", "a/1.png is damaged in crc.zip, or not; go."),
        ("a/1.png cannot be read from /crc.zip (gone).", "a/1.png cannot be read from crc.zip (gone)."),
        (r"1.png is damaged in C:\sets\crc.zip, or not.", "1.png is damaged in crc.zip, or not."),
        ("s3://bucket/a/1.png cannot be read (gone).", "s3://bucket/a/1.png cannot be read (gone)."),
        ("a/1.png is not an image.", "a/1.png is not an image."),
    ],
)
def test_a_problem_names_no_folder_of_the_servers_disk(problem, shown):
    assert without_folders(problem) == shown
