"""Labelled pictures to evaluate on: folders, archives, the official layouts, and the generated FieldGuide."""

from crosspool.datasets.dataset import UNKNOWN, Box, Dataset, Sample, Split

__all__ = ["UNKNOWN", "Box", "Dataset", "Sample", "Split"]
