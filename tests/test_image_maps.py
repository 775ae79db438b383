"""Maps of gradients and colours: their cells are those of the image, and no network is needed for them."""

import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from crosspool.backbones import UNTRAINED, Backbone, architecture, load
from crosspool.cache import ArrayCache
from crosspool.errors import SettingError
from crosspool.features import Features
from crosspool.framing import Source
from crosspool.image_maps import COLOURS, GRADIENTS, IMAGE_MAPS, MISSING, colour_histograms, oriented_gradients
from crosspool.methods import parse_method
from crosspool.records import compute_record, shape_of
from tests.images import noise, tints
from tests.networks import small_network, spec_for

SOURCES = [Source(name, 128, "whole", "squash") for name in (COLOURS, GRADIENTS)]


def test_the_gradient_across_an_edge_is_where_the_edge_is():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 36:] = 255
    gradients = oriented_gradients(Image.fromarray(pixels)).reshape(2, 2, 9, 8, 8)
    assert set(np.nonzero(gradients.sum(axis=(0, 1, 2)).any(axis=0))[0]) == {3, 4, 5}  # 16 pixels around each centre
    assert np.nonzero(gradients[..., 4, 4].any(axis=(0, 1)))[0].tolist() == [0]  # the first orientation is across


def test_a_mirrored_image_has_mirrored_maps():
    framed = noise(0).resize((72, 72))
    for compute in (oriented_gradients, colour_histograms):
        amounts = np.square(compute(framed)).sum(axis=0)
        for flip, axis in ((ImageOps.mirror, 1), (ImageOps.flip, 0)):
            np.testing.assert_allclose(np.square(compute(flip(framed))).sum(axis=0), np.flip(amounts, axis), rtol=1e-4)


def test_colours_are_shares_of_each_cell():
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8, :4] = (255, 0, 64)  # half of the first cell
    shares = colour_histograms(Image.fromarray(pixels))
    assert shares.shape == (64, 2, 2)
    assert shares[0].tolist() == [[0.5, 1], [1, 1]]
    assert shares[3 * 16 + 0 * 4 + 1].tolist() == [[0.5, 0], [0, 0]]
    assert (shares.sum(axis=0) == 1).all()


@pytest.mark.parametrize("name", IMAGE_MAPS)
def test_maps_have_the_shape_that_is_said(name, tiny):
    assert IMAGE_MAPS[name].compute(noise(0).resize((128, 128))).shape == IMAGE_MAPS[name].shape(128)
    assert shape_of(Source(name, 128, "whole", "squash"), tiny.architecture) == IMAGE_MAPS[name].shape(128)


def test_records_of_pixels_need_no_network(tiny, monkeypatch):
    image = noise(0).resize((200, 150))
    node = Source("relu_1", 128, "whole", "squash")
    together = compute_record(tiny, image, [*SOURCES, node])

    def refuse(*args):
        raise AssertionError("the network runs")

    monkeypatch.setattr(Backbone, "outputs", refuse)
    alone = compute_record(tiny, image, SOURCES, images=1000)
    for source in SOURCES:
        assert alone[source].shape == (1, *IMAGE_MAPS[source.node].shape(128))
        np.testing.assert_array_equal(alone[source], together[source])
    with pytest.raises(AssertionError, match="the network runs"):
        compute_record(tiny, image, [node])


def test_maps_of_pixels_are_kept_for_all_networks(tiny, tmp_path):
    cache = ArrayCache(tmp_path)
    Features(tints(), tiny, SOURCES, cache).compute()
    other = load(spec_for(small_network, name="other"), UNTRAINED, "cpu")
    network = Source("relu_1", 128, "whole", "squash")
    features = Features(tints(), other, [*SOURCES, network], cache)
    assert features._lacks(0) == [network]


@pytest.mark.parametrize("name", ["dpd", "dpd-cnn"])
def test_without_scikit_image_it_says_how_to_install_it_before_anything_is_computed(name, monkeypatch):
    parse_method(name, architecture("efficientnet_lite0"))
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(SettingError, match="crosspool\\[parts\\]") as error:
        parse_method(name, architecture("efficientnet_lite0"))
    assert str(error.value) == MISSING
