"""Maps for the pages: computed once, kept in bounded memory, with the right patch under every position."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crosspool.activations import run_graph
from crosspool.backbones import load_backbone
from crosspool.errors import CrosspoolError
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import cross_layer_pool, local_features
from crosspool.statistics import channel_statistics
from crosspool.ui import compute
from crosspool.ui.compute import CACHE_BYTES, Gate, ImageMaps, Request, image_maps
from tests.networks import sample

REQUEST = Request(
    picture="a",
    backbone="squeezenet1_1",
    weights="untrained",
    pair="features.12.squeeze",
    size=128,
    framing="crop",
    signed=False,
    border="zero",
)


@pytest.fixture(autouse=True)
def _empty_cache():
    compute._cache.clear()
    yield
    compute._cache.clear()


@pytest.fixture
def passes(monkeypatch):
    """A list that grows with every forward pass."""
    seen = []

    def counted(*args):
        seen.append(threading.get_ident())
        return run_graph(*args)

    monkeypatch.setattr("crosspool.backbones.backbone.run_graph", counted)
    return seen


def test_the_maps_are_the_librarys_own():
    request = replace(REQUEST, pair="features.12.expand3x3", size=160, framing="squash", signed=True, border="valid")
    found = image_maps(request, sample())
    backbone = load_backbone("squeezenet1_1", "untrained")
    maps = backbone.activations(sample(), request.pair, 160, framing="squash", signed=True)
    pooled = cross_layer_pool(maps.lower, maps.upper, kernel_size=3, padding=1, border="valid")
    assert found.pair == backbone.architecture.pair(request.pair)
    torch.testing.assert_close(torch.from_numpy(found.lower), maps.lower[0])
    torch.testing.assert_close(torch.from_numpy(found.upper), maps.upper[0])
    torch.testing.assert_close(torch.from_numpy(found.pooled), pooled[0])
    assert np.array_equal(np.asarray(found.framed), np.asarray(maps.framed[0]))
    expected = channel_statistics(maps.upper[0], pooled[0]).table()
    assert found.statistics.table().to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5)


# --- once


def test_equal_requests_are_computed_once(passes):
    first = image_maps(REQUEST, sample())
    assert image_maps(replace(REQUEST), sample()) is first
    assert len(passes) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"picture": "b"},
        {"pair": "features.12.expand1x1"},
        {"size": 160},
        {"framing": "squash"},
        {"signed": True},
        {"border": "valid"},
    ],
)
def test_any_other_request_is_computed_anew(passes, change):
    image_maps(REQUEST, sample())
    image_maps(replace(REQUEST, **change), sample())
    assert len(passes) == 2


def test_eight_sessions_that_ask_at_once_share_one_forward_pass(passes):
    start = threading.Barrier(8)

    def ask(_):
        start.wait()
        return image_maps(REQUEST, sample())

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert len(passes) == 1
    assert all(maps is found[0] for maps in found)


def test_eight_sessions_with_pictures_of_their_own_get_their_own_maps(passes):
    pictures = [sample().resize((128, 128)).rotate(40 * turn) for turn in range(8)]
    requests = [replace(REQUEST, picture=str(turn)) for turn in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(image_maps, requests, pictures))
    assert len(passes) == 8
    compute._cache.clear()
    for request, picture, maps in zip(requests, pictures, found, strict=True):
        assert np.array_equal(image_maps(request, picture).upper, maps.upper)


def test_an_error_lets_the_next_one_pass():
    with pytest.raises(CrosspoolError):
        image_maps(replace(REQUEST, pair="features.99"), sample())
    assert image_maps(REQUEST, sample()).upper.shape[0] == 64


# --- bounded


def test_bytes_are_all_arrays_and_the_picture():
    maps = image_maps(REQUEST, sample())
    assert maps.nbytes == 4 * (maps.lower.size + maps.upper.size + maps.pooled.size) + 3 * 128 * 128


def fake_maps(megabytes):
    """Maps that claim memory without touching it."""
    pair = LayerPair("c", "c", "x", "a", 1, 1, (1, 1), (1, 1), (0, 0), (1, 1), "ReLU")
    nothing = np.zeros((1, 1, 1), np.float32)
    upper = np.zeros((1, 1, megabytes * 2**18), np.float32)
    statistics = channel_statistics(torch.zeros(1, 1, 1), torch.zeros(1, 1))
    return ImageMaps(pair, Image.new("RGB", (1, 1)), nothing, upper, nothing, statistics)


def test_the_cache_is_bounded_in_bytes_and_forgets_the_least_recently_used(monkeypatch):
    computed = []

    def fake(request, image, backbone):
        computed.append(request.picture)
        return fake_maps(100)

    monkeypatch.setattr(compute, "_compute", fake)
    for number in range(5):  # 5 x 100 MiB fit into 512 MiB
        image_maps(replace(REQUEST, picture=f"{number}"), sample())
    image_maps(replace(REQUEST, picture="0"), sample())
    assert computed == ["0", "1", "2", "3", "4"]
    for number in range(5, 9):
        image_maps(replace(REQUEST, picture=f"{number}"), sample())
        assert compute._cache.currsize <= CACHE_BYTES
    computed.clear()
    for number in (0, 8, 1):  # used last of the old, newest, forgotten
        image_maps(replace(REQUEST, picture=f"{number}"), sample())
    assert computed == ["1"]


def test_maps_larger_than_the_cache_are_shown_but_not_kept(monkeypatch):
    small = image_maps(REQUEST, sample())
    monkeypatch.setattr(compute, "_compute", lambda *_: fake_maps(600))
    large = image_maps(replace(REQUEST, picture="large"), sample())
    assert large.nbytes > CACHE_BYTES
    assert image_maps(REQUEST, sample()) is small
    assert compute._cache.currsize == small.nbytes


# --- patches


GEOMETRY = st.tuples(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)


@settings(deadline=None)
@given(GEOMETRY, st.integers(10, 14), st.integers(10, 14))
def test_patches_are_the_columns_of_local_features(geometry, rows, columns):
    kernel, stride, padding, dilation = geometry
    pair = LayerPair("c", "b → c", "x", "a", 3, 1, kernel, stride, padding, dilation, "ReLU")
    lower = torch.randn(1, 3, rows, columns, generator=torch.Generator().manual_seed(rows * columns))
    features = local_features(lower, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)[0]
    high, wide = (
        (length + 2 * pad - gap * (k - 1) - 1) // step + 1
        for length, pad, gap, k, step in zip((rows, columns), padding, dilation, kernel, stride, strict=True)
    )
    upper = torch.ones(1, high, wide)
    maps = ImageMaps(
        pair,
        Image.new("RGB", (1, 1)),
        lower[0].numpy(),
        upper.numpy(),
        features.sum(dim=1)[None].numpy(),
        channel_statistics(upper, features.sum(dim=1)[None]),
    )
    patches = np.stack([maps.patch(row, column) for row in range(high) for column in range(wide)], axis=1)
    assert np.array_equal(patches, features.numpy())


def test_patches_of_a_real_strided_pair_add_up_to_its_blocks():
    maps = image_maps(replace(REQUEST, backbone="resnet18", pair="layer4.0.conv1"), sample())
    assert (maps.pair.kernel_size, maps.pair.stride, maps.pair.padding) == ((3, 3), (2, 2), (1, 1))
    rows, columns = maps.upper.shape[1:]
    patches = np.stack([maps.patch(row, column) for row in range(rows) for column in range(columns)])
    torch.testing.assert_close(
        torch.from_numpy(maps.upper.reshape(len(maps.upper), -1) @ patches), torch.from_numpy(maps.pooled)
    )


# --- the gate


def test_the_gate_lets_one_through_at_a_time_in_the_order_in_which_they_came():
    gate, came, inside = Gate(), [], []

    def visit(number):
        with gate:
            came.append(number)
            inside.append(number)
            assert inside == [number]
            inside.remove(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(6)]
    with gate:
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(gate._queue) <= waiting:
                time.sleep(0.001)
        assert came == []
    for thread in threads:
        thread.join(10)
    assert came == list(range(6))


def test_who_lets_others_pass_comes_after_those_who_wait():
    gate, order = Gate(), []

    def visit():
        with gate:
            order.append("other")

    other = threading.Thread(target=visit)
    with gate:
        gate.let_others_pass()  # nobody waits
        other.start()
        while len(gate._queue) < 2:
            time.sleep(0.001)
        order.append("first step")
        gate.let_others_pass()
        order.append("second step")
    other.join(10)
    assert order == ["first step", "other", "second step"]


def test_an_error_inside_opens_the_gate():
    gate = Gate()
    with pytest.raises(CrosspoolError), gate:
        raise CrosspoolError("no")
    with gate:
        pass
