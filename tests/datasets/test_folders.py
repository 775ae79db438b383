import os
import pickle
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspool.datasets import files, folders
from crosspool.datasets.files import counted_sentence, parse, without_number
from crosspool.datasets.folders import FileInFolder, class_folders, group_by_class
from crosspool.errors import DatasetError, ImageError
from crosspool.text import name_key
from tests.dataset_trees import IMAGE, encoded, labelled, lay, names, parts


def test_classes_and_images_come_in_the_order_of_their_names(tmp_path):
    lay(tmp_path, ["dog/b.jpg", "dog/a.png", "cat/9.jpg", "cat/10.jpg", "Ape/1.JPG"])
    dataset = class_folders(tmp_path)
    assert dataset.name == tmp_path.name
    assert dataset.classes == ("Ape", "cat", "dog")
    assert names(dataset) == ["Ape/1.JPG", "cat/10.jpg", "cat/9.jpg", "dog/a.png", "dog/b.jpg"]
    assert dataset.targets.tolist() == [0, 1, 1, 2, 2]
    assert dataset.targets.dtype == np.int64
    assert dataset.official is None
    assert dataset.problems == ()


def test_nothing_is_decoded_but_the_bytes_are_those_of_the_file(tmp_path):
    lay(tmp_path, {"a/1.jpg": b"no image at all", "b/2.jpg": encoded((1, 2, 3))})
    first, second = class_folders(tmp_path).samples
    assert first.read() == b"no image at all"
    assert second.decode(second.read()).getpixel((0, 0)) == (1, 2, 3)


@pytest.mark.parametrize("suffix", ["pjpeg", "pjp", "apng", "dib", "hif", "JFIF", "Mpo"])
def test_rare_suffixes_of_images_are_known(tmp_path, suffix):
    """Some browsers save JPEG as .pjpeg or .jfif, Windows bitmaps as .dib."""
    lay(tmp_path, [f"cat/1.{suffix}", "dog/1.jpg"])
    dataset = class_folders(tmp_path)
    assert labelled(dataset) == {f"cat/1.{suffix}": "cat", "dog/1.jpg": "dog"}
    assert dataset.problems == ()


def test_nested_files_belong_to_the_class_above(tmp_path):
    lay(tmp_path, ["cat/1.jpg", "cat/2019/x/2.jpg", "dog/deep/er/3.jpg"])
    assert labelled(class_folders(tmp_path)) == {
        "cat/1.jpg": "cat",
        "cat/2019/x/2.jpg": "cat",
        "dog/deep/er/3.jpg": "dog",
    }


def test_names_with_spaces_signs_and_letters_of_all_kinds(tmp_path):
    decomposed = unicodedata.normalize("NFD", "é")
    lay(tmp_path, ["chat gris/ a b .jpg", "猫/写真.jpg", "Cat/1.jpg", "cat/1.jpg", f"{decomposed}t/#1?.jpg"])
    dataset = class_folders(tmp_path)
    assert set(dataset.classes) == {"chat gris", "猫", "Cat", f"{decomposed}t"}
    assert all(sample.read() == IMAGE for sample in dataset.samples)


@pytest.mark.skipif(os.name == "nt", reason="names are no bytes there")
def test_names_that_are_not_utf8_are_read_and_can_be_printed(tmp_path):
    lay(tmp_path, ["a/1.jpg", "b/1.jpg"])
    try:
        with open(os.fsencode(tmp_path) + b"/a/caf\xe9.jpg", "wb") as file:
            file.write(IMAGE)
    except OSError:
        pytest.skip("this file system wants UTF-8")
    dataset = class_folders(tmp_path)
    assert r"a/caf\xe9.jpg" in names(dataset)
    assert all(sample.read() == IMAGE and sample.name.encode() for sample in dataset.samples)


def test_files_that_are_not_images_are_ignored_or_counted(tmp_path):
    lay(tmp_path, ["cat/1.jpg", "dog/1.jpg", "cat/.hidden.jpg", "cat/._1.jpg", ".git/2.jpg", "__MACOSX/cat/1.jpg"])
    lay(tmp_path, dict.fromkeys(["cat/Thumbs.db", "cat/.DS_Store", "notes.txt", "dog/labels.csv"], "text"))
    assert class_folders(tmp_path).problems == ()
    lay(tmp_path, {"dog/film.mp4": "film", "cat/drawing.svg": "<svg/>"})
    dataset = class_folders(tmp_path)
    assert names(dataset) == ["cat/1.jpg", "dog/1.jpg"]
    assert dataset.problems == ("2 files are left out, as they are not images, the first is cat/drawing.svg.",)


def test_problems_name_empty_classes_and_images_of_no_class(tmp_path):
    lay(tmp_path, ["cat/1.jpg", "dog/1.jpg", "loose.jpg"])
    lay(tmp_path, {"empty/readme.txt": "nothing"})
    (tmp_path / "void" / "below").mkdir(parents=True)
    dataset = class_folders(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.problems == (
        "1 image outside the class folders is left out: loose.jpg.",
        "2 class folders have no images, the first is empty.",
    )


def test_links_are_followed_only_to_files_inside(tmp_path):
    outside = lay(tmp_path / "outside", ["secret.jpg"])
    root = lay(tmp_path / "root", ["cat/1.jpg", "dog/1.jpg"])
    (root / "cat" / "inside.jpg").symlink_to(root / "dog" / "1.jpg")
    (root / "cat" / "out.jpg").symlink_to(outside / "secret.jpg")
    (root / "cat" / "gone.jpg").symlink_to(root / "nothing.jpg")
    (root / "cat" / "loop").symlink_to(root)
    (root / "bird").symlink_to(outside)
    dataset = class_folders(root)
    assert names(dataset) == ["cat/1.jpg", "cat/inside.jpg", "dog/1.jpg"]
    assert dataset.problems == (
        "4 links are left out, as they do not lead to files inside the folder, the first is bird.",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_ignored(tmp_path):
    lay(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
    os.mkfifo(tmp_path / "cat" / "2.jpg")
    assert names(class_folders(tmp_path)) == ["cat/1.jpg", "dog/1.jpg"]


def test_a_link_to_the_root_itself_is_fine(tmp_path):
    lay(tmp_path / "root", ["cat/1.jpg", "dog/1.jpg"])
    (tmp_path / "link").symlink_to(tmp_path / "root")
    assert len(class_folders(tmp_path / "link")) == 2


def test_a_single_folder_around_the_classes_is_skipped(tmp_path):
    lay(tmp_path, ["birds/Images/wren/1.jpg", "birds/Images/robin/1.jpg"])
    lay(tmp_path, {"birds/Annotations/wren/1.xml": "", "birds/Annotations/gull/1.xml": ""})
    dataset = class_folders(tmp_path)
    assert dataset.classes == ("robin", "wren")
    assert dataset.problems == ()


def test_folders_called_train_and_test_are_the_official_split(tmp_path):
    lay(tmp_path, ["train/cat/1.jpg", "train/dog/1.jpg", "val/cat/2.jpg", "Test/dog/2.jpg", "Test/loose.jpg"])
    dataset = class_folders(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert parts(dataset) == (["train/cat/1.jpg", "val/cat/2.jpg", "train/dog/1.jpg"], ["Test/dog/2.jpg"])
    assert dataset.problems == ("1 image outside the class folders is left out: Test/loose.jpg.",)


def test_val_is_tested_on_where_there_is_no_test(tmp_path):
    lay(tmp_path, ["train/cat/1.jpg", "train/dog/1.jpg", "val/cat/2.jpg", "val/dog/2.jpg"])
    assert parts(class_folders(tmp_path))[1] == ["val/cat/2.jpg", "val/dog/2.jpg"]


def test_a_test_folder_without_labels_gives_no_split(tmp_path):
    lay(tmp_path, ["train/cat/1.jpg", "train/dog/1.jpg", "test/1.jpg", "test/2.jpg"])
    dataset = class_folders(tmp_path)
    assert dataset.official is None
    assert dataset.problems == ("2 images outside the class folders are left out, the first is test/1.jpg.",)


def test_a_class_may_be_called_train(tmp_path):
    lay(tmp_path, ["train/1.jpg", "bus/1.jpg"])
    assert class_folders(tmp_path).classes == ("bus", "train")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "has no images; put the images of each class"),
        (["1.jpg", "2.jpg"], "has images but no class folders; put the images of each class into a folder"),
        (["cat/1.jpg", "cat/more/2.jpg"], r"has images of one class only \(cat\); put the folders of at least two"),
        (["train/1.jpg", "test/1.jpg"], "has images but no class folders"),
    ],
)
def test_too_little_to_learn_from_is_one_sentence(tmp_path, files, told):
    lay(tmp_path, files)
    with pytest.raises(DatasetError, match=told) as caught:
        class_folders(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match="cannot be opened"):
        class_folders(tmp_path / "nowhere")


def test_a_closed_folder_is_a_problem(tmp_path, monkeypatch):
    lay(tmp_path, ["cat/1.jpg", "dog/1.jpg", "owl/1.jpg"])
    real = os.scandir

    def scandir(path):
        if os.path.basename(path) == "owl":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    dataset = class_folders(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.problems[0] == "1 folder cannot be opened: owl."


def test_a_whole_disk_is_too_much(tmp_path, monkeypatch):
    lay(tmp_path, ["cat/1.jpg", "dog/1.jpg", "dog/2.jpg"])
    monkeypatch.setattr(folders, "MAX_FILES", 2)
    with pytest.raises(DatasetError, match="more than 2 files; name the folder of one data set"):
        class_folders(tmp_path)


def test_a_file_that_went_away_is_an_image_error(tmp_path):
    lay(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
    sample = class_folders(tmp_path).samples[0]
    (tmp_path / "cat" / "1.jpg").unlink()
    with pytest.raises(ImageError, match=r"cat/1.jpg cannot be read \(No such file or directory\)"):
        sample.read()


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    lay(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    with pytest.raises(ImageError, match=r"cat/1\.jpg has more than"):
        class_folders(tmp_path).samples[0].read()


def test_samples_go_to_other_processes_and_other_folders(tmp_path, monkeypatch):
    lay(tmp_path / "root", ["cat/1.jpg", "dog/1.jpg"])
    monkeypatch.chdir(tmp_path)
    (sample, _) = class_folders(type(tmp_path)("root")).samples
    monkeypatch.chdir("/")
    assert pickle.loads(pickle.dumps(sample)).read() == IMAGE


SEGMENT = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=4)


@given(st.lists(st.tuples(st.lists(SEGMENT, max_size=4), st.sampled_from([".jpg", ".txt", ".mp4", ""])), max_size=12))
def test_any_files_give_a_sound_data_set_or_one_sentence(listed):
    paths = {(*folder, f"file{suffix}") for folder, suffix in listed}
    found = [FileInFolder(path, bytes) for path in sorted(paths)]
    try:
        dataset = group_by_class("name", "the root", found, {path[:-1] for path in paths if len(path) > 1})
    except DatasetError:
        return
    assert len(dataset.classes) >= 2
    assert list(dataset.classes) == sorted(set(dataset.classes))
    assert set(dataset.targets) == set(range(len(dataset.classes)))
    assert len(set(names(dataset))) == len(dataset)
    for name, label in labelled(dataset).items():
        assert name_key(label) in map(name_key, name.split("/")[:-1])  # of several spellings one is taken
        assert name.endswith(".jpg")


def test_helpers_for_names():
    assert without_number("001.Black_footed_Albatross") == "Black footed Albatross"
    assert without_number("3.") == "3."
    assert without_number("no number") == "no number"
    assert counted_sentence([], "one", "many") == ()
    assert counted_sentence(["x"], "file is gone", "files are gone") == ("1 file is gone: x.",)
    assert counted_sentence(["x"] * 1234, "file is gone", "files are gone") == (
        "1,234 files are gone, the first is x.",
    )


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf1\r\n2\r\n\r\nx\r\n3", b"1\n2\n\nx\n3\n", b"1\n 2\t\n\nx\n3\n\n"])
def test_lists_are_read_with_any_line_ending(tmp_path, data):
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    assert parse(path, int) == ([1, 2, 3], ("1 line of list.txt cannot be understood: line 4.",))


def test_a_list_that_cannot_be_read(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        parse(tmp_path / "nowhere.txt", int)
