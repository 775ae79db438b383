"""Compare settings within training images only: `python -m benchmarks.accuracy.choices FOLDER --methods M1,M2,...`.

For choosing among methods before any test image is looked at. Of each split that `crosspool evaluate` would make with
the same seed, only the training images are used: two thirds of them to train on, the rest to try.
"""

from pathlib import Path

import numpy as np

from benchmarks.harness.command import parser_of
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
        among = [groups[i] for i in split.train]
        (parts,) = stratified_splits(targets[split.train], 1, TRAIN_SHARE, number, groups=among)
        inner.append(Split(split.train[parts.train], split.train[parts.test]))
    return inner


def main() -> None:
    parser = parser_of(__doc__, splits=20, seed=0)
    parser.add_argument("dataset")
    parser.add_argument("--methods", required=True)
    parser.add_argument("--train-size", type=int, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    dataset, backbone = open_dataset(options.dataset), load_backbone()
    methods = parse_methods(options.methods, backbone.architecture)
    sources = sorted({source for method in methods for source in method.sources})
    features = Features(dataset, backbone, sources, ArrayCache(options.cache))
    if failed := features.compute():
        parser.error(f"{len(failed)} images cannot be read: {next(iter(failed.values()))}")
    groups = [features.file_key(i) for i in range(len(dataset))]
    splits = stratified_splits(dataset.targets, options.splits, options.train_size, options.seed, groups=groups)
    inner = within_training(dataset.targets, splits, groups)
    print(
        f"{dataset.name}, {len(inner)} splits of training images: about {len(inner[0].train)} to train on, "
        f"{len(inner[0].test)} to try; seed {options.seed}\naccuracy in percent ± standard error of the splits"
    )
    for method in methods:
        (result,) = evaluate_methods([method], features, Protocol(inner, official=False, seed=options.seed)).methods
        values = 100 * np.array(result.measures["accuracy"].by_split)
        error = values.std(ddof=1) / np.sqrt(len(values))
        print(f"{values.mean():6.1f} ± {error:.1f}  {method.name}", flush=True)


if __name__ == "__main__":
    main()
