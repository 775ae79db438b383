"""Does a network's preprocessing fit? Its labels on photos whose class ImageNet has too.

    python -m benchmarks.accuracy.labels FOLDER [NETWORK]    a folder per class; the classes named below are used

Prints top-1 agreement with a 95 % Wilson interval for the network's own preprocessing and for others. The figure is not
an ImageNet accuracy, as photos and classes differ: only the differences between the rows count.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from PIL import Image
from scipy.stats import binomtest

import crosspool
from crosspool.backbones import DEFAULT, Backbone
from crosspool.framing import Framing

# A folder's name (as Caltech-101 and Caltech-UCSD Birds spell it): the ImageNet labels that count as right.
SAME_CLASS = {
    **{f"{name}_Albatross": {"albatross"} for name in ("Black_footed", "Laysan", "Sooty")},
    "Leopards": {"leopard", "jaguar", "snow leopard"},
    "ant": {"ant"},
    "camera": {"reflex camera", "Polaroid camera"},
    "chair": {"rocking chair", "folding chair", "barber chair"},
    "crayfish": {"crayfish", "American lobster"},
    "flamingo_head": {"flamingo"},
    "hawksbill": {"loggerhead", "leatherback turtle", "terrapin", "box turtle", "mud turtle"},
    "laptop": {"laptop", "notebook"},
    "pizza": {"pizza"},
    "rooster": {"cock"},
    "stegosaurus": {"triceratops"},
    "trilobite": {"trilobite"},
}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def labelled_images(folder: Path) -> list[tuple[Image.Image, set[str]]]:
    """Every image of the folders whose class ImageNet has, with the labels that count as right."""
    classes = ((path, SAME_CLASS.get(path.parent.name.split(".")[-1])) for path in sorted(folder.glob("*/*")))
    return [(crosspool.load_image(path), labels) for path, labels in classes if labels]


def agreement(backbone: Backbone, images: list[tuple[Image.Image, set[str]]], framing: Framing = "crop") -> int:
    """How many images get a label that counts as right."""
    answers = backbone.predict([image for image, _ in images], top=1, framing=framing)
    return sum(answer[0][0] in labels for answer, (_, labels) in zip(answers, images, strict=True))


def with_preprocessing(backbone: Backbone, **changes: Any) -> Backbone:
    """The same network with another preprocessing."""
    preprocessing = replace(backbone.spec.preprocessing, **changes)
    return replace(backbone, spec=replace(backbone.spec, preprocessing=preprocessing))


def main(folder: Path, network: str = typer.Argument(DEFAULT)) -> None:
    """Print the agreement for the network's own preprocessing and for others."""
    images = labelled_images(folder)
    if not images:
        sys.exit("No folder there has the name of a class that ImageNet has too.")
    backbone = crosspool.load_backbone(network)
    own = backbone.spec.preprocessing
    print(f"{backbone.title} at {own.size}, crop {own.crop_fraction:.3f}, {own.interpolation}, mean {own.mean[0]}")
    rows: tuple[tuple[str, Backbone, Framing], ...] = (
        ("the network's own", backbone, "crop"),
        ("whole image squashed", backbone, "squash"),
        ("the whole shorter side (crop 1)", with_preprocessing(backbone, crop_fraction=1.0), "crop"),
        ("crop 0.75", with_preprocessing(backbone, crop_fraction=0.75), "crop"),
        ("bilinear", with_preprocessing(backbone, interpolation="bilinear"), "crop"),
        ("mean 127, std 128 of 255", with_preprocessing(backbone, mean=(127 / 255,) * 3, std=(128 / 255,) * 3), "crop"),
        ("ImageNet's mean and std", with_preprocessing(backbone, mean=IMAGENET_MEAN, std=IMAGENET_STD), "crop"),
    )
    for name, changed, framing in rows:
        hits = agreement(changed, images, framing)
        low, high = binomtest(hits, len(images)).proportion_ci(method="wilson")
        print(f"{name:32} {hits}/{len(images)} = {hits / len(images):.1%}   [{low:.1%}, {high:.1%}]")


if __name__ == "__main__":
    typer.run(main)
