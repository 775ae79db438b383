"""The options of an evaluation's splits, and the protocol that they come to."""

import numpy as np
import pytest

from crosspool.datasets import Dataset, Sample, Split
from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.command import DEFAULT_SPLITS
from crosspool.evaluation.protocol import SplitOptions

OFFICIAL = Split(np.array([0, 1, 4, 5]), np.array([2, 3, 6, 7]))
KEYS = list("aacdefgh")  # the first two images are equal


def dataset(official=None):
    samples = tuple(Sample(str(number), lambda: b"") for number in range(8))
    return Dataset("letters", ("x", "y"), samples, np.repeat([0, 1], 4), official)


def test_the_official_split_is_used_where_there_is_one() -> None:
    protocol = SplitOptions(seed=3).protocol(dataset(OFFICIAL), KEYS)
    assert (protocol.official, protocol.splits, protocol.seed) == (True, [OFFICIAL], 3)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (SplitOptions(official=False), DEFAULT_SPLITS),
        (SplitOptions(splits=3), 3),
        (SplitOptions(train_size=0.5), DEFAULT_SPLITS),
    ],
)
def test_a_number_or_a_size_of_splits_means_random_ones(options, count) -> None:
    protocol = options.protocol(dataset(OFFICIAL), KEYS)
    assert not protocol.official
    assert len(protocol.splits) == count
    for split in protocol.splits:
        assert {0, 1} <= set(split.train) or {0, 1} <= set(split.test)  # equal images stay together


def test_options_that_contradict_each_other_are_refused_before_an_image_is_read() -> None:
    with pytest.raises(DatasetError, match="no official split"):
        SplitOptions(official=True).check(dataset())
    with pytest.raises(SettingError, match="leave out --splits and --train-size"):
        SplitOptions(official=True, splits=2).check(dataset(OFFICIAL))
    with pytest.raises(SettingError, match="Train on 2 to 6"):
        SplitOptions(train_size=7).check(dataset())


def test_an_official_split_with_an_empty_side_is_refused() -> None:
    one_sided = dataset(Split(np.arange(8), np.array([], int)))
    with pytest.raises(DatasetError, match="has no images left"):
        SplitOptions().protocol(one_sided, KEYS)
