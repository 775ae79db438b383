"""Labelled images to evaluate on: folders, archives, official layouts, torchvision's sets, and FieldGuide."""

from crosspool.datasets.catalogue import built_in_names, open_dataset
from crosspool.datasets.dataset import (
    UNKNOWN,
    WHOLE,
    Annotation,
    Box,
    Dataset,
    Sample,
    Split,
    check_classes,
    in_two_classes,
    there_twice,
)

__all__ = [
    "UNKNOWN",
    "WHOLE",
    "Annotation",
    "Box",
    "Dataset",
    "Sample",
    "Split",
    "built_in_names",
    "check_classes",
    "in_two_classes",
    "open_dataset",
    "there_twice",
]
