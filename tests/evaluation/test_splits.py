"""Random splits: properties of all of them, and the errors where there can be none."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.splits import stratified_splits

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def single_label(draw):
    """Shuffled classes of two images or more, not all numbers in use, and a feasible training size."""
    sizes = draw(st.lists(st.integers(2, 12), min_size=1, max_size=6))
    numbers = draw(st.permutations(range(8)))[: len(sizes)]
    targets = draw(st.permutations(np.repeat(numbers, sizes).tolist()))
    return np.array(targets), draw(st.integers(len(sizes), len(targets) - len(sizes)))


def assert_partition(split, count):
    assert np.array_equal(np.sort(np.concatenate([split.train, split.test])), np.arange(count))
    for side in (split.train, split.test):
        assert len(side)
        assert np.all(np.diff(side) > 0)


def same(some, others):
    return all(
        np.array_equal(a.train, b.train) and np.array_equal(a.test, b.test) for a, b in zip(some, others, strict=True)
    )


@given(single_label(), SEEDS)
def test_splits_cover_everything_once_with_every_class_on_both_sides(data, seed):
    targets, size = data
    before = targets.copy()
    for split in stratified_splits(targets, 3, size, seed):
        assert_partition(split, len(targets))
        assert len(split.train) == size
        assert set(targets[split.train]) == set(targets[split.test]) == set(targets)
    assert np.array_equal(targets, before)


@given(single_label(), SEEDS)
def test_classes_are_divided_in_proportion_but_for_rounding(data, seed):
    targets, size = data
    _, sizes = np.unique(targets, return_counts=True)
    shares = sizes * size / len(targets)
    # Otherwise one image on either side of each small class leaves the large ones more or less than their share.
    assume(np.clip(np.floor(shares), 1, None).sum() <= size <= np.clip(np.ceil(shares), None, sizes - 1).sum())
    for split in stratified_splits(targets, 3, size, seed):
        counts = np.unique(targets[split.train], return_counts=True)[1]
        assert np.all(np.abs(counts - shares) < 1 + 1e-9)


@given(st.lists(st.integers(2, 12), min_size=1, max_size=3), st.data())
def test_no_other_division_is_nearer_to_proportion(sizes, data):
    targets = np.repeat(np.arange(len(sizes)), sizes)
    size = data.draw(st.integers(len(sizes), len(targets) - len(sizes)))
    [split] = stratified_splits(targets, 1, size, seed=0)

    def deviation(counts):
        return sum((count - whole * size / len(targets)) ** 2 for count, whole in zip(counts, sizes, strict=True))

    possible = [counts for counts in product(*(range(1, whole) for whole in sizes)) if sum(counts) == size]
    assert deviation(np.bincount(targets[split.train])) == pytest.approx(min(map(deviation, possible)), abs=1e-9)


@given(single_label(), SEEDS)
def test_the_same_seed_gives_the_same_splits_and_the_first_of_them(data, seed):
    targets, size = data
    splits = stratified_splits(targets, 4, size, seed)
    assert same(splits, stratified_splits(targets, 4, size, seed))
    assert same(splits[:2], stratified_splits(targets, 2, size, seed))
    assert same(splits, stratified_splits(targets, 4, size, seed, groups=[f"key {i}" for i in targets.argsort()]))


def test_splits_never_change():
    """By number: an evaluation that is repeated next year has to use the same images."""
    splits = stratified_splits(np.array([0, 1, 0, 1, 0, 1, 0, 1]), 3, 4, seed=7)
    assert [split.train.tolist() for split in splits] == [[2, 3, 4, 7], [1, 2, 3, 6], [2, 3, 5, 6]]


def test_splits_differ_from_each_other_and_between_seeds():
    targets = np.repeat(np.arange(4), 25)
    trains = [tuple(split.train) for seed in (0, 1) for split in stratified_splits(targets, 10, 50, seed)]
    assert len(set(trains)) == 20


def test_every_image_is_drawn_equally_often():
    targets = np.repeat([0, 1, 2], [10, 20, 10])
    drawn = np.zeros(len(targets))
    for split in stratified_splits(targets, 2000, 10, seed=0):
        drawn[split.train] += 1
    # A quarter of the time, with a standard deviation of 19.4 where splits are independent.
    assert np.all(np.abs(drawn - 500) < 5 * 19.4)


def test_rounding_is_drawn_for_each_split():
    """Which of three equal classes gets the fourth image."""
    targets = np.repeat([0, 1, 2], 3)
    counts = {
        tuple(np.bincount(targets[split.train])) for split in stratified_splits(targets, 50, train_size=4, seed=0)
    }
    assert counts == {(2, 1, 1), (1, 2, 1), (1, 1, 2)}


@pytest.mark.parametrize("size", [40, 61, 100])
def test_proportions_are_those_of_scikit_learn_where_classes_are_large(size):
    targets = np.repeat([0, 1, 2], [60, 50, 37])
    [split] = stratified_splits(targets, 1, size, seed=0)
    theirs, _ = next(StratifiedShuffleSplit(1, train_size=size, random_state=0).split(targets, targets))
    assert np.array_equal(np.bincount(targets[split.train]), np.bincount(targets[theirs]))


def test_small_classes_are_on_both_sides_where_scikit_learn_leaves_them_out():
    targets = np.repeat([0, 1], [2, 98])
    theirs, _ = next(StratifiedShuffleSplit(1, train_size=10, random_state=0).split(targets, targets))
    assert np.bincount(targets[theirs], minlength=2).tolist() == [0, 10]
    [split] = stratified_splits(targets, 1, 10, seed=0)
    assert np.bincount(targets[split.train]).tolist() == [1, 9]


# --- training sizes


@pytest.mark.parametrize(
    ("train_size", "expected"),
    [(30, 30), (0.3, 30), (0.29, 29), (0.5, 50), (np.int64(30), 30), (np.float64(0.3), 30), (None, 75)],
)
def test_numbers_and_shares(train_size, expected):
    [split] = stratified_splits(np.repeat(np.arange(10), 10), 1, train_size, seed=0)
    assert len(split.train) == expected


def test_the_default_size_is_adjusted_where_classes_are_too_small():
    [split] = stratified_splits(np.repeat(np.arange(10), 2), 1, None, seed=0)
    assert len(split.train) == len(split.test) == 10


# --- equal images


@st.composite
def with_duplicates(draw):
    """Classes of two different images or more, and copies of some, under whatever class."""
    sizes = draw(st.lists(st.integers(2, 5), min_size=1, max_size=4))
    targets = np.repeat(np.arange(len(sizes)), sizes)
    copies = draw(st.lists(st.tuples(st.integers(0, len(targets) - 1), st.integers(0, len(sizes) - 1)), max_size=10))
    keys = [f"{i:02}" for i in draw(st.permutations(range(len(targets))))]
    return (
        np.append(targets, [target for _, target in copies]).astype(int),
        np.array(keys + [keys[original] for original, _ in copies]),
        draw(st.integers(len(sizes), len(targets) - len(sizes))),
    )


@given(with_duplicates(), SEEDS)
def test_equal_images_are_on_one_side(data, seed):
    targets, keys, size = data
    for split in stratified_splits(targets, 2, size, seed, groups=keys):
        assert_partition(split, len(targets))
        assert not set(keys[split.train]) & set(keys[split.test])
        assert len(set(keys[split.train])) == size
        assert set(targets[split.train]) == set(targets[split.test]) == set(targets)


@given(with_duplicates(), SEEDS)
def test_copies_do_not_change_how_originals_are_split(data, seed):
    targets, keys, size = data
    originals = len(set(keys))
    [alone] = stratified_splits(targets[:originals], 1, size, seed)
    [split] = stratified_splits(targets, 1, size, seed, groups=keys)
    assert np.array_equal(split.train[split.train < originals], alone.train)


# --- several labels


@given(st.integers(2, 30), st.integers(1, 3), st.data())
def test_several_labels_are_split_at_random(count, labels, data):
    targets = np.array(
        data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=count * labels, max_size=count * labels))
    )
    size = data.draw(st.integers(1, count - 1))
    for split in stratified_splits(targets.reshape(count, labels), 3, size, seed=0):
        assert_partition(split, count)
        assert len(split.train) == size


# --- refusals


def test_a_class_of_one_image():
    with pytest.raises(DatasetError, match=r"^The class 5 has fewer than 2 different images \(1\); add some to it"):
        stratified_splits(np.array([2, 2, 5]), 1, None, seed=0)
    with pytest.raises(DatasetError, match=r"^The class tulip has"):
        stratified_splits(np.array([0, 0, 1]), 1, None, seed=0, classes=("rose", "tulip"))


def test_a_class_of_copies():
    with pytest.raises(DatasetError, match=r"^The class 1 has fewer than 2 different images \(1\)"):
        stratified_splits(np.array([0, 0, 1, 1]), 1, None, seed=0, groups=["a", "b", "c", "c"])
    with pytest.raises(DatasetError, match=r"^The class 1 has fewer than 2 different images \(0\)"):
        stratified_splits(np.array([0, 0, 1, 1]), 1, None, seed=0, groups=["a", "b", "a", "b"])


@pytest.mark.parametrize("targets", [np.zeros((1, 3), int), np.zeros((0, 3), int), np.zeros(0, int)])
def test_a_data_set_of_too_few_images(targets):
    with pytest.raises(DatasetError, match=r"^The data set has fewer than 2"):
        stratified_splits(targets, 1, None, seed=0)


@pytest.mark.parametrize("train_size", [0, 1, 19, 20, -3, 0.02, 0.99])
def test_a_training_size_that_leaves_a_class_out(train_size):
    with pytest.raises(SettingError, match=r"^Train on 2 to 18 of the 20 different images, .* each of the 2 classes"):
        stratified_splits(np.repeat([0, 1], 10), 1, train_size, seed=0)


def test_a_training_size_that_leaves_no_labelled_image_to_test():
    with pytest.raises(SettingError, match=r"^Train on 1 to 3 of the 4 different images, not on 4, so that there is a"):
        stratified_splits(np.zeros((4, 2), int), 1, 4, seed=0)


@pytest.mark.parametrize("share", [0.0, 1.0, 30.0, -0.5, np.nan])
def test_a_share_outside_its_range(share):
    with pytest.raises(SettingError, match="between 0 and 1"):
        stratified_splits(np.repeat([0, 1], 10), 1, share, seed=0)


def test_other_settings_outside_their_range():
    targets = np.repeat([0, 1], 10)
    with pytest.raises(SettingError, match="at least 1, not 0"):
        stratified_splits(targets, 0, None, seed=0)
    with pytest.raises(SettingError, match="seed"):
        stratified_splits(targets, 1, None, seed=-1)
    with pytest.raises(SettingError, match="20 targets but 1 content keys"):
        stratified_splits(targets, 1, None, seed=0, groups=["a"])
