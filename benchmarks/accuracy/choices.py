"""Compare settings within training images only: `python -m benchmarks.accuracy.choices FOLDER --methods M1,M2,...`.

For choosing a method before any test image is used. Of each split that `crosspool evaluate` would make with the same
seed, only the training images are used: two thirds of them to train on, the rest to test on.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from crosspool.backbones import load_backbone
from crosspool.cache import ArrayCache, default_cache
from crosspool.datasets import Split, open_dataset
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods
from crosspool.evaluation.splits import stratified_splits
from crosspool.features import Features
from crosspool.methods import parse_methods

TRAIN_SHARE = 2 / 3


def within_training(targets: np.ndarray, splits: list[Split], groups: list[str]) -> list[Split]:
    """Each split's training images, split again."""
    inner = []
    for number, split in enumerate(splits):
        own_groups = [groups[i] for i in split.train]
        (parts,) = stratified_splits(targets[split.train], 1, TRAIN_SHARE, number, groups=own_groups)
        inner.append(Split(split.train[parts.train], split.train[parts.test]))
    return inner


def main(
    dataset: str,
    methods: Annotated[str, typer.Option()],
    train_size: Annotated[int, typer.Option()],
    splits: int = 20,
    seed: int = 0,
    cache: Path | None = None,
) -> None:
    """Print the accuracy of each method within the training images."""
    data, backbone = open_dataset(dataset), load_backbone()
    parsed = parse_methods(methods, backbone.architecture)
    backbone = backbone.beside([load_backbone(name) for name in {name for each in parsed for name in each.networks}])
    features = Features.of_methods(data, backbone, parsed, ArrayCache(cache or default_cache()))
    if failed := features.compute():
        raise typer.BadParameter(f"{len(failed)} images cannot be read: {next(iter(failed.values()))}")
    groups = [features.file_key(i) for i in range(len(data))]
    outer = stratified_splits(data.targets, splits, train_size, seed, groups=groups)
    inner = within_training(data.targets, outer, groups)
    first, protocol = inner[0], Protocol(inner, official=False, seed=seed)
    sizes = f"about {len(first.train)} to train on, {len(first.test)} to test on"
    print(f"{data.name}, {splits} splits of training images: {sizes}; seed {seed}")
    print("accuracy in percent ± standard error of the splits")
    for method in parsed:
        (result,) = evaluate_methods([method], features, protocol).methods
        values = 100 * np.array(result.measures["accuracy"].by_split)
        error = values.std(ddof=1) / np.sqrt(len(values))
        print(f"{values.mean():6.1f} ± {error:.1f}  {method.name}", flush=True)


if __name__ == "__main__":
    typer.run(main)
