"""Maps for the pages: computed once, kept in bounded memory, with the right patch under every position."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crosspool.backbones import load_backbone
from crosspool.errors import CrosspoolError, SettingError
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import cross_layer_pool, local_features
from crosspool.statistics import channel_statistics
from crosspool.tracing import run_graph
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.networks import Networks
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from tests.networks import sample

REQUEST = MapRequest(
    image=ImageHash("a"),
    backbone="squeezenet1_1",
    weights="untrained",
    pair="features.12.squeeze",
    size=128,
    framing="crop",
    signed=False,
    border="zero",
)


@pytest.fixture(scope="module")
def networks():
    return Networks(2, 2**40, threads=1)


@pytest.fixture
def server(networks):
    """A server of the test's own, but for its networks."""
    with use_server(Server(ServerSettings())) as server:
        server.networks = networks
        yield server


@pytest.fixture
def passes(monkeypatch):
    """A list that grows with every forward pass."""
    threads = []

    def counted(*args):
        threads.append(threading.get_ident())
        return run_graph(*args)

    monkeypatch.setattr("crosspool.engines.programs.run_graph", counted)
    return threads


def test_the_maps_equal_those_of_the_library(server):
    request = replace(REQUEST, pair="features.12.expand3x3", size=160, framing="squash", signed=True, border="valid")
    server_maps = image_maps(server, request, sample)
    backbone = load_backbone("squeezenet1_1", "untrained")
    maps = backbone.activations(sample(), request.pair, 160, framing="squash", signed=True)
    pooled = cross_layer_pool(maps.lower, maps.upper, kernel_size=3, padding=1, border="valid")
    assert server_maps.pair == backbone.architecture.pair(request.pair)
    torch.testing.assert_close(torch.from_numpy(server_maps.lower), maps.lower[0])
    torch.testing.assert_close(torch.from_numpy(server_maps.upper), maps.upper[0])
    torch.testing.assert_close(torch.from_numpy(server_maps.pooled()), pooled[0])
    torch.testing.assert_close(torch.from_numpy(server_maps.block(7)), pooled[0, 7])
    sizes = pooled[0].double().norm(dim=1).numpy()
    assert server_maps.block_sizes() == pytest.approx(sizes, rel=1e-6, abs=1e-6 * sizes.max())
    assert np.array_equal(np.asarray(server_maps.framed), np.asarray(maps.framed[0]))
    expected = channel_statistics(maps.upper[0], pooled[0]).table()
    assert server_maps.statistics.table().to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5)


# --- once


def test_equal_requests_are_computed_once(passes, server):
    first = image_maps(server, REQUEST, sample)
    assert image_maps(server, replace(REQUEST), sample) is first
    assert len(passes) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"image": "b"},
        {"pair": "features.12.expand1x1"},
        {"size": 160},
        {"framing": "squash"},
        {"signed": True},
        {"border": "valid"},
    ],
)
def test_any_other_request_is_computed_separately(passes, change, server):
    image_maps(server, REQUEST, sample)
    image_maps(server, replace(REQUEST, **change), sample)
    assert len(passes) == 2


def test_eight_sessions_that_ask_at_once_share_one_forward_pass(passes, server):
    start = threading.Barrier(8)

    def ask(_):
        start.wait()
        return image_maps(server, REQUEST, sample)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(8)))
    assert len(passes) == 1
    assert all(maps is results[0] for maps in results)


def test_eight_sessions_with_different_images_get_their_own_maps(passes, server):
    images = [sample().resize((128, 128)).rotate(40 * turn) for turn in range(8)]
    requests = [replace(REQUEST, image=ImageHash(str(turn))) for turn in range(8)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda request, image: image_maps(server, request, lambda: image), requests, images))
    assert len(passes) == 8
    server.cache.clear()
    for request, image, maps in zip(requests, images, results, strict=True):
        assert np.array_equal(image_maps(server, request, partial(Image.Image.copy, image)).upper, maps.upper)


def test_an_error_lets_the_next_one_pass(server):
    with pytest.raises(CrosspoolError):
        image_maps(server, replace(REQUEST, pair="features.99"), sample)
    assert image_maps(server, REQUEST, sample).upper.shape[0] == 64


# --- bounded


def test_bytes_are_those_of_all_arrays_and_the_image(server):
    maps = image_maps(server, REQUEST, sample)
    assert maps.nbytes == 4 * (maps.lower.size + maps.upper.size) + 3 * 128 * 128


def test_maps_too_large_to_be_kept_are_refused_before_they_are_computed(passes, server):
    vgg = replace(REQUEST, backbone="vgg16", pair="features.2", size=896)
    expected = 4 * 2 * 64 * 896**2 + 3 * 896**2  # conv1_1 and conv1_2, and the image
    assert expected > server.cache.limit
    with pytest.raises(SettingError, match=rf"at 896 px take {expected / 2**20:.0f} MB .* choose a smaller input"):
        image_maps(server, vgg, sample)
    assert passes == []


def test_networks_in_memory_are_limited():
    networks = Networks(2, 2**40, threads=1)
    names = ["squeezenet1_1", "squeezenet1_0", "mobilenet_v3_small"]
    first, second = (networks.backbone(name, "untrained") for name in names[:2])
    assert networks.backbone(names[0], "untrained") is first
    networks.backbone(names[2], "untrained")  # in place of the second, which was used less recently
    assert list(networks._backbones) == [(names[0], "untrained"), (names[2], "untrained")]
    assert networks.backbone(names[0], "untrained") is first
    assert networks.backbone(names[1], "untrained") is not second


# --- patches


GEOMETRY = st.tuples(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)


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
        channel_statistics(upper, features.sum(dim=1)[None]),
        signed=False,
    )
    patches = np.stack([maps.patch(row, column) for row in range(high) for column in range(wide)], axis=1)
    assert np.array_equal(patches, features.numpy())


def test_patches_of_a_real_strided_pair_add_up_to_its_blocks(server):
    maps = image_maps(server, replace(REQUEST, backbone="resnet18", pair="layer4.0.conv1"), sample)
    assert (maps.pair.kernel_size, maps.pair.stride, maps.pair.padding) == ((3, 3), (2, 2), (1, 1))
    rows, columns = maps.upper.shape[1:]
    patches = np.stack([maps.patch(row, column) for row in range(rows) for column in range(columns)])
    torch.testing.assert_close(
        torch.from_numpy(maps.upper.reshape(len(maps.upper), -1) @ patches), torch.from_numpy(maps.pooled())
    )
