"""The benchmarks' judges: an answer that is wrong, or somebody else's, is told from a right one."""

from dataclasses import replace

import pytest

from benchmarks.harness.answers import agreement, is_thumbnail_of
from benchmarks.harness.mapsets import unpack
from benchmarks.harness.people import SMALL, LeakDetector, Person
from crosspool.gallery.mapset import pack_maps
from crosspool.statistics import channel_statistics
from crosspool.ui.widgets.browser import data_url
from tests.images import noise, png


@pytest.fixture(scope="module")
def packed():
    """Packs three maps; `change` is done to them before."""
    import torch

    def of(change=lambda upper: None, image=1):
        upper = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0)) + 0.1
        change(upper)
        statistics = channel_statistics(upper, upper.reshape(3, -1).clone())
        fields = ([(0, 8)] * 4, [(0, 8)] * 4)
        return pack_maps(upper.numpy(), statistics, noise(image, 32, 32), signed=False, fields=fields)

    return of


def test_reads_back_what_was_packed(packed):
    maps = unpack(packed())
    assert maps.header["channels"] == 3
    assert maps.steps.shape == (3, 4, 4)
    assert maps.steps.max() == 255
    assert maps.energy.sum() == pytest.approx(1)
    assert maps.photo.startswith(b"\xff\xd8")


def test_tells_right_maps_from_wrong_ones(packed):
    assert agreement(packed(), packed()) == "exactly"
    assert agreement(packed(lambda upper: upper.mul_(1 + 1e-5)), packed()) == "within a step"
    assert agreement(packed(image=2), packed()) == "of another image"
    assert agreement(packed(lambda upper: upper[1].mul_(1.1)), packed()) == "another peak"
    swapped = packed(lambda upper: upper.copy_(upper.transpose(1, 2).clone()))
    assert agreement(swapped, packed()) == "other weights"


def test_tells_a_thumbnail_from_another():
    image = noise(1, 60, 40)
    thumbnail = data_url(image.crop((10, 0, 50, 40)))
    assert is_thumbnail_of(thumbnail, png(image))
    assert not is_thumbnail_of(thumbnail, png(noise(2, 60, 40)))


def test_finds_what_belongs_to_others():
    one, other = Person(0, 5, SMALL), Person(1, 5, SMALL)
    assert one.name != other.name
    assert not one.keys & other.keys
    owners = dict.fromkeys(one.keys, 0) | dict.fromkeys(other.keys, 1)
    detector = LeakDetector(one, owners)
    detector(b"\x00" + one.name.encode() + b"\x01" + next(iter(one.keys)))
    assert detector.leaks == set()
    detector(b"\x12\x05" + other.name.encode() + b".jpg")
    detector(next(iter(other.keys)))
    assert detector.leaks == {other.name, next(iter(other.keys)).decode()}


def test_a_person_is_drawn_from_two_numbers():
    assert Person(3, 1, SMALL).images[1] == Person(3, 1, SMALL).images[1]
    assert Person(3, 1, SMALL).images[1].data != Person(3, 2, SMALL).images[1].data
    assert replace(Person(3, 1, SMALL), number=4).zipped.data != Person(3, 1, SMALL).zipped.data
