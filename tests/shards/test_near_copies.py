"""Near-copies: of real photos changed as people change them, and of codes, against all pairs."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.shards.near_copies import BITS, COPY_BITS, near_copies, picture_codes

CHANGES = {
    "scaled": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "compressed": lambda image: Image.open(io.BytesIO(jpeg(image, 40))).convert("RGB"),
    "cut": lambda image: image.crop((2, 2, image.width - 2, image.height - 2)),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
}


def jpeg(image, quality=80):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def small(image):
    """As a store keeps it."""
    shrunk = image.copy()
    shrunk.thumbnail((160, 160))
    return jpeg(shrunk)


@pytest.fixture(scope="module")
def photos():
    return [load_image(sample.path) for sample in samples()]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_photo_is_a_copy_of_its_original_alone(photos, change):
    files = [small(photo) for photo in photos] + [small(CHANGES[change](photo)) for photo in photos]
    groups = near_copies(*picture_codes(files))
    assert groups == [[place, place + len(photos)] for place in range(len(photos))]


def test_a_picture_of_one_colour_is_a_copy_of_none():
    grounds = [small(Image.new("RGB", (160, 90), colour)) for colour in ("red", "red", "navy")]
    codes, known = picture_codes([*grounds, b""])
    assert not known.any()
    assert near_copies(codes, known) == []


def test_codes_are_the_signs_of_the_lowest_frequencies():
    """A picture that is brighter to the right and nothing else."""
    ramp = Image.fromarray(np.tile(np.arange(64, 192, dtype=np.uint8), (128, 1)))
    (code,), known = picture_codes([jpeg(ramp, 100)])
    bits = np.unpackbits(code.view(np.uint8), bitorder="little")
    assert known.all()
    assert not bits[1]  # half a wave from bright to dark has a negative weight
    assert not bits[0]  # however bright it is


def changed(codes, places, flipped):
    """Copies of some codes, each with so many bits turned."""
    generator = np.random.default_rng(1)
    bits = np.unpackbits(codes[places].view(np.uint8), axis=1, bitorder="little")
    for row, count in zip(bits, flipped, strict=True):
        row[generator.choice(BITS, count, replace=False)] ^= 1
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


def test_near_copies_are_those_of_all_pairs():
    """Of codes that are changed in a few bits, or in too many."""
    codes = np.random.default_rng(0).integers(0, 2**63, (40, 4), np.uint64)
    codes[20:32] = changed(codes, range(12), range(COPY_BITS - 9, COPY_BITS + 3))
    expected = [
        [one, other]
        for one, other in itertools.combinations(range(40), 2)
        if np.bitwise_count(codes[one] ^ codes[other]).sum() <= COPY_BITS
    ]
    assert len(expected) == 10
    assert near_copies(codes, np.ones(40, bool)) == expected
    assert near_copies(codes, np.arange(40) >= 20) == []


def test_nearly_all_are_found_among_many():
    generator = np.random.default_rng(2)
    codes = generator.integers(0, 2**63, (20_000, 4), np.uint64)
    codes[:1000] = changed(codes, range(1000, 2000), [24] * 1000)
    codes[2000:3000] = changed(codes, range(3000, 4000), [COPY_BITS] * 1000)
    groups = near_copies(codes, np.ones(len(codes), bool))
    assert all(len(group) == 2 for group in groups)
    found = [group[0] for group in groups]
    assert sum(place < 1000 for place in found) >= 999
    assert sum(place >= 2000 for place in found) >= 970


def test_many_equal_codes_and_copies_of_copies_are_one_group():
    codes = np.zeros((100, 4), np.uint64)
    codes[50:90, 0] = 2**COPY_BITS - 1
    codes[90:, 1:] = 2**64 - 1
    assert near_copies(codes, np.ones(100, bool)) == [list(range(90)), list(range(90, 100))]
