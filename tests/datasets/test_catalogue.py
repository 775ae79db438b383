import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspool.datasets import UNKNOWN, Dataset, Sample, Split, built_in_names, check_classes, open_dataset
from crosspool.datasets.fieldguide import guide as guide_module
from crosspool.errors import DatasetError, SettingError
from tests.dataset_trees import IMAGE, lay, names


def test_a_folder_and_its_zip_are_the_same(tmp_path):
    paths = ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"]
    lay(tmp_path / "set", paths)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in paths:
            archive.writestr(path, IMAGE)
    folder, packed = open_dataset(tmp_path / "set"), open_dataset(str(tmp_path / "set.zip"))
    assert names(folder) == names(packed)
    assert folder.classes == packed.classes
    assert folder.targets.tolist() == packed.targets.tolist()
    assert folder.name == packed.name == "set"
    (tmp_path / "set.zip").rename(tmp_path / "set.upload")
    assert len(open_dataset(tmp_path / "set.upload")) == 3


def test_the_home_folder_may_be_written_short(tmp_path, monkeypatch):
    lay(tmp_path, ["set/cat/1.jpg", "set/dog/1.jpg"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(open_dataset("~/set")) == 2


@pytest.fixture
def guide(monkeypatch):
    """Stands in for the generated set: a data set of no samples, whose name is what it was called with."""

    def fieldguide(**options):
        return Dataset(repr(options), (), (), np.zeros(0, int))

    monkeypatch.setattr(guide_module, "fieldguide", fieldguide)


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("fieldguide", {}),
        ("fieldguide:20", {"per_class": 20}),
        ("fieldguide:20:7", {"per_class": 20, "seed": 7}),
    ],
)
def test_fieldguide_by_name(guide, spec, options):
    assert open_dataset(spec).name == repr(options)


@pytest.mark.parametrize(
    "spec", ["fieldguide:", "fieldguide:many", "fieldguide:-1", "fieldguide:1:2:3", "fieldguide:²"]
)
def test_fieldguide_misspelt(guide, spec):
    with pytest.raises(DatasetError, match="write fieldguide:IMAGES or fieldguide:IMAGES:SEED"):
        open_dataset(spec)


def test_a_folder_of_that_name_is_written_as_a_path(guide, tmp_path, monkeypatch):
    lay(tmp_path, ["fieldguide/cat/1.jpg", "fieldguide/dog/1.jpg"])
    monkeypatch.chdir(tmp_path)
    assert open_dataset("fieldguide").name == "{}"
    assert len(open_dataset("./fieldguide")) == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "'nowhere' was not found; name a folder, a ZIP, or one of fieldguide, torchvision:caltech101, "),
        ("", "'' was not found"),
        ("~nobody-of-that-name/set", "'~nobody-of-that-name/set' was not found"),
        ("nul\0", "'nul\\x00' was not found"),
        ("nul\0/set", "'nul\\x00/set' was not found"),
        ("Flowers-102", "'Flowers-102' was not found; did you mean torchvision:flowers102"),
        ("torchvision:cifar10", "There is no torchvision:cifar10 here; choose one of caltech101, "),
        ("torchvision", "There is no torchvision: here"),
    ],
)
def test_unknown_data_sets(spec, message):
    with pytest.raises(DatasetError) as caught:
        open_dataset(spec)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("typed", "meant"), [("Cub_200_2001", "CUB_200_2011"), ("photoes/", "photos"), ("birds.zpi", "birds.zip")]
)
def test_a_mistyped_folder_or_zip(tmp_path, typed, meant):
    lay(tmp_path, {"CUB_200_2011/images.txt": b"", "photos/a.txt": b"", "birds.zip": b"", "cub_200_2001.txt": b""})
    with pytest.raises(DatasetError, match=rf"was not found; did you mean {tmp_path}/{meant}\?$"):
        open_dataset(f"{tmp_path}/{typed}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("set.tar.gz", b"x", "cannot be read as it is packed; unpack it, and name the folder"),
        ("set.7z", b"x", "cannot be read as it is packed; unpack it, and name the folder"),
        ("photo.jpg", IMAGE, "is not a data set; name a folder, a ZIP, or one of fieldguide, "),
        ("set", b"", "is not a data set; name a folder, a ZIP, or one of fieldguide, "),
    ],
)
def test_other_files_are_no_data_set(tmp_path, name, content, message):
    lay(tmp_path, {name: content})
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path / name)


def test_boxes_only_where_there_are_some(tmp_path, guide):
    lay(tmp_path, ["set/cat/1.jpg", "set/dog/1.jpg"])
    lay(tmp_path, {"set.zip": b""})
    for spec in (tmp_path / "set", tmp_path / "set.zip", "fieldguide", "torchvision:dtd"):
        with pytest.raises(DatasetError, match="has no bounding boxes; leave out --bounding-box"):
            open_dataset(spec, bounding_box=True)


def test_names_for_lists():
    assert built_in_names()[0] == "fieldguide"
    assert "torchvision:oxford-iiit-pet" in built_in_names()


# --- small classes


def dataset(targets, classes, official=None):
    targets = np.array(targets, dtype=np.int64)
    samples = tuple(Sample(str(i), bytes) for i in range(len(targets)))
    return Dataset("set", tuple(classes), samples, targets, official, ("earlier",))


UNEVEN = dataset([0, 1, 1, 2, 3, 3, 3], ["a", "b", "c", "d"], Split(np.array([0, 1, 4]), np.array([2, 3, 5, 6])))


def test_nothing_happens_where_all_classes_are_large_enough():
    assert check_classes(UNEVEN, 1, "stop") is UNEVEN
    assert check_classes(UNEVEN, 0, "skip") is UNEVEN


def test_stop_names_the_small_classes():
    with pytest.raises(DatasetError) as caught:
        check_classes(UNEVEN, 2, "stop")
    message = "set: 2 classes have fewer than 2 images: a (1), c (1); add images, or drop such classes "
    assert str(caught.value) == f"{message}(--on-problem skip)."


def test_skip_renumbers_the_other_classes():
    smaller = check_classes(UNEVEN, 2, "skip")
    assert smaller.classes == ("b", "d")
    assert names(smaller) == ["1", "2", "4", "5", "6"]
    assert smaller.targets.tolist() == [0, 0, 1, 1, 1]
    assert smaller.problems == ("earlier", "2 classes have fewer than 2 images: a (1), c (1); left out.")
    assert smaller.official is not None
    assert smaller.official.train.tolist() == [0, 2]
    assert smaller.official.test.tolist() == [1, 3, 4]
    assert UNEVEN.targets.tolist() == [0, 1, 1, 2, 3, 3, 3]


def test_skip_stops_where_too_little_would_be_left():
    with pytest.raises(DatasetError, match=r"3 classes have fewer than 3 images: .*; too few classes would be left"):
        check_classes(UNEVEN, 3, "skip")


def test_many_small_classes_are_summed_up():
    with pytest.raises(
        DatasetError, match=r"12 classes have fewer than 2 images: 0 \(1\), .*, 9 \(1\) and 2 more; add"
    ):
        check_classes(dataset(range(12), map(str, range(12))), 2, "stop")


def test_labels_that_cannot_be_learned():
    every, rare = [1, 1, 1, 1], [0, 0, 0, 1]
    unknown, fine = [1, 1, UNKNOWN, UNKNOWN], [1, 0, 1, 0]
    labels = dataset(np.stack([every, rare, unknown, fine], axis=1), ["a", "b", "c", "d"])
    message = "2 labels have fewer than 1 image with or without them: a (4 with, 0 without), c (2 with, 0 without)"
    with pytest.raises(DatasetError) as caught:
        check_classes(labels, 1, "stop")
    assert str(caught.value) == f"set: {message}; add images, or drop such labels (--on-problem skip)."
    smaller = check_classes(labels, 1, "skip")
    assert smaller.classes == ("b", "d")
    assert smaller.targets.tolist() == [[0, 1], [0, 0], [0, 1], [1, 0]]
    assert len(smaller) == 4
    assert smaller.problems == ("earlier", f"{message}; left out.")
    assert check_classes(labels, 2, "skip").classes == ("d",)
    with pytest.raises(DatasetError, match="too few labels would be left"):
        check_classes(labels, 3, "skip")


@pytest.mark.parametrize(
    ("targets", "images", "dropped"),
    [
        ([0, 0, 1, 1, 2, 2], "pppqrs", "a (1)"),  # without a, b has two
        ([0, 0, 1, 1, 2, 2], "pqpqrs", "b (0)"),
        ([0, 1, 1, 2, 2], "ppqrs", "a (1)"),
        ([1, 0, 2, 1, 0, 2], "pprqps", "a (0)"),  # the first image in the data set counts
        ([0, 0, 1, 1, 2, 2, 3, 3], "ppppqrst", "a (1), b (1)"),
    ],
)
def test_classes_without_two_images_of_their_own(targets, images, dropped):
    before = dataset(targets, "abcd"[: max(targets) + 1])
    after = check_classes(before, 2, "skip", list(images))
    count = "1 class has" if "," not in dropped else "2 classes have"
    own = "its" if "," not in dropped else "their"
    message = f"{count} fewer than 2 different images of {own} own: {dropped}; left out."
    assert after.problems == ("earlier", message)
    assert set(after.classes) == set(before.classes) - set(dropped)
    assert check_classes(before, 1, "skip", list(map(str, range(len(targets))))) is before


def test_another_treatment_of_problems_is_a_setting_error():
    with pytest.raises(SettingError, match="must be stop or skip, not 'ask'"):
        check_classes(UNEVEN, 2, "ask")  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 6))
def test_dropping_keeps_exactly_the_large_classes(targets, at_least):
    before = dataset(targets, "abcde")
    large = {name for i, name in enumerate("abcde") if targets.count(i) >= at_least}
    try:
        after = check_classes(before, at_least, "skip")
    except DatasetError:
        assert len(large) < 2
        return
    assert set(after.classes) == large
    kept = {sample.name: after.classes[target] for sample, target in zip(after.samples, after.targets, strict=True)}
    assert kept == {str(i): "abcde"[target] for i, target in enumerate(targets) if "abcde"[target] in large}
