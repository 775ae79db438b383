"""Small images and records made from a seed, and data sets of them."""

from functools import partial

import numpy as np
from PIL import Image

from benchmarks.harness import images
from crosspool.datasets import Dataset, Sample

noise = images.noise


def tinted(seed, channel):
    """An image of noise in which one colour is strong, so that a class can be learned."""
    pixels = np.asarray(noise(seed)) // 3
    pixels[..., channel] += 170
    return Image.fromarray(pixels)


def png(image):
    """The bytes of an image's file."""
    return images.encoded(image)


def dataset_of(files, targets, classes=("red", "green", "blue"), *, name="tints"):
    """A data set of files' bytes, or of functions that read them."""
    readers = [data if callable(data) else partial(bytes, data) for data in files]
    samples = tuple(Sample(f"image {i}", read) for i, read in enumerate(readers))
    return Dataset(name, classes[: np.max(targets) + 1] if np.ndim(targets) == 1 else classes, samples, targets)


def tints(each=3, channels=3):
    """Images of each tint in turn, and their classes."""
    targets = np.arange(each * channels) % channels
    return dataset_of([png(tinted(i, channel)) for i, channel in enumerate(targets)], targets)


def random_record(seed, names=("lower", "upper"), *, views=1, channels=(3, 4), side=5):
    """Two maps of one size, the second with values of either sign."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.standard_normal((views, count, side, side)).astype(np.float32)
        for name, count in zip(names, channels, strict=True)
    }
