"""A short run of `python -m benchmarks.robustness.fuzz`: input from outside is accepted as it should be, or refused."""

import pytest

from benchmarks.harness.fuzzing import MODULES, kind_of
from benchmarks.harness.fuzzing.image_files import valid_files
from crosspool.images import load_image

COUNTS = {"images": 120, "zips": 25, "urls": 300, "models": 60, "settings": 150}


@pytest.mark.parametrize("name", MODULES)
def test_no_input_from_outside_does_harm(name, server):
    kind = kind_of(name)
    sentences = [kind.judge(kind.case(7, number)) for number in range(COUNTS[name])]
    assert "" in sentences, "nothing is accepted, so the damage is too great to test anything"
    assert any(sentences), "nothing is refused"


@pytest.mark.parametrize("name", MODULES)
def test_a_seed_and_a_number_make_the_same_case_again(name):
    kind = kind_of(name)
    assert kind.case(3, 5) == kind.case(3, 5)
    assert kind.case(3, 5) != kind.case(3, 6)


@pytest.mark.parametrize("name", sorted(valid_files()))
def test_every_file_can_be_read_before_it_is_damaged(name):
    assert load_image(valid_files()[name]).mode == "RGB"
