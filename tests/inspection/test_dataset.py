"""What is said of data sets: each layout that is known, broken ones, copies, and what cannot be read."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from crosspool.datasets import Dataset, Sample, open_dataset
from crosspool.inspection.dataset import inspect_dataset
from crosspool.strict_json import json_text
from tests.dataset_trees import encoded, lay
from tests.images import noise, png
from tests.inspection.trees import LAYOUTS, NFC, NFD, distinct, paths

# The summary, how the files were read, and the problems; or the sentence that refuses.
EXPECTED = {
    "classes": [
        "set: 6 images of 3 classes.",
        "Read as 3 classes, a folder for each.",
    ],
    "train and test": [
        "set: 12 images (test 6, train 6) of 3 classes.",
        "Read as 3 classes with an official split: train to train on, test to test on.",
    ],
    "training_set and test_set": [
        "set: 12 images (test_set 6, training_set 6) of 3 classes.",
        "Read as 3 classes with an official split: training_set to train on, test_set to test on.",
    ],
    "seg_train, seg_test, seg_pred": [
        "set: 12 images (seg_test 6, seg_train 6) of 3 classes.",
        "Read as 3 classes with an official split: seg_train to train on, seg_test to test on.",
        "1 image outside the class folders is left out: seg_pred/seg_pred/1.png.",
    ],
    "train, val and extra": [
        "set: 18 images (extra 6, train 6, val 6) of 3 classes.",
        "Read as 3 classes with an official split: extra and train to train on, val to test on.",
    ],
    "a split in each class": [
        "set: 8 images (test 4, train 4) of 2 classes.",
        "Read as 2 classes with an official split: train to train on, test to test on.",
    ],
    "images and masks": [
        "set: 6 images of 3 classes.",
        "Read as 3 classes, a folder for each.",
        "6 images in segmentations are left out, as masks of the images beside them.",
    ],
    "masks beside": [
        "set: 6 images of 3 classes.",
        "Read as 3 classes, a folder for each.",
        "1 image is left out, as a mask of another by its name: set/pizza/0_mask.png.",
    ],
    "two readings": "SET can be read in two ways: amazon and dslr are the classes, or they are parts of one set with "
    "the classes camera, laptop and pizza; choose one with --layout classes or --layout parts.",
    "MIT-67": [
        "MIT-67: 3 images (test 1, train 2) of 2 classes.",
        "Read as MIT-67 by its lists: 2 samples to train on, 1 to test on.",
        "1 class has no images to test on: winecellar; learned, but never tested.",
    ],
    "CUB-200-2011": [
        "CUB-200-2011: 3 images (test 1, train 2) of 2 classes.",
        "Read as CUB-200-2011 by its lists: 2 samples to train on, 1 to test on.",
        "1 class has no images to test on: Laysan Albatross; learned, but never tested.",
    ],
    "CUB-200-2011, deeper": [
        "CUB-200-2011: 3 images (test 1, train 2) of 2 classes.",
        "Read as CUB-200-2011 by its lists: 2 samples to train on, 1 to test on.",
        "1 class has no images to test on: Laysan Albatross; learned, but never tested.",
    ],
    "PASCAL VOC": [
        "PASCAL VOC 2007: 5 images (test 2, train 3) of 2 labels.",
        "Read as PASCAL VOC 2007 by its lists: 3 samples to train on, 2 to test on.",
        "18 lists of labels are missing, the first is aeroplane_trainval.txt.",
        "18 lists of labels are missing, the first is aeroplane_test.txt.",
    ],
    "PASCAL VOC, two folders": [
        "PASCAL VOC 2007: 5 images (test 2, train 3) of 2 labels.",
        "Read as PASCAL VOC 2007 by its lists: 3 samples to train on, 2 to test on.",
        "18 lists of labels are missing, the first is aeroplane_trainval.txt.",
        "18 lists of labels are missing, the first is aeroplane_test.txt.",
    ],
    "Attributes of People": [
        "Attributes of People: 4 images (test 1, train 3) of 9 labels.",
        "Read as Attributes of People by its lists: 3 samples to train on, 1 to test on.",
        "In train, 1 of 4 people has no box and is left out: train/00002.jpg.",
    ],
    "NFD and NFC": [
        "set: 4 images (test 2, train 2) of 2 classes.",
        "Read as 2 classes with an official split: train to train on, test to test on.",
        f"1 class is spelt in two ways and taken as one: {NFC} is {NFD}.",
    ],
    "Pizza and pizza": [
        "set: 4 images (test 2, train 2) of 2 classes.",
        "Read as 2 classes with an official split: train to train on, test to test on.",
        "1 class is spelt in two ways and taken as one: pizza is Pizza.",
    ],
    "a class to test on only": [
        "set: 10 images (test 4, train 6) of 4 classes.",
        "Read as 4 classes with an official split: train to train on, test to test on. Only 3 classes are used.",
        "1 class has no images to train on: spoon (2 to test on); left out.",
        "2 classes have no images to test on: camera, laptop; learned, but never tested.",
    ],
    "a class to train on only": [
        "set: 10 images (test 4, train 6) of 3 classes.",
        "Read as 3 classes with an official split: train to train on, test to test on.",
        "1 class has no images to test on: camera; learned, but never tested.",
    ],
    "a small class": [
        "set: 7 images of 4 classes.",
        "Read as 4 classes, a folder for each. Only 3 classes are used.",
        "1 class has fewer than 2 different images of its own: spoon (1); left out.",
    ],
    "one class": "SET has images of one class only (cat); put the folders of at least two classes side by side.",
    "no classes": "SET has images but no class folders; put the images of each class into a folder named after the "
    "class.",
    "no images": "SET has no images; put the images of each class into a folder named after the class.",
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_said_of_a_layout(run, monkeypatch, tmp_path, name):
    monkeypatch.setenv("COLUMNS", "1000")
    status, out, err = run("inspect", lay(tmp_path / "set", distinct(LAYOUTS[name])))
    expected = EXPECTED[name]
    if isinstance(expected, str):
        assert (status, out, err) == (2, "", f"crosspool: {expected.replace('SET', str(tmp_path / 'set'))}\n")
        return
    summary, layout, *problems = expected
    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == [summary, layout]
    listed = out.partition("Problems with the data:\n")[2].splitlines()
    assert listed == [f"  - {problem}" for problem in problems]


def test_two_readings_are_chosen_between(works, tmp_path):
    amazon = lay(tmp_path / "set", distinct(LAYOUTS["two readings"]))
    for layout, summary in (
        ("parts", "set: 12 images (amazon 6, dslr 6) of 3 classes."),
        ("classes", "set: 12 images of 2 classes."),
    ):
        assert works("inspect", amazon, "--layout", layout).splitlines()[0] == summary


def test_a_zip_is_read_like_a_folder(works, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path, data in distinct(LAYOUTS["train and test"]).items():
            archive.writestr(path, data)
    folder = lay(tmp_path / "set", distinct(LAYOUTS["train and test"]))
    assert works("inspect", tmp_path / "set.zip") == works("inspect", folder)


def test_the_whole_of_what_is_printed(works, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "90")
    files = {
        "set/train/cat/1.png": encoded((1, 2, 3)),
        "set/train/cat/2.png": encoded((4, 5, 6), "GIF", (64, 48)),
        "set/train/dog/1.jpg": encoded((7, 8, 9), "JPEG", (640, 480)),
        "set/train/dog/note.docx": "words",
        "set/test/Cat/1.bmp": encoded((1, 2, 3), "BMP"),
        "set/test/dog/1.png": b"no image",
        "set/test/dog/2.png": encoded((10, 11, 12)),
    }
    assert works("inspect", lay(tmp_path / "pets", files)).splitlines() == [
        "pets: 6 images (test 3, train 3) of 2 classes; 1 of these images cannot be read.",
        "Read as 2 classes with an official split: train to train on, test to test on.",
        "Formats: PNG 2, BMP 1, GIF 1, JPEG 1.",
        "Colours: RGB 4, palette 1.",
        "Sizes: 32×24 to 640×480 pixels, the median is 32×24.",
        "",
        "class  images  test  train",
        "──────────────────────────",
        "cat         3     1      2",
        "dog         3     2      1",
        "",
        "Problems with the data:",
        "  - 1 image to test on is also to train on: set/test/Cat/1.bmp and set/train/cat/1.png.",
        "  Results would flatter all methods; take each out of one part.",
        "  - 1 class is spelt in two ways and taken as one: Cat is cat.",
        "  - 1 file is left out, as it is not an image: set/train/dog/note.docx.",
        "  - set/test/dog/1.png is not an image that can be read here; save it as JPEG, PNG, WebP,",
        "  AVIF, HEIC, GIF, TIFF or BMP.",
    ]


def test_json_has_all_of_it(works, tmp_path):
    files = distinct(paths("train", "test", classes=("cat", "dog"), images=1)) | {"train/dog/bad.png": "no"}
    document = json.loads(works("inspect", lay(tmp_path / "set", files), "--json"))
    assert document == {
        "kind": "dataset", "name": "set", "images": 5, "multi_label": False, "parts": {"test": 2, "train": 3},
        "layout": "Read as 2 classes with an official split: train to train on, test to test on.",
        "classes": [
            {"name": "cat", "images": 2, "parts": {"test": 1, "train": 1}},
            {"name": "dog", "images": 3, "parts": {"test": 1, "train": 2}},
        ],
        "problems": [], "small": [],
        "unreadable": {"train/dog/bad.png": "train/dog/bad.png is not an image that can be read here; save it as JPEG, "
                       "PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP."},
        "copies": {"tested": [], "parted": [], "classed": [], "twice": []}, "masks": [],
        "formats": {"PNG": 4}, "modes": {"RGB": 4},
        "sizes": {"smallest": [32, 24], "median": [32, 24], "largest": [32, 24]},
        "problem": "",
    }  # fmt: skip


# --- copies


def copies_in(folder, files, layout="auto"):
    return inspect_dataset(open_dataset(lay(folder / "set", files), layout=layout)).copies


RED, BLUE, GREEN = (encoded(colour) for colour in ((200, 0, 0), (0, 0, 200), (0, 200, 0)))


def test_images_that_are_trained_and_tested_on_are_found_whatever_their_files(tmp_path):
    files = {"train/a/1.png": RED, "train/b/2.png": BLUE, "test/a/3.png": encoded((200, 0, 0), "TIFF"),
             "test/b/4.png": GREEN}  # fmt: skip
    assert copies_in(tmp_path, files).tested == (("test/a/3.png", "train/a/1.png"),)


def test_copies_in_two_parts_without_a_split_and_within_a_class(tmp_path):
    files = {"amazon/a/1.png": RED, "amazon/b/2.png": BLUE, "dslr/a/1.png": RED, "dslr/b/2.png": BLUE,
             "dslr/b/3.png": BLUE}  # fmt: skip
    copies = copies_in(tmp_path, files, "parts")
    assert copies.parted == (
        ("amazon/a/1.png", "dslr/a/1.png"), ("amazon/b/2.png", "dslr/b/2.png"), ("amazon/b/2.png", "dslr/b/3.png"),
    )  # fmt: skip
    assert (copies.tested, copies.classed, copies.twice) == ((), (), ())
    files = {"a/1.png": RED, "a/2.png": RED, "b/1.png": BLUE, "b/2.png": GREEN}
    assert copies_in(tmp_path / "more", files).twice == (("a/1.png", "a/2.png"),)


def test_copies_in_two_classes_are_worse_than_copies_in_two_parts(tmp_path):
    copies = copies_in(tmp_path, {"a/1.png": RED, "b/1.png": RED, "a/2.png": BLUE, "b/2.png": GREEN})
    assert copies.classed == (("a/1.png", "b/1.png"),)


def test_images_of_equal_pixels_but_another_shape_are_no_copies(tmp_path):
    files = {"a/1.png": encoded(size=(32, 24)), "a/2.png": encoded(size=(24, 32)), "b/1.png": BLUE, "b/2.png": GREEN}
    assert copies_in(tmp_path, files).twice == ()


def test_people_in_one_image_are_no_copies(tmp_path):
    halves = Image.new("RGB", (32, 24), "red")
    halves.paste("blue", (16, 0, 32, 24))
    halves.save(tmp_path / "two.png")
    data = (tmp_path / "two.png").read_bytes()
    samples = tuple(Sample(name, lambda: data, box) for name, box in (("l", (0, 0, 16, 24)), ("r", (16, 0, 32, 24))))
    report = inspect_dataset(Dataset("two", ("x", "y"), samples, np.array([0, 1])))
    assert report.copies_sentences == []


# --- masks that no folder's name gives away


def test_images_of_few_colours_that_bear_the_names_of_others_are_named(tmp_path):
    files = {f"{label}/{kind}/{number}.png": png(noise(number)) if kind == "a" else encoded((number, 0, 0))
             for label in ("benign", "malignant", "normal") for kind in ("a", "b") for number in (1, 2)}  # fmt: skip
    report = inspect_dataset(open_dataset(lay(tmp_path / "set", files), layout="classes"))
    assert report.masks_sentences == [
        "6 images of at most 8 colours bear the name of another image, the first is benign/b/1.png and benign/a/1.png. "
        "Masks count as images, so take them out."
    ]
    assert report.warnings[-1] == report.masks_sentences[0]


def test_drawings_of_few_colours_are_no_masks(tmp_path):
    files = {"a/1.png": encoded((1, 2, 3)), "a/2.png": png(noise(2)), "b/1.png": png(noise(3)), "b/3.gif": RED}
    assert inspect_dataset(open_dataset(lay(tmp_path / "set", files))).masks == ()


# --- all that cannot be read


def test_images_that_cannot_be_read_count_for_nothing_but_their_class(tmp_path):
    files = {"a/1.png": b"no", "a/2.png": RED, "b/1.png": BLUE, "b/2.png": GREEN, "b/3.png": b""}
    report = inspect_dataset(open_dataset(lay(tmp_path / "set", files)))
    assert list(report.unreadable) == ["a/1.png", "b/3.png"]
    assert [(each.name, each.images) for each in report.classes] == [("a", 2), ("b", 3)]
    assert report.formats == {"PNG": 3}
    assert report.small == ()
    assert report.problem == (
        "set: 1 class has fewer than 2 different images of its own: a (1); too few classes would be left; add images."
    )


@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_a_set_that_nothing_can_be_trained_on_ends_with_status_2_and_the_reason(run, tmp_path, json_flag):
    folder = lay(tmp_path / "set", {"train/a/1.png": b"no", "train/b/1.png": b"no", "test/a/1.png": RED})
    status, out, err = run("inspect", folder, *json_flag)
    assert status == 2
    assert out.startswith(
        "{" if json_flag else "set: 3 images (test 1, train 2) of 2 classes; 2 of these images cannot be read."
    )
    assert err == (
        "crosspool: set: 2 classes have no images to train on: a (1 to test on), b (0 to test on); too few classes "
        "would be left; use random splits (--random).\n"
    )


def test_where_nothing_can_be_read_it_is_still_strict_json(tmp_path):
    report = inspect_dataset(open_dataset(lay(tmp_path / "set", {"a/1.png": b"no", "b/1.png": b"no"})))
    assert (report.sizes, report.facts_sentences) == (None, [])
    assert '"sizes": null' in json_text({"sizes": report.sizes})


def test_progress_counts_the_images(tmp_path):
    steps = []
    dataset = open_dataset(lay(tmp_path / "set", distinct(paths("set", images=1))))
    inspect_dataset(dataset, lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]
