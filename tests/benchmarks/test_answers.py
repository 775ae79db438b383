"""The benchmarks' checks recognise a wrong answer, and one that belongs to another visitor."""

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
    """A function that packs three maps after a change to them."""
    import torch

    def of(change=lambda upper: None, image=1):
        upper = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0)) + 0.1
        change(upper)
        statistics = channel_statistics(upper, upper.reshape(3, -1).clone())
        fields = ([(0, 8)] * 4, [(0, 8)] * 4)
        return pack_maps(upper.numpy(), statistics, noise(image, (32, 32)), signed=False, fields=fields)

    return of


def test_packed_maps_are_read_back(packed):
    maps = unpack(packed())
    assert maps.header["channels"] == 3
    assert maps.levels.shape == (3, 4, 4)
    assert maps.levels.max() == 65535
    assert maps.energy.sum() == pytest.approx(1)
    assert maps.photo.startswith(b"\xff\xd8")


def test_wrong_maps_are_recognised(packed):
    assert agreement(packed(), packed()) == "exactly"
    assert agreement(packed(lambda upper: upper.mul_(1 + 1e-5)), packed()) == "within a step"
    assert agreement(packed(image=2), packed()) == "of another image"
    assert agreement(packed(lambda upper: upper[1].mul_(1.1)), packed()) == "another peak"
    swapped = packed(lambda upper: upper.copy_(upper.transpose(1, 2).clone()))
    assert agreement(swapped, packed()) == "other weights"


def test_the_thumbnail_of_another_image_is_recognised():
    image = noise(1, (60, 40))
    thumbnail = data_url(image.crop((10, 0, 50, 40)))
    assert is_thumbnail_of(thumbnail, png(image))
    assert not is_thumbnail_of(thumbnail, png(noise(2, (60, 40))))


def test_names_and_keys_of_other_visitors_are_found():
    person, other = Person(0, 5, SMALL), Person(1, 5, SMALL)
    assert person.name != other.name
    assert not person.keys & other.keys
    owners = dict.fromkeys(person.keys, 0) | dict.fromkeys(other.keys, 1)
    detector = LeakDetector(person, owners)
    detector(b"\x00" + person.name.encode() + b"\x01" + next(iter(person.keys)))
    assert detector.leaks == set()
    detector(b"\x12\x05" + other.name.encode() + b".jpg")
    detector(next(iter(other.keys)))
    assert detector.leaks == {other.name, next(iter(other.keys)).decode()}


def test_a_person_depends_on_two_numbers():
    assert Person(3, 1, SMALL).images[1] == Person(3, 1, SMALL).images[1]
    assert Person(3, 1, SMALL).images[1].data != Person(3, 2, SMALL).images[1].data
    assert replace(Person(3, 1, SMALL), number=4).zipped.data != Person(3, 1, SMALL).zipped.data
