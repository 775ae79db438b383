"""Small trees in the layouts of data sets, for the tests that read them."""

import io
from pathlib import Path

from PIL import Image


def encoded(colour=(200, 30, 30), kind="PNG", size=(32, 24)):
    """The bytes of a one-coloured image file."""
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, kind)
    return data.getvalue()


IMAGE = encoded()


def lay(root: Path, files):
    """Write files below `root`: a mapping of paths to bytes or text, or paths alone, for images."""
    for path, content in (files if isinstance(files, dict) else dict.fromkeys(files, IMAGE)).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def names(dataset):
    return [sample.name for sample in dataset.samples]


def labelled(dataset):
    """Each sample's name with its class."""
    return {
        sample.name: dataset.classes[target] for sample, target in zip(dataset.samples, dataset.targets, strict=True)
    }


def parts(dataset):
    """The names in the training and in the test part."""
    assert dataset.official is not None
    listed = names(dataset)
    return [listed[i] for i in dataset.official.train], [listed[i] for i in dataset.official.test]


def annotation(sample):
    """Where the parts of its object are."""
    assert sample.annotation is not None
    return sample.annotation()
