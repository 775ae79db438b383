"""One class under several spellings, and samples that would share a name."""

import os
import unicodedata

import numpy as np
import pytest

from crosspool.datasets import Dataset, Sample, Split
from crosspool.datasets.dataset import check_taught, not_tested
from crosspool.datasets.folders import class_folders
from crosspool.datasets.spellings import joined_spellings, unique_names
from crosspool.errors import DatasetError
from crosspool.text import look, name_key
from tests.dataset_trees import labelled, lay, names, parts

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (DECOMPOSED, COMPOSED),
        (COMPOSED, DECOMPOSED),
        ("Pizza", "pizza"),
        ("Straße", "STRASSE"),
        ("hot dog", "Hot  dog"),
        (DECOMPOSED, COMPOSED.upper()),
        ("cat ", "cat"),
        ("hot\u00a0dog", "hot dog"),
    ],
)
def test_a_class_may_be_spelt_differently_in_the_parts(tmp_path, train, test):
    lay(tmp_path, [f"train/{train}/1.jpg", "train/tea/1.jpg", f"test/{test}/2.jpg", "test/tea/2.jpg"])
    dataset = class_folders(tmp_path)
    assert dataset.classes == (train, "tea"), "the spelling is that of the training images"
    assert labelled(dataset)[f"test/{test}/2.jpg"] == train
    assert parts(dataset)[1] == [f"test/{test}/2.jpg", "test/tea/2.jpg"]
    assert dataset.problems == (f"1 class is spelt in two ways and taken as one: {test} is {train}.",)


def test_composed_and_decomposed_names_side_by_side_are_one_class(tmp_path):
    lay(tmp_path, [f"{COMPOSED}/1.jpg", f"{DECOMPOSED}/2.jpg", "tea/1.jpg"])
    if len(os.listdir(tmp_path)) < 3:
        pytest.skip("this file system takes the two names for one")
    dataset = class_folders(tmp_path)
    assert dataset.classes == (min(COMPOSED, DECOMPOSED), "tea")
    assert dataset.targets.tolist() == [0, 0, 1]
    assert len(dataset.problems) == 1


@pytest.mark.parametrize("parts_around", [("train/", "test/"), ("",)], ids=["in parts", "without parts"])
def test_names_side_by_side_that_differ_in_letter_case_are_one_class(tmp_path, parts_around):
    lay(tmp_path, [f"{part}{name}/1.jpg" for part in parts_around for name in ("Round", "round", "square")])
    if "round" not in os.listdir(tmp_path / parts_around[0]) or "Round" not in os.listdir(tmp_path / parts_around[0]):
        pytest.skip("this file system takes the two names for one")
    dataset = class_folders(tmp_path)
    assert dataset.classes == ("Round", "square")
    assert set(dataset.targets.tolist()) == {0, 1}
    assert dataset.problems == ("1 class is spelt in two ways and taken as one: round is Round.",)
    assert dataset.layout.startswith("Read as 2 classes")


@pytest.mark.parametrize("invisible", ["\u200b", "\ufeff", "\u2060", "\u200e"], ids=ascii)
def test_a_character_that_nobody_sees_makes_no_class(tmp_path, invisible):
    lay(tmp_path, [f"train/cat{invisible}/1.jpg", "train/tea/1.jpg", "test/cat/2.jpg", "test/tea/2.jpg"])
    dataset = class_folders(tmp_path)
    assert len(dataset.classes) == 2
    assert dataset.problems[0].startswith("1 class is spelt in two ways and taken as one: cat is cat\\")
    lay(tmp_path / "one", [f"cat{invisible}/1.jpg", "cat/2.jpg", "tea/1.jpg"])
    assert len(class_folders(tmp_path / "one").classes) == 2


def test_names_that_differ_in_an_accent_or_a_zero_are_classes_of_their_own(tmp_path):
    lay(tmp_path, [f"{name}/1.jpg" for name in ("peche", "p\u00eache", "p\u00e9ch\u00e9", "1", "01")])
    dataset = class_folders(tmp_path)
    assert len(dataset.classes) == 5
    assert dataset.problems == ()


def test_keys_of_names():
    assert name_key(COMPOSED) == name_key(f"  {DECOMPOSED.upper()} ")
    assert name_key("hot dog") == name_key("Hot\tDOG")
    assert name_key("hotdog") != name_key("hot dog")
    assert name_key("Cafe") != name_key(COMPOSED)
    assert name_key("cat\\u200b") == name_key("cat\u200b") == name_key("cat")
    assert name_key("\u200b") != name_key("\ufeff")
    assert name_key("cat\\u0041") != name_key("cat")
    assert name_key("\u0645\u06cc\u200c\u062e") == name_key("\u0645\u06cc\u062e")
    assert look("\u0645\u06cc\u200c\u062e") != look("\u0645\u06cc\u062e")


def test_spellings_without_a_training_part_are_the_first_by_name():
    labels, sentences = joined_spellings(["b", "B", "c"], ["x", "y", "x"], "")
    assert labels == ["B", "B", "c"]
    assert sentences == ("1 class is spelt in two ways and taken as one: b is B.",)


@pytest.mark.parametrize(
    ("given", "unique"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a#2", "a#3"]),
        (["a", "a#2", "a"], ["a", "a#2", "a#3"]),
        (["a", "a", "a#2", "a#2"], ["a", "a#3", "a#2", "a#2#2"]),
    ],
)
def test_names_are_made_unique(given, unique):
    assert list(unique_names(given)) == unique


@pytest.mark.skipif(os.name == "nt", reason="a backslash separates folders there")
def test_two_files_that_print_alike_are_two_samples(tmp_path):
    lay(tmp_path, ["a/x\u200b.jpg", "a/x\\u200b.jpg", "b/1.jpg"])
    assert names(class_folders(tmp_path)) == ["a/x\\u200b.jpg", "a/x\\u200b.jpg#2", "b/1.jpg"]


# --- classes of one part only


def split_set(train, test, classes="abc"):
    targets = np.array([*train, *test])
    samples = tuple(Sample(str(number), bytes) for number in range(len(targets)))
    split = Split(np.arange(len(train)), np.arange(len(train), len(targets)))
    return Dataset("set", tuple(classes), samples, targets, split)


def test_a_class_that_only_the_test_part_has_is_named_and_left_out():
    dataset = check_taught(split_set([0, 2, 0], [0, 1, 1, 2]), "skip")
    assert dataset.classes == ("a", "c")
    assert dataset.targets.tolist() == [0, 1, 0, 0, 1]
    assert dataset.problems == ("1 class has no images to train on: b (2 to test on); left out.",)
    assert dataset.official is not None
    assert dataset.official.test.tolist() == [3, 4]


def test_a_class_that_only_the_test_part_has_stops_where_that_is_wanted():
    with pytest.raises(DatasetError) as caught:
        check_taught(split_set([0, 2], [1, 1]), "stop")
    assert str(caught.value) == (
        "set: 1 class has no images to train on: b (2 to test on); add some, drop such classes (--on-problem skip), or "
        "use random splits (--random)."
    )


def test_parts_of_different_classes_are_refused():
    with pytest.raises(DatasetError, match=r"b \(1 .*c \(1 .*; too few classes would be left; use random splits"):
        check_taught(split_set([0, 0], [1, 2]), "skip")


def test_classes_that_are_never_tested_are_named():
    dataset = split_set([0, 1, 2], [0, 1])
    assert check_taught(dataset, "stop") is dataset
    assert not_tested(dataset) == ("1 class has no images to test on: c; learned, but never tested.",)
    assert not_tested(split_set([0, 1], [0, 1], "ab")) == ()
