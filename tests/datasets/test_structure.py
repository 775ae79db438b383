"""Folders are read by their structure: classes, parts of a split, masks; what is understood is said."""

import zipfile
from itertools import product

import pytest

from crosspool.datasets import open_dataset
from crosspool.datasets.archives import class_folders_in_memory
from crosspool.datasets.folders import class_folders
from crosspool.datasets.words import enumeration, exact_role, masked_stem, role_of
from crosspool.errors import DatasetError
from tests.dataset_trees import IMAGE, encoded, labelled, lay, names, parts

FOODS = ["pizza", "laptop", "camera"]


def tree(*folders, classes=FOODS, count=2):
    """Paths of images of each class in each folder."""
    images = range(1, count + 1)
    return [f"{folder}/{label}/{number}.jpg" for folder, label, number in product(folders, classes, images)]


@pytest.fixture(params=["folder", "ZIP"])
def read(request, tmp_path):
    """A function that reads paths of images, from a folder and from a ZIP."""

    def read_paths(paths, layout="auto"):
        if request.param == "folder":
            return open_dataset(lay(tmp_path / "set", paths), layout=layout)
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for path in paths:
                archive.writestr(path, IMAGE)
        return open_dataset(tmp_path / "set.zip", layout=layout)

    return read_paths


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TrainData", "TestData"),
        ("01 training images", "02 validation images"),
        ("trainset", "holdout"),
        ("fold1-train", "fold1-val"),
        ("archive/train", "archive/test"),
        ("train/images", "test/images"),
    ],
)
def test_folders_of_the_same_classes_are_parts_of_a_split(read, train, test):
    dataset = read(tree(train, test))
    assert dataset.classes == ("camera", "laptop", "pizza")
    assert parts(dataset) == (sorted(tree(train)), sorted(tree(test)))
    assert dataset.problems == ()
    first, second = (path.removeprefix("archive/").split("/")[0] for path in (train, test))
    assert dataset.layout == f"Read as 3 classes with an official split: {first} to train on, {second} to test on."


def test_a_part_without_classes_is_left_out_and_named(read):
    dataset = read(
        [*tree("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred/1.jpg", "seg_pred/seg_pred/2.jpg"]
    )
    assert len(dataset) == 12
    assert dataset.layout == "Read as 3 classes with an official split: seg_train to train on, seg_test to test on."
    assert dataset.problems == (
        "2 images outside the class folders are left out, the first is seg_pred/seg_pred/1.jpg.",
    )


def test_extra_images_are_trained_on(read):
    dataset = read(tree("train", "val", "extra"))
    assert parts(dataset)[1] == sorted(tree("val"))
    assert dataset.layout == "Read as 3 classes with an official split: extra and train to train on, val to test on."


def test_folders_beside_a_split_that_are_no_part_of_it_are_left_out_and_named(read):
    dataset = read([*tree("train", "test", "backup"), "docs/figure.png"])
    assert len(dataset) == 12
    assert dataset.problems == ("7 images outside the class folders are left out, the first is backup/camera/1.jpg.",)


def test_a_test_part_may_have_fewer_classes_or_one(read):
    dataset = read([*tree("training_set"), *tree("test_set", classes=["pizza"])])
    assert parts(dataset)[1] == tree("test_set", classes=["pizza"])


def test_a_split_inside_each_class_is_a_split(read):
    dataset = read(tree("cat", "dog", classes=["train", "test"]))
    assert dataset.classes == ("cat", "dog")
    assert parts(dataset)[1] == tree("cat", "dog", classes=["test"])
    assert dataset.layout == "Read as 2 classes with an official split: train to train on, test to test on."


@pytest.mark.parametrize(
    ("paths", "classes", "inner"),
    [
        (tree("amazon", "dslr", "webcam"), "amazon, dslr and webcam", "camera, laptop and pizza"),
        (tree("cat", "dog", classes=["front", "back"]), "cat and dog", "back and front"),
        (tree("color", "grayscale"), "color and grayscale", "camera, laptop and pizza"),
        (tree("train", "bus", classes=["red", "blue"]), "bus and train", "blue and red"),
    ],
)
def test_two_readings_are_refused_with_a_way_out(read, paths, classes, inner):
    with pytest.raises(DatasetError) as caught:
        read(paths)
    assert str(caught.value).endswith(
        f" can be read in two ways: {classes} are the classes, or they are parts of one set with the classes {inner}; "
        "choose one with --layout classes or --layout parts."
    )
    assert len(read(paths, "classes").classes) == len(classes.replace(" and ", ", ").split(", "))
    assert ", ".join(read(paths, "parts").classes) == inner.replace(" and ", ", ")
    assert read(paths, "parts").official is None


@pytest.mark.parametrize("inner", ["", "/images"])
def test_several_sets_with_a_split_each_are_refused_and_not_taken_for_classes(read, inner):
    paths = tree(*(f"{version}/{part}{inner}" for version, part in product(["v1", "v2"], ["train", "test"])))
    for layout in ("auto", "parts"):
        with pytest.raises(DatasetError) as caught:
            read(paths, layout)
        assert str(caught.value).endswith(
            " holds several data sets, v1 and v2, with a split each; name one of these, or take them for classes with "
            "--layout classes."
        )
    assert read(paths, "classes").classes == ("v1", "v2")


@pytest.mark.parametrize(
    "paths",
    [
        [
            f"{label}/{part}/{label} {side}/1.jpg"
            for label in ("cat", "dog")
            for part in ("train", "test")
            for side in "ab"
        ],
        [
            f"{label}/{part}{side}/1.jpg"
            for label in ("cat", "dog")
            for part in ("train", "test")
            for side in ("", "/a", "/b")
        ],
    ],
)
def test_folders_inside_the_parts_of_a_class_belong_to_it(read, paths):
    dataset = read(paths)
    assert dataset.classes == ("cat", "dog")
    assert parts(dataset)[1] == sorted(path for path in paths if "/test/" in path)


def test_training_and_test_images_without_class_folders_are_no_classes_unless_they_are_said_to_be(read):
    paths = ["training_set/1.jpg", "training_set/2.jpg", "test_set/1.jpg"]
    with pytest.raises(DatasetError, match=r"test_set and training_set are the classes, or .* without class folders;"):
        read(paths)
    assert read(paths, "classes").classes == ("test_set", "training_set")


def test_chosen_parts_without_a_split_are_put_together(read):
    dataset = read(tree("amazon", "dslr"), "parts")
    assert labelled(dataset)["dslr/pizza/1.jpg"] == "pizza"
    assert dataset.layout == "Read as 3 classes, in the folders amazon and dslr together, without an official split."


def test_chosen_classes_leave_a_split_unread(read):
    dataset = read(tree("train", "test"), "classes")
    assert dataset.classes == ("test", "train")
    assert dataset.layout == (
        "Read as 2 classes, a folder for each; 6 folders inside them count as parts of their classes."
    )


@pytest.mark.parametrize(
    "paths",
    [
        ["cat/2019/1.jpg", "dog/2019/1.jpg", "dog/2020/1.jpg"],
        ["cat/images/1.jpg", "dog/images/1.jpg"],
        ["cat/1.jpg", "cat/front/1.jpg", "cat/back/1.jpg", "dog/1.jpg", "dog/front/1.jpg", "dog/back/1.jpg"],
        ["train/steam/1.jpg", "train/diesel/1.jpg", "bus/red/1.jpg", "bus/blue/1.jpg"],
        ["cat/a/1.jpg", "cat/b/1.jpg", "dog/a/1.jpg", "dog/b/1.jpg", *[f"{c}/1.jpg" for c in "defgh"]],
    ],
)
def test_folders_inside_classes_still_belong_to_them(read, paths):
    dataset = read(paths)
    assert dataset.classes == tuple(sorted({path.split("/")[0] for path in paths}))
    assert len(dataset) == len(paths)
    assert "inside them count as parts of their classes." in dataset.layout


def test_plain_classes_are_named_as_such(read):
    assert read(["cat/1.jpg", "dog/1.jpg"]).layout == "Read as 2 classes, a folder for each."


# --- masks


@pytest.mark.parametrize(
    ("paths", "masks", "folders"),
    [
        (tree("images", "segmentations"), tree("segmentations"), "segmentations"),
        (tree("set/images", "set/Masks"), tree("set/Masks"), "set/Masks"),
        (tree("color", "segmented"), tree("segmented"), "segmented"),
        (
            tree("cat", "dog", classes=["images", "masks"]),
            tree("cat", "dog", classes=["masks"]),
            "cat/masks and dog/masks",
        ),
        (
            tree("images/train", "images/test", "masks/train", "masks/test"),
            tree("masks/train", "masks/test"),
            "masks",
        ),
    ],
)
def test_masks_beside_images_are_left_out_and_named(read, paths, masks, folders):
    dataset = read(paths)
    assert set(names(dataset)) == set(paths) - set(masks)
    assert dataset.problems == (f"{len(masks)} images in {folders} are left out, as masks of the images beside them.",)


def test_images_and_their_masks_are_not_two_classes(read):
    with pytest.raises(DatasetError, match=r"images of one class only \(images\), besides masks; put"):
        read(["images/1.jpg", "images/2.jpg", "masks/1.png", "masks/2.png"])


def test_masks_among_the_images_are_left_out_and_named(read):
    dataset = read(["benign/b (1).png", "benign/b (1)_mask.png", "benign/b (1)_mask_1.png", "normal/n.png"])
    assert names(dataset) == ["benign/b (1).png", "normal/n.png"]
    assert dataset.problems == (
        "2 images are left out, as masks of others by their names, the first is benign/b (1)_mask.png.",
    )


@pytest.mark.parametrize(
    "paths",
    [
        ["with_mask/1.jpg", "without_mask/1.jpg"],
        ["mask/1.jpg", "no_mask/1.jpg"],
        ["carnival/mask.jpg", "carnival/1_mask.jpg", "dog/2.jpg"],
        ["labels/1.jpg", "bottles/1.jpg"],
    ],
)
def test_pictures_of_masks_are_images(read, paths):
    assert names(read(paths)) == sorted(paths)


def test_a_layout_of_classes_keeps_masks(read):
    assert len(read(["a/1.png", "a/1_mask.png", "b/1.png"], "classes")) == 3


# --- lists and names


def test_lists_of_a_split_that_are_not_read_are_named(tmp_path):
    lay(tmp_path, tree("images"))
    lay(tmp_path, {"meta/train.txt": "pizza/1", "meta/test.txt": "pizza/2", "meta/classes.txt": "pizza"})
    assert class_folders(tmp_path).problems == (
        "2 lists that seem to name training or test images are not read, the first is meta/test.txt.",
    )


def test_empty_class_folders_of_parts_are_named(tmp_path):
    lay(tmp_path, tree("training_set", "test_set"))
    (tmp_path / "training_set" / "spoon").mkdir()
    assert class_folders(tmp_path).problems == ("1 class folder has no images: spoon.",)


def test_a_layout_is_for_folders_and_zips():
    with pytest.raises(DatasetError, match="fieldguide:2 has a layout of its own; leave out --layout"):
        open_dataset("fieldguide:2", layout="parts")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *((name, "train") for name in ("train", "Training", "trainval", "seg_train", "TrainSet", "01-train2", "extra")),
        *((name, "val") for name in ("val", "validation_set", "dev", "ValImages")),
        *((name, "test") for name in ("test", "TESTING", "test_set", "hold_out_test", "holdout")),
        *((name, None) for name in ("training_and_test", "contest", "strain", "trainer", "value", "cat", "", "12")),
    ],
)
def test_words_for_parts(name, role):
    assert role_of(name) == role


def test_other_words():
    assert exact_role("Valid") == "val"
    assert exact_role("seg_train") is None
    assert [masked_stem(stem) for stem in ("1_mask", "x-seg 2", "1mask", "a_GT", "unmask", "mask", "1_masked")] == [
        "1", "x", "1", "a", None, None, None,
    ]  # fmt: skip
    assert enumeration(["a"]) == "a"
    assert enumeration(list("abcde")) == "a, b, c, d and e"
    assert enumeration(list("abcdefg")) == "a, b, c, d and 3 more"


def test_lists_are_found_in_a_zip_at_any_depth(tmp_path):
    row = "00001.jpg 1 2 3 4 1 1 1 1 1 1 1 1 1"
    trees = {
        "Attributes of People": {"a/b/train/labels.txt": f"nothing\n{row}\n", "a/b/train/00001.jpg": IMAGE},
        "MIT-67": {"x/y/TestImages.txt": "cat/1.jpg"},
    }
    for title, files in trees.items():
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for path, content in {**files, "p/cat/1.png": encoded(), "p/dog/1.png": encoded()}.items():
                archive.writestr(path, content)
        with pytest.raises(DatasetError, match=f"contains {title} with its official lists; unpack it"):
            open_dataset(tmp_path / "set.zip")
        assert len(open_dataset(tmp_path / "set.zip", layout="classes")) >= 2


def test_any_other_labels_txt_in_a_zip_is_a_note(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in tree("train", "test"):
            archive.writestr(path, IMAGE)
        archive.writestr("train/labels.txt", "pizza/1.jpg 0\n")
    dataset = class_folders_in_memory((tmp_path / "set.zip").read_bytes(), "set.zip")
    assert len(dataset) == 12
    assert dataset.official is not None


# --- layouts of published sets


PETS = {
    f"{folder}/{breed}_{number}.{suffix}": IMAGE
    for folder, suffix in (("images", "jpg"), ("annotations/trimaps", "png"))
    for breed in ("Abyssinian", "beagle")
    for number in (1, 2)
}


def test_the_trimaps_of_oxford_pets_are_no_class(tmp_path):
    with pytest.raises(DatasetError, match=r"images of one class only \(images\), besides masks; put the folders"):
        open_dataset(lay(tmp_path / "pets", PETS | {"annotations/list.txt": "Abyssinian_1 1 1 1"}))


def test_stanford_cars_without_labels_is_no_set_of_two_classes(read):
    with pytest.raises(DatasetError, match=r"cars_test and cars_train are the classes, or .* without class folders;"):
        read(["cars_train/1.jpg", "cars_train/2.jpg", "cars_test/1.jpg", "cars_test/2.jpg"])


def test_food_101_names_the_lists_that_are_not_read(tmp_path):
    lay(tmp_path, tree("images"))
    lay(tmp_path, {"meta/train.txt": "pizza/1", "meta/test.txt": "pizza/2"})
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("camera", "laptop", "pizza")
    assert dataset.problems == (
        "2 lists that seem to name training or test images are not read, the first is meta/test.txt.",
    )


def test_species_inside_the_classes_of_inaturalist_are_said_to_count_for_nothing(read):
    species = ["Aves/Passer domesticus", "Aves/Turdus merula", "Insecta/Apis mellifera"]
    dataset = read(tree("train", "val", classes=species))
    assert dataset.classes == ("Aves", "Insecta")
    assert dataset.layout == (
        "Read as 2 classes with an official split: train to train on, val to test on; 3 folders inside them count as "
        "parts of their classes."
    )


def test_training_images_twice_nested_beside_test_images_without_classes(read):
    dataset = read([*tree("train/train", classes=["cat", "dog"]), "test/test/1.jpg", "test/test/2.jpg"])
    assert dataset.classes == ("cat", "dog")
    assert dataset.layout == "Read as 2 classes, in the folder train, without an official split."
    assert dataset.problems == ("2 images outside the class folders are left out, the first is test/test/1.jpg.",)


def test_tiny_imagenet_has_no_official_split_without_its_list(read):
    dataset = read([*(f"train/{n}/images/{n}_1.JPEG" for n in ("n01", "n02")), "val/images/val_1.JPEG"])
    assert dataset.classes == ("n01", "n02")
    assert dataset.layout == (
        "Read as 2 classes, in the folder train, without an official split; 2 folders inside them count as parts of "
        "their classes."
    )
    assert dataset.problems == ("1 image outside the class folders is left out: val/images/val_1.JPEG.",)


@pytest.mark.parametrize(
    "paths",
    [
        ["images/train/1.jpg", "images/val/1.jpg", "labels/train/1.txt", "labels/val/1.txt"],
        ["train/images/1.jpg", "valid/images/1.jpg", "train/labels/1.txt", "valid/labels/1.txt"],
        ["train2017/1.jpg", "val2017/1.jpg", "annotations/instances_train2017.json"],
    ],
    ids=["YOLO, images first", "YOLO, parts first", "COCO"],
)
def test_sets_of_objects_in_boxes_are_no_classes(tmp_path, paths):
    with pytest.raises(DatasetError, match=r"no class folders|one class only|without class folders"):
        open_dataset(lay(tmp_path / "set", paths))


def test_leftovers_of_systems_are_nothing(read):
    paths = tree("set", classes=["cat", "dog"])
    leftovers = ["__MACOSX/set/cat/._1.jpg", "set/.DS_Store", "set/cat/Thumbs.db", "set/dog/desktop.ini"]
    dataset = read([*paths, *leftovers])
    assert names(dataset) == sorted(paths)
    assert dataset.problems == ()


@pytest.mark.parametrize("folders", [("fold1", "fold2", "fold3"), ("rgb", "depth"), ("Trainingsdaten", "Testdaten")])
def test_folds_kinds_of_images_and_parts_in_other_languages_are_asked_about(read, folders):
    with pytest.raises(DatasetError, match="can be read in two ways"):
        read(tree(*folders, classes=["cat", "dog"]))


def test_a_link_to_a_folder_of_another_set_is_left_out_and_named(tmp_path):
    lay(tmp_path / "other", tree("x", classes=["bird"]))
    lay(tmp_path / "set", tree("s", classes=["cat", "dog"]))
    (tmp_path / "set" / "s" / "bird").symlink_to(tmp_path / "other" / "x" / "bird", target_is_directory=True)
    dataset = open_dataset(tmp_path / "set")
    assert dataset.classes == ("cat", "dog")
    assert dataset.problems == ("1 link is left out, as it does not lead to a file inside the folder: s/bird.",)
