"""Data sets in every layout that is known, with images that all differ, for the reports on them."""

import unicodedata

from tests.dataset_trees import encoded
from tests.datasets.test_official import BIRDS, INDOOR, OBJECTS, PEOPLE

NFC, NFD = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


def paths(*folders, classes=("camera", "laptop", "pizza"), images=2):
    return [f"{folder}/{label}/{number}.png" for folder in folders for label in classes for number in range(images)]


def distinct(files):
    """The files, of which all images differ: a mapping of paths to bytes or text, or paths alone, for images."""
    files = files if isinstance(files, dict) else dict.fromkeys(files, b"")
    return {
        path: content if isinstance(content, str) else encoded((number % 250, number // 250, 9))
        for number, (path, content) in enumerate(files.items())
    }


_OF_VOC_TEST = ("_test.txt", "000001.jpg", "000002.jpg")

LAYOUTS = {
    "classes": paths("set"),
    "train and test": paths("train", "test"),
    "training_set and test_set": paths("training_set", "test_set"),
    "seg_train, seg_test, seg_pred": [*paths("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred/1.png"],
    "train, val and extra": paths("train", "val", "extra"),
    "a split in each class": paths("cat", "dog", classes=("train", "test")),
    "images and masks": paths("images", "segmentations"),
    "masks beside": [*paths("set"), "set/pizza/0_mask.png"],
    "two readings": paths("amazon", "dslr"),
    "MIT-67": INDOOR,
    "CUB-200-2011": BIRDS,
    "CUB-200-2011, deeper": {f"CUB_200_2011/CUB_200_2011/{path}": content for path, content in BIRDS.items()},
    "PASCAL VOC": OBJECTS,
    "PASCAL VOC, two folders": {
        f"{'test' if path.endswith(_OF_VOC_TEST) else 'trainval'}/VOCdevkit/VOC2007/{path}": content
        for path, content in OBJECTS.items()
    },
    "Attributes of People": PEOPLE,
    "NFD and NFC": [f"train/{NFD}/1.png", "train/tea/1.png", f"test/{NFC}/1.png", "test/tea/1.png"],
    "Pizza and pizza": ["train/Pizza/1.png", "train/tea/1.png", "test/pizza/1.png", "test/tea/1.png"],
    "a class to test on only": [*paths("train"), *paths("test", classes=("pizza", "spoon"))],
    "a class to train on only": [*paths("train"), *paths("test", classes=("pizza", "laptop"))],
    "a small class": [*paths("set"), "set/spoon/1.png"],
    "one class": ["set/cat/1.png", "set/cat/2.png"],
    "no classes": ["1.png", "2.png"],
    "no images": {"notes.txt": "none"},
}
