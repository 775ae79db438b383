"""Peak memory of an evaluation, for few and for many images: `python -m benchmarks.speed.memory`.

Each size runs in a process of its own, on generated FieldGuide images with the network's own features. What may grow
with the number of images is the kernel matrix; it is printed beside the peak.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness.command import parser_of
from benchmarks.harness.confined import MEGABYTE
from crosspool.backbones import load_backbone
from crosspool.cache import ArrayCache
from crosspool.datasets.fieldguide import SPECIES, fieldguide
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods
from crosspool.evaluation.splits import stratified_splits
from crosspool.features import Features
from crosspool.methods import parse_methods


def peak(images: int, method: str, folder: Path) -> dict[str, float]:
    """Evaluate one method on this many images, and return this process's peak memory in MB."""
    guide = fieldguide(-(-images // len(SPECIES)), size=64)
    backbone = load_backbone(device="cpu")
    methods = parse_methods(method, backbone.architecture)
    features = Features(guide, backbone, methods[0].sources, ArrayCache(folder))
    features.compute()
    protocol = Protocol(stratified_splits(guide.targets, 2, 0.5, 0), official=False)
    report = evaluate_methods(methods, features, protocol, scratch=folder)
    (result,) = report.methods
    return {
        "images": len(guide),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE,
        "kernel": len(guide) ** 2 * 8 / MEGABYTE,
        "vectors": len(guide) * result.bytes_per_image / MEGABYTE,
    }


def main() -> None:
    parser = parser_of(__doc__, images=[500, 5000], method="cl@128")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.one:
            print(json.dumps(peak(options.one, options.method, Path(name))))
            return
    print(f"method {options.method}; MB\n  images    peak  kernel matrix  peak - kernel  all vectors")
    for images in options.images:
        command = [sys.executable, "-m", "benchmarks.speed.memory", "--method", options.method, "--one", str(images)]
        row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(
            f"{row['images']:8d}{row['peak']:8.0f}{row['kernel']:15.0f}{row['peak'] - row['kernel']:15.0f}"
            f"{row['vectors']:13.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
