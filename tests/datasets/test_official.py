import os

import numpy as np
import pytest

from crosspool.datasets import UNKNOWN, attributes, cub200, mit67, open_dataset, voc2007
from crosspool.datasets.listed import Listed, box_around, listed_dataset
from crosspool.errors import DatasetError, ImageError
from tests.dataset_trees import IMAGE, annotation, encoded, labelled, lay, names, parts
from tests.networks import PLAIN

# --- MIT-67

INDOOR = {
    "Images/airport_inside/airport_inside_0001.jpg": encoded(kind="JPEG"),
    "Images/airport_inside/a b (2).jpg": encoded((0, 0, 255), kind="PNG"),  # as in the published set
    "Images/winecellar/wine_1.jpg": encoded((0, 255, 0), kind="GIF"),
    "Images/winecellar/unlisted.jpg": IMAGE,
    "TrainImages.txt": "airport_inside/airport_inside_0001.jpg\r\nwinecellar/wine_1.jpg\r\n",
    "TestImages.txt": "airport_inside/a b (2).jpg",
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\r\n\r\n"])
def test_mit67(tmp_path, ends, last):
    train = f"airport_inside/airport_inside_0001.jpg{ends}winecellar/wine_1.jpg{last}"
    dataset = open_dataset(lay(tmp_path, {**INDOOR, "TrainImages.txt": train}))
    assert dataset.name == "MIT-67"
    assert dataset.classes == ("airport_inside", "winecellar")
    assert labelled(dataset) == {
        "airport_inside/airport_inside_0001.jpg": "airport_inside",
        "winecellar/wine_1.jpg": "winecellar",
        "airport_inside/a b (2).jpg": "airport_inside",
    }
    assert parts(dataset)[1] == ["airport_inside/a b (2).jpg"]
    assert dataset.problems == ()
    assert not dataset.multi_label
    colours = [sample.decode(sample.read()).getpixel((0, 0)) for sample in dataset.samples]
    assert colours[1:] == [(0, 255, 0), (0, 0, 255)]


def test_mit67_missing_files_are_counted(tmp_path):
    train = INDOOR["TrainImages.txt"] + "winecellar/gone.jpg\nwinecellar/gone too.jpg\n../secret.jpg\nno class.jpg\n"
    lay(tmp_path, {**INDOOR, "TrainImages.txt": train, "secret.jpg": IMAGE})
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 3
    assert dataset.problems == (
        "2 lines of TrainImages.txt cannot be understood, the first is line 5.",
        "2 files named in TrainImages.txt or TestImages.txt are missing, the first is winecellar/gone.jpg.",
    )


def test_mit67_images_in_both_lists_are_tested_on(tmp_path):
    test = INDOOR["TestImages.txt"] + "\nwinecellar/wine_1.jpg\n"
    dataset = open_dataset(lay(tmp_path, {**INDOOR, "TestImages.txt": test}))
    assert parts(dataset) == (
        ["airport_inside/airport_inside_0001.jpg"],
        ["winecellar/wine_1.jpg", "airport_inside/a b (2).jpg"],
    )
    (problem,) = dataset.problems
    assert (
        problem == "1 file is listed for both training and testing, and counts for testing only: winecellar/wine_1.jpg."
    )


def test_mit67_without_a_list_has_no_split(tmp_path):
    lay(tmp_path, {path: content for path, content in INDOOR.items() if path != "TestImages.txt"})
    dataset = open_dataset(tmp_path)
    assert dataset.official is None
    assert dataset.problems == (
        "TestImages.txt is missing.",
        "There are no test images, so there is no official split.",
    )


def test_mit67_without_images_or_lines(tmp_path):
    lists = {path: content for path, content in INDOOR.items() if path.endswith(".txt")}
    with pytest.raises(DatasetError, match=r"None of the 3 images named in TrainImages\.txt .* is in .*Images; unpack"):
        open_dataset(lay(tmp_path, lists))
    with pytest.raises(DatasetError, match="name no images"):
        mit67.mit67(lay(tmp_path / "empty", {"TrainImages.txt": "\n\n"}))


# --- CUB-200-2011

BIRDS = {
    "classes.txt": "1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n",
    "images.txt": (
        "1 001.Black_footed_Albatross/B 1.jpg\n2 001.Black_footed_Albatross/B2.jpg\n3 002.Laysan_Albatross/L.jpg"
    ),
    "image_class_labels.txt": "1 1\n2 1\n3 2\n",
    "train_test_split.txt": "1 1\n2 0\n3 1\n",
    "bounding_boxes.txt": "1 2.0 3.0 10.0 8.0\n2 20.5 10.9 30.2 40.0\n3 0.0 0.0 32.0 24.0\n",
    "images/001.Black_footed_Albatross/B 1.jpg": IMAGE,
    "images/001.Black_footed_Albatross/B2.jpg": IMAGE,
    "images/002.Laysan_Albatross/L.jpg": IMAGE,
    "images/002.Laysan_Albatross/unlisted.jpg": IMAGE,
}


@pytest.mark.parametrize("inside", ["", "CUB_200_2011"])
def test_cub200(tmp_path, inside):
    lay(tmp_path / inside, BIRDS)
    dataset = open_dataset(tmp_path)
    assert dataset.name == "CUB-200-2011"
    assert dataset.classes == ("Black footed Albatross", "Laysan Albatross")
    assert dataset.targets.tolist() == [0, 0, 1]
    assert parts(dataset)[1] == ["001.Black_footed_Albatross/B2.jpg"]
    assert [sample.box for sample in dataset.samples] == [None] * 3
    assert dataset.problems == ()


def test_cub200_boxes_are_rounded_outward_and_cut_to_the_image(tmp_path):
    dataset = open_dataset(lay(tmp_path, BIRDS), bounding_box=True)
    assert dataset.name != "CUB-200-2011"
    assert [sample.box for sample in dataset.samples] == [(2, 3, 12, 11), (20, 10, 51, 51), (0, 0, 32, 24)]
    assert [sample.decode(sample.read()).size for sample in dataset.samples] == [(10, 8), (12, 14), (32, 24)]
    assert dataset.problems == ()


def test_cub200_box_problems(tmp_path):
    boxes = "1 2.0 3.0 10.0 8.0\n2 nan 1 1 1\n3 100 100 5 5\n"
    dataset = open_dataset(lay(tmp_path, {**BIRDS, "bounding_boxes.txt": boxes}), bounding_box=True)
    assert dataset.samples[1].box is None
    assert dataset.problems == (
        "1 line of bounding_boxes.txt cannot be understood: line 2.",
        "1 image has no box and is kept whole: 001.Black_footed_Albatross/B2.jpg.",
    )
    with pytest.raises(ImageError, match="outside the image"):
        dataset.samples[2].decode(dataset.samples[2].read())
    (tmp_path / "bounding_boxes.txt").unlink()
    assert len(open_dataset(tmp_path)) == 3
    with pytest.raises(DatasetError, match="has no bounding boxes; unpack bounding_boxes"):
        open_dataset(tmp_path, bounding_box=True)


POINTS = {
    "parts/parts.txt": "1 back\n2 beak\n3 belly\n7 left eye\n14 tail\n15 throat\n",
    "parts/part_locs.txt": (
        "1 1 6.0 5.0 1\n1 2 11.0 4.5 1\n1 3 7.0 10.0 1\n1 7 0.0 0.0 0\n1 14 2.5 9.0 1\n1 15 9.0 6.5 1\n"
        "2 1 22.0 11.0 1\n2 2 0.0 0.0 0\n2 3 0.0 0.0 0\n2 7 40.0 12.0 1\n2 14 30.0 20.0 1\n2 15 0.0 0.0 0\n"
    ),
}


def test_cub200_parts(tmp_path):
    """The tightest boxes around the points of the head (beak, eyes, throat) and of the body that can be seen."""
    dataset = open_dataset(lay(tmp_path, {**BIRDS, **POINTS}))
    assert dataset.annotated == ("whole", "head", "body")
    first, second, third = (annotation(sample) for sample in dataset.samples)
    assert first.size == second.size == (32, 24)
    assert first.boxes == {"whole": (2, 3, 12, 11), "head": (9.0, 4.5, 11.0, 6.5), "body": (2.5, 5.0, 7.0, 10.0)}
    assert second.boxes == {"whole": (20, 10, 51, 51), "body": (22.0, 11.0, 30.0, 20.0)}  # one point is no box
    assert third.boxes == {"whole": (0, 0, 32, 24)}
    assert [sample.box for sample in dataset.samples] == [None] * 3
    assert dataset.problems == ()


def test_cub200_parts_of_a_bird_that_is_cut_out(tmp_path):
    dataset = open_dataset(lay(tmp_path, {**BIRDS, **POINTS}), bounding_box=True)
    boxes = dataset.samples[0].part_boxes(PLAIN, "squash")
    assert boxes == {
        "whole": (0, 0, 1, 1),
        "head": pytest.approx((0.7, 0.1875, 0.9, 0.4375)),
        "body": pytest.approx((0.05, 0.25, 0.5, 0.875)),
    }


@pytest.mark.parametrize("missing", ["parts/parts.txt", "parts/part_locs.txt", "bounding_boxes.txt"])
def test_cub200_without_all_lists_of_parts_has_none(tmp_path, missing):
    tree = {path: content for path, content in {**BIRDS, **POINTS}.items() if path != missing}
    dataset = open_dataset(lay(tmp_path, tree))
    assert dataset.annotated == ()
    assert all(sample.annotation is None for sample in dataset.samples)
    assert dataset.problems == ()


def test_cub200_points_that_cannot_be_understood_are_counted(tmp_path):
    points = "1 1 nan 5.0 1\n1 2 9.0 4.5 1\n1 7 9.0 4.5 x\n1 15 11.0 6.5 1\n"
    dataset = open_dataset(lay(tmp_path, {**BIRDS, **POINTS, "parts/part_locs.txt": points}))
    assert dataset.problems == ("2 lines of part_locs.txt cannot be understood, the first is line 1.",)
    assert annotation(dataset.samples[0]).boxes == {"whole": (2, 3, 12, 11), "head": (9.0, 4.5, 11.0, 6.5)}


def test_cub200_joins_by_number_and_not_by_line(tmp_path):
    turned = {**BIRDS, "image_class_labels.txt": "3 2\n2 1\n1 1\n", "train_test_split.txt": "2 0\n3 1\n1 1"}
    dataset = open_dataset(lay(tmp_path, turned))
    assert dataset.targets.tolist() == [0, 0, 1]
    assert parts(dataset)[1] == ["001.Black_footed_Albatross/B2.jpg"]


@pytest.mark.parametrize(
    ("changed", "problems"),
    [
        (
            {"train_test_split.txt": None},
            (
                "train_test_split.txt is missing.",
                "train_test_split.txt does not say the part of every image, so there is no official split.",
            ),
        ),
        (
            {"train_test_split.txt": "1 1\n2 0\n3 7\n"},
            (
                "1 line of train_test_split.txt cannot be understood: line 3.",
                "train_test_split.txt does not say the part of every image, so there is no official split.",
            ),
        ),
        ({"classes.txt": None}, ("classes.txt is missing.",)),
        (
            {"image_class_labels.txt": "1 1\n3 2\n"},
            ("1 image has no class and is left out: 001.Black_footed_Albatross/B2.jpg.",),
        ),
        (
            {"images/002.Laysan_Albatross/L.jpg": None},
            (
                "1 file named in images.txt is missing: 002.Laysan_Albatross/L.jpg.",
                "1 class has no images: Laysan Albatross.",
            ),
        ),
    ],
)
def test_cub200_problems(tmp_path, changed, problems):
    tree = {path: content for path, content in {**BIRDS, **changed}.items() if content is not None}
    dataset = open_dataset(lay(tmp_path, tree))
    assert set(problems) <= set(dataset.problems)
    assert (dataset.official is None) == any("no official split" in problem for problem in dataset.problems)
    if "classes.txt" in changed:
        assert dataset.classes == ("class 1", "class 2")


def test_cub200_without_labels_or_images(tmp_path):
    with pytest.raises(DatasetError, match="have no image in common"):
        cub200.cub200(lay(tmp_path / "a", {**BIRDS, "image_class_labels.txt": "9 1\n"}))
    with pytest.raises(DatasetError, match=r"None of the 3 images named in images\.txt"):
        cub200.cub200(lay(tmp_path / "b", {path: text for path, text in BIRDS.items() if "/" not in path}))


# --- PASCAL VOC 2007

MAIN = "ImageSets/Main/"
OBJECTS = {
    f"{MAIN}cat_trainval.txt": "000005 -1\n000007  1\n000009  0\n",
    f"{MAIN}dog_trainval.txt": "000005  1\n000007  1\n000009 -1\n",
    f"{MAIN}cat_test.txt": "000001 -1\n000002  0\n",
    f"{MAIN}dog_test.txt": "000001  1\n000002 -1\n",
    f"{MAIN}trainval.txt": "000005\n000007\n000009\n",
    f"{MAIN}cat_train.txt": "000005 -1\n",
    "Annotations/000005.xml": "<annotation/>",
    **{f"JPEGImages/00000{i}.jpg": IMAGE for i in (1, 2, 5, 7, 9)},
}
REST = [label for label in voc2007.CLASSES if label not in ("cat", "dog")]


@pytest.mark.parametrize("inside", ["", "VOC2007", "VOCdevkit/VOC2007"])
def test_voc2007(tmp_path, inside):
    lay(tmp_path / inside, OBJECTS)
    dataset = open_dataset(tmp_path)
    assert dataset.name == "PASCAL VOC 2007"
    assert dataset.multi_label
    assert dataset.classes == ("cat", "dog")
    assert names(dataset) == [f"00000{i}.jpg" for i in (1, 2, 5, 7, 9)]
    assert dataset.targets.tolist() == [[0, 1], [UNKNOWN, 0], [0, 1], [1, 1], [UNKNOWN, 0]]
    assert parts(dataset) == (["000005.jpg", "000007.jpg", "000009.jpg"], ["000001.jpg", "000002.jpg"])
    assert dataset.problems == (
        "18 lists of labels are missing, the first is aeroplane_trainval.txt.",
        "18 lists of labels are missing, the first is aeroplane_test.txt.",
    )


def test_voc2007_with_all_lists_has_no_problems(tmp_path):
    others = {
        f"{MAIN}{label}_{part}.txt": "000001 1\n" if part == "test" else "000005 1\n"
        for label in REST
        for part in ("trainval", "test")
    }
    dataset = open_dataset(lay(tmp_path, {**OBJECTS, **others}))
    assert dataset.classes == voc2007.CLASSES
    assert dataset.problems == ()


def test_voc2007_without_the_test_lists_has_no_split(tmp_path):
    lay(tmp_path, {path: content for path, content in OBJECTS.items() if not path.endswith("_test.txt")})
    dataset = open_dataset(tmp_path)
    assert names(dataset) == ["000005.jpg", "000007.jpg", "000009.jpg"]
    assert dataset.official is None
    assert dataset.problems[1:] == (
        "The lists of the test images are missing (aeroplane_test.txt and so on).",
        "There are no test images, so there is no official split.",
    )


def test_voc2007_labels_missing_from_a_list_are_unknown(tmp_path):
    changed = {f"{MAIN}dog_test.txt": "000001 1\nnonsense\n000002 2\n../x 1\n"}
    dataset = open_dataset(lay(tmp_path, {**OBJECTS, **changed}))
    assert dataset.targets[1].tolist() == [UNKNOWN, UNKNOWN]
    assert "3 lines of dog_test.txt cannot be understood, the first is line 2." in dataset.problems


def test_voc2007_without_lists_or_images(tmp_path):
    (tmp_path / MAIN).mkdir(parents=True)
    with pytest.raises(DatasetError, match="has no lists such as car_trainval"):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="None of the 5 images named in the lists of PASCAL VOC 2007"):
        open_dataset(lay(tmp_path, {path: text for path, text in OBJECTS.items() if "JPEG" not in path}))


def test_other_years_of_voc(tmp_path):
    assert open_dataset(lay(tmp_path / "VOC2012", OBJECTS)).name == "PASCAL VOC 2012"


# --- Attributes of People

PEOPLE = {
    "train/labels.txt": (
        "00001.jpg 1.5 2.0 10.2 12.0 1 -1 0 -1 1 -1 0 0 1\n"
        "00002.jpg NaN NaN NaN NaN 0 0 0 0 0 0 0 0 0\n"
        "00003.jpg 0 0 16 16 -1 1 1 1 1 1 1 1 1\n"
        "00003.jpg 8 0 160 16 1 1 1 1 1 1 1 1 0\n"
    ),
    "test/labels.txt": "00001.jpg 0.0 0.0 32.0 24.0 -1 -1 -1 -1 -1 -1 -1 -1 -1",
    **dict.fromkeys(["train/00001.jpg", "train/00002.jpg", "train/00003.jpg", "test/00001.jpg"], IMAGE),
}


@pytest.mark.parametrize("inside", ["", "attributes_dataset"])
def test_people_attributes(tmp_path, inside):
    lay(tmp_path / inside, PEOPLE)
    dataset = open_dataset(tmp_path)
    assert dataset.name == "Attributes of People"
    assert dataset.classes[0] == "is male"
    assert len(dataset.classes) == 9
    assert names(dataset) == ["train/00001.jpg", "train/00003.jpg", "train/00003.jpg#2", "test/00001.jpg"]
    assert dataset.targets[0].tolist() == [1, 0, UNKNOWN, 0, 1, 0, UNKNOWN, UNKNOWN, 1]
    assert dataset.targets[3].tolist() == [0] * 9
    assert [sample.box for sample in dataset.samples] == [
        (1, 2, 12, 14),
        (0, 0, 16, 16),
        (8, 0, 168, 16),
        (0, 0, 32, 24),
    ]
    sizes = [sample.decode(sample.read()).size for sample in dataset.samples]
    assert sizes == [(11, 12), (16, 16), (24, 16), (32, 24)]
    assert parts(dataset)[1] == ["test/00001.jpg"]
    assert dataset.problems == ("In train, 1 of 4 people has no box and is left out: train/00002.jpg.",)


def test_people_attributes_train_on_val_too(tmp_path):
    dataset = open_dataset(
        lay(tmp_path, {**PEOPLE, "val/labels.txt": PEOPLE["test/labels.txt"], "val/00001.jpg": IMAGE})
    )
    assert "val/00001.jpg" in parts(dataset)[0]
    assert dataset.problems == ("In train, 1 of 4 people has no box and is left out: train/00002.jpg.",)


def test_people_attributes_problems(tmp_path):
    train = (
        PEOPLE["train/labels.txt"]
        + "x.jpg 1 2 3 4 5\n00001.jpg 1 1 9 9 1 1 1 1 1 1 1 1 7\n9.jpg 1 1 9 9 1 1 1 1 1 1 1 1 1\n"
    )
    lay(tmp_path, {"train/00001.jpg": IMAGE, "train/labels.txt": train})
    dataset = open_dataset(tmp_path)
    assert names(dataset) == ["train/00001.jpg"]
    assert dataset.official is None
    assert dataset.problems[:5] == (
        "In train, 1 of 5 people has no box and is left out: train/00002.jpg.",
        "In train: 2 lines of labels.txt cannot be understood, the first is line 5.",
        "test/labels.txt is missing.",
        "3 files named in labels.txt are missing, the first is train/00003.jpg.",
        "There are no test images, so there is no official split.",
    )


def test_people_without_a_box_are_counted_and_named_for_each_part(tmp_path):
    boxes = ["NaN NaN NaN NaN", "nan 1 5 5", "1 1 inf 5", "1 1 0 5", "1 1 5 -5"]
    train = "".join(f"{number}.jpg {box} 1 1 1 1 1 1 1 1 1\n" for number, box in enumerate(boxes))
    test = PEOPLE["test/labels.txt"] + "\n00001.jpg NaN NaN NaN NaN 1 1 1 1 1 1 1 1 1\n"
    lay(tmp_path, {**PEOPLE, "train/labels.txt": PEOPLE["train/labels.txt"] + train, "test/labels.txt": test})
    dataset = open_dataset(tmp_path)
    assert names(dataset) == ["train/00001.jpg", "train/00003.jpg", "train/00003.jpg#2", "test/00001.jpg"]
    assert dataset.problems == (
        "In train, 6 of 9 people have no box and are left out: train/00002.jpg, train/0.jpg, train/1.jpg, train/2.jpg, "
        "train/3.jpg and train/4.jpg.",
        "In test, 1 of 2 people has no box and is left out: test/00001.jpg#2.",
    )
    assert dataset.layout == "Read as Attributes of People by its lists: 3 samples to train on, 1 to test on."


def test_people_have_names_of_their_own_even_where_a_file_is_called_like_one(tmp_path):
    row = "1 1 9 9 1 1 1 1 1 1 1 1 1\n"
    lay(tmp_path, {**PEOPLE, "train/labels.txt": "".join(f"{name} {row}" for name in ("a.jpg", "a.jpg#2", "a.jpg"))})
    lay(tmp_path, ["train/a.jpg", "train/a.jpg#2"])
    assert names(open_dataset(tmp_path))[:3] == ["train/a.jpg", "train/a.jpg#2", "train/a.jpg#3"]


def test_people_attributes_without_people(tmp_path):
    with pytest.raises(DatasetError, match="list no person with a box"):
        attributes.people_attributes(lay(tmp_path, {"train/labels.txt": "1.jpg NaN NaN NaN NaN 0 0 0 0 0 0 0 0 0"}))


def test_any_other_labels_txt_is_a_note(tmp_path):
    lay(tmp_path, ["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg"])
    lay(tmp_path, {"train/labels.txt": "cat/1.jpg 0\ndog/1.jpg 1\n"})
    assert open_dataset(tmp_path).classes == ("cat", "dog")


def test_people_attributes_are_recognised_by_the_first_20_lines(tmp_path):
    row = PEOPLE["train/labels.txt"].splitlines()[0]
    lay(tmp_path, ["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg", "train/00001.jpg"])
    lay(tmp_path, {"train/labels.txt": "cat/1.jpg 0\n" * 20 + row})
    assert open_dataset(tmp_path).classes == ("cat", "dog")
    lay(tmp_path, {"train/labels.txt": "cat/1.jpg 0\n" * 19 + row})
    assert open_dataset(tmp_path).name == "Attributes of People"


# --- where they are found

DEEPER = ["data/birds", "a/b/c/d/CUB_200_2011", "CUB_200_2011/CUB_200_2011", "my own name"]


@pytest.mark.parametrize("inside", DEEPER)
@pytest.mark.parametrize(
    ("tree", "name"),
    [(BIRDS, "CUB-200-2011"), (INDOOR, "MIT-67"), (OBJECTS, "PASCAL VOC 2007"), (PEOPLE, "Attributes of People")],
)
def test_official_lists_are_found_at_any_depth(tmp_path, inside, tree, name):
    lay(tmp_path / inside, tree)
    dataset = open_dataset(tmp_path)
    assert dataset.name == name
    assert dataset.official is not None
    assert dataset.layout.startswith(f"Read as {name} by its lists: ")


@pytest.mark.parametrize(
    ("trainval", "test"),
    [
        ("VOCtrainval_06-Nov-2007/VOCdevkit/VOC2007", "VOCtest_06-Nov-2007/VOCdevkit/VOC2007"),
        ("trainval/VOC2007", "test/VOC2007"),
        ("VOCdevkit/VOC2007", "more/VOCdevkit/VOC2007"),
    ],
)
def test_voc2007_in_two_folders_is_one_set(tmp_path, trainval, test):
    in_test = [f"JPEGImages/00000{number}.jpg" for number in (1, 2)]
    for path, content in OBJECTS.items():
        lay(tmp_path / (test if path.endswith("_test.txt") or path in in_test else trainval), {path: content})
    whole = open_dataset(lay(tmp_path.parent / f"{tmp_path.name}-whole", OBJECTS))
    dataset = open_dataset(tmp_path)
    assert names(dataset) == names(whole)
    assert dataset.targets.tolist() == whole.targets.tolist()
    assert parts(dataset) == parts(whole)
    assert dataset.problems == whole.problems
    assert dataset.layout == "Read as PASCAL VOC 2007 by its lists: 3 samples to train on, 2 to test on."
    assert all(sample.read() == IMAGE for sample in dataset.samples)


def test_voc2007_beside_other_years_is_read_and_they_are_named(tmp_path):
    for path in ("all/VOC2007", "all/VOC2010", "all/VOC2012", "later/VOC2010", "later/VOC2012"):
        lay(tmp_path / path, OBJECTS)
    dataset = open_dataset(tmp_path / "all")
    assert dataset.name == "PASCAL VOC 2007"
    assert dataset.problems[-1] == "VOC2010 and VOC2012 are there too, and left out; name that folder to read it."
    with pytest.raises(DatasetError, match=r"has the lists of several data sets, in VOC2010 and VOC2012; name one"):
        open_dataset(tmp_path / "later")


@pytest.mark.parametrize("others", [("b", BIRDS), ("b", INDOOR), ("b/VOC2007", OBJECTS)])
def test_several_official_sets_are_refused_by_name(tmp_path, others):
    lay(tmp_path / "a", BIRDS)
    lay(tmp_path / others[0], others[1])
    with pytest.raises(DatasetError, match=r"has the lists of several data sets, in a and b.*; name one of these"):
        open_dataset(tmp_path)


def test_an_older_copy_further_inside_is_not_the_data_set(tmp_path):
    lay(tmp_path, {**BIRDS, **{f"old/copy/{path}": content for path, content in BIRDS.items()}})
    assert len(open_dataset(tmp_path)) == 3


def test_links_to_published_folders_are_followed_and_no_others(tmp_path):
    lay(tmp_path / "elsewhere", BIRDS)
    lay(tmp_path / "set", ["cat/1.jpg", "dog/1.jpg"])
    (tmp_path / "set" / "birds").symlink_to(tmp_path / "elsewhere")
    assert open_dataset(tmp_path / "set").classes == ("cat", "dog")
    (tmp_path / "set" / "CUB_200_2011").symlink_to(tmp_path / "elsewhere")
    assert open_dataset(tmp_path / "set").name == "CUB-200-2011"


@pytest.mark.parametrize(("tree", "inside", "name"), [(BIRDS, "images", "CUB-200-2011"), (INDOOR, "Images", "MIT-67")])
def test_lists_beside_a_folder_of_images_are_mentioned(tmp_path, tree, inside, name):
    dataset = open_dataset(lay(tmp_path, tree) / inside)
    assert dataset.official is None
    assert dataset.problems == (
        f"The lists of {name} lie beside this folder and are not read; name the folder around both to use its official "
        "split.",
    )


def test_a_layout_of_classes_reads_no_lists(tmp_path):
    dataset = open_dataset(lay(tmp_path, BIRDS), layout="classes")
    assert dataset.classes == ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    assert dataset.layout == "Read as 2 classes, a folder for each."


# --- what they share


@pytest.mark.skipif(os.name == "nt", reason="a backslash separates folders there")
def test_two_listed_files_that_print_alike_are_two_samples(tmp_path):
    paths = ["a/x\u200b.jpg", "a/x\\u200b.jpg", "b/1.jpg"]
    images = [Listed(path, number % 2) for number, path in enumerate(paths)]
    dataset = listed_dataset("name", lay(tmp_path, paths), "the list", ["a", "b"], images)
    assert names(dataset) == ["a/x\\u200b.jpg", "a/x\\u200b.jpg#2", "b/1.jpg"]
    assert dataset.targets.tolist() == [0, 1, 0]


def test_a_box_without_area_is_refused():
    assert box_around(-3.5, 0.2, 5, 5) == (-4, 0, 2, 6)
    for box in ((0, 0, 0, 5), (0, 0, 5, -1), (float("nan"), 0, 5, 5), (0, 0, float("inf"), 5)):
        with pytest.raises(ValueError, match="no box"):
            box_around(*box)


@pytest.mark.parametrize("path", ["/etc/passwd", "../up.jpg", "a/../../up.jpg", "..\\up.jpg", "nul\0.jpg", "x" * 5000])
def test_a_list_does_not_lead_out_of_the_folder(tmp_path, path):
    lay(tmp_path, ["up.jpg", "inside/1.jpg"])
    images = [Listed(path, 0), Listed("1.jpg", 1)]
    dataset = listed_dataset("name", tmp_path / "inside", "the list", ["a", "b"], images)
    assert names(dataset) == ["1.jpg"]
    assert dataset.targets.dtype == np.int64
    assert dataset.problems[0].startswith("1 file named in the list is missing: ")
