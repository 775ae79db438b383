"""A little of `python -m benchmarks.robustness.fuzz`: what comes from outside is taken as it should be, or refused."""

import pytest

from benchmarks.harness.fuzzing import image_files, images, links, models, settings, zips
from crosspool.images import load_image


@pytest.mark.parametrize(
    ("kind", "count"),
    [(images.KIND, 120), (zips.KIND, 25), (links.KIND, 300), (models.KIND, 60), (settings.KIND, 150)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_nothing_from_outside_does_harm(kind, count, server):
    said = [kind.judge(kind.case(7, number)) for number in range(count)]
    assert "" in said, "nothing is taken, so the damage is not worth its name"
    assert any(said), "nothing is refused"


def test_a_case_is_the_same_again():
    for kind in (images.KIND, zips.KIND, links.KIND, models.KIND, settings.KIND):
        assert kind.case(3, 5) == kind.case(3, 5)
        assert kind.case(3, 5) != kind.case(3, 6)


@pytest.mark.parametrize("name", sorted(image_files.valid_files()))
def test_every_file_is_sound_before_it_is_damaged(name):
    assert load_image(image_files.valid_files()[name]).mode == "RGB"
