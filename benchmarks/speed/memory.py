"""Peak memory of an evaluation, for few and for many images: `python -m benchmarks.speed.memory`.

Each size runs in a process of its own, on generated FieldGuide images with the network's own features. What may grow
with the number of images is the kernel matrix; it is printed beside the peak.
"""

import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import typer

from benchmarks.harness.confined import MEGABYTE
from crosspool.backbones import load_backbone
from crosspool.cache import ArrayCache
from crosspool.datasets.fieldguide.guide import fieldguide
from crosspool.datasets.fieldguide.species import SPECIES
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods
from crosspool.evaluation.splits import stratified_splits
from crosspool.features import Features
from crosspool.methods import parse_methods


def evaluation_memory(images: int, method: str) -> tuple[int, float, float, float]:
    """Evaluate one method: the number of images, and the megabytes of the peak, the kernel and all vectors."""
    guide = fieldguide(-(-images // len(SPECIES)), size=64)
    backbone = load_backbone(device="cpu")
    methods = parse_methods(method, backbone.architecture)
    with tempfile.TemporaryDirectory() as name:
        features = Features(guide, backbone, methods[0].sources, ArrayCache(Path(name)))
        features.compute()
        protocol = Protocol(stratified_splits(guide.targets, 2, 0.5, 0), official=False)
        (result,) = evaluate_methods(methods, features, protocol, scratch=Path(name)).methods
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE
    return len(guide), peak, len(guide) ** 2 * 8 / MEGABYTE, len(guide) * result.bytes_per_image / MEGABYTE


def main(images: tuple[int, int] = (500, 5000), method: str = "cl@128") -> None:
    """Print a row for each number of images."""
    print(f"method {method}; MB\n  images    peak  kernel matrix  peak - kernel  all vectors")
    for size in images:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            count, peak, kernel, vectors = pool.submit(evaluation_memory, size, method).result()
        print(f"{count:8d}{peak:8.0f}{kernel:15.0f}{peak - kernel:15.0f}{vectors:13.0f}", flush=True)


if __name__ == "__main__":
    typer.run(main)
