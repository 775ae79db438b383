"""Images a second of `crosspool extract` by its number of workers: `python -m benchmarks.speed.extraction`.

Photos of 500 x 375 pixels are generated, or taken from --photos, which keeps them for the next time. One worker and two
stand beside the pipeline that `crosspool evaluate` computes features with, on the same photos with all cores. The rate
is that of whole runs, from starting the command to its end, and in brackets that between the first shard and the last.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.harness.command import machine_load, met_or_missed, print_table
from benchmarks.harness.extractions import Extraction, begin, checksums
from benchmarks.speed.throughput import SMALL, make_photos
from crosspool.backbones import load_backbone
from crosspool.cache import ArrayCache
from crosspool.datasets.folders import class_folders
from crosspool.features import Features
from crosspool.methods import parse_method
from crosspool.text import human_bytes

TWO_OVER_ONE, OF_PIPELINE = 1.8, 0.85
MOST_IN_PIPELINE = 1000  # photos, as its rate does not depend on how many there are


def pipeline_rate(photos: Path, name: str) -> float:
    """Images a second of the features of an evaluation, with all cores and nothing in the cache."""
    whole, backbone = class_folders(photos), load_backbone(device="cpu", engine="onnxruntime")
    dataset = whole.subset(np.arange(len(whole))[:MOST_IN_PIPELINE])
    method = parse_method(name, backbone.architecture, "squash")
    with tempfile.TemporaryDirectory() as folder:
        warm = Features.of_methods(dataset.subset(np.arange(4)), backbone, [method], ArrayCache(Path(folder) / "warm"))
        warm.compute()
        features = Features.of_methods(dataset, backbone, [method], ArrayCache(Path(folder) / "cold"))
        start = time.perf_counter()
        features.compute()
        return len(dataset) / (time.perf_counter() - start)


def steady_rate(store: Path, shard: int) -> float:
    """Images a second between the first shard's file and the last one's."""
    times = sorted(path.stat().st_mtime for path in store.glob("shard-*"))
    return shard * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else float("nan")


def main(
    images: int = 20_000,
    shard: int = 1000,
    method: str = "cl@448/ternary",
    photos: Annotated[Path | None, typer.Option(help="A folder for the photos, which stay there.")] = None,
    stores: Annotated[Path | None, typer.Option(help="A new folder for the stores, which stay there.")] = None,
) -> None:
    """Measure one worker, two, and the pipeline."""
    with tempfile.TemporaryDirectory(prefix="extraction-") as name:
        folder = Path(name)
        kept = stores or folder
        source = photos or folder / "photos"
        if not source.exists():
            make_photos(source, SMALL, images)
        options = ["--method", method, "--shard", str(shard), "--device", "cpu"]
        print(f"{images:,} photos of {SMALL[0]} x {SMALL[1]} pixels, {method}, shards of {shard:,}; {machine_load()}\n")
        runs: dict[int, tuple[Extraction, float]] = {}
        for workers in (1, 2):
            store = kept / f"by {workers}"
            extraction = begin(source, store, [*options, "--workers", str(workers)]).succeed()
            runs[workers] = extraction, steady_rate(store, shard)
        if checksums(kept / "by 1") != checksums(kept / "by 2"):
            raise SystemExit("The two stores differ.")
        pipeline = pipeline_rate(source, method)
        rows = [_row(workers, images, *run) for workers, run in runs.items()]
        heads = ["", "whole run", "between shards", "memory at half", "at the end", "highest"]
        print_table("images a second", heads, [*rows, ["pipeline", f"{pipeline:.1f}", *[""] * 4]])
        one, two = (images / runs[workers][0].seconds for workers in (1, 2))
        for what, ratio, least in (("one", two / one, TWO_OVER_ONE), ("the pipeline", two / pipeline, OF_PIPELINE)):
            print(f"\ntwo workers over {what}: {ratio:.2f}, {met_or_missed(ratio >= least)} (at least {least})")
        print("\nBoth stores have the same bytes.")


def _row(workers: int, images: int, extraction: Extraction, steady: float) -> list[str]:
    memory = extraction.memory
    kept = [human_bytes(each) for each in (memory[len(memory) // 2], memory[-2], max(memory))]
    return [f"{workers} worker" + "s" * (workers > 1), f"{images / extraction.seconds:.1f}", f"{steady:.1f}", *kept]


if __name__ == "__main__":
    typer.run(main)
