"""Images a second of `crosspool extract` by its number of workers: `python -m benchmarks.speed.extraction`.

Images of FieldGuide are drawn, or taken from --photos, which keeps them for the next time. One worker and two stand
beside the pipeline that `crosspool evaluate` computes vectors with, on the same images with all cores. A rate is that
of the whole run, from starting the command to its end, or between the first shard and the last.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.harness.command import machine_load, met_or_missed, print_table
from benchmarks.harness.extractions import Extraction, begin, checksums
from crosspool.backbones import load_backbone
from crosspool.cache import ArrayCache
from crosspool.datasets.fieldguide.guide import fieldguide
from crosspool.datasets.fieldguide.species import SPECIES
from crosspool.datasets.folders import class_folders
from crosspool.features import Features
from crosspool.methods import parse_method
from crosspool.shards.plan import SAMPLE
from crosspool.svm import VectorFile
from crosspool.text import human_bytes
from crosspool.training import encode_into
from crosspool.whole_files import whole_folder

TWO_OVER_ONE, OF_PIPELINE = 1.8, 0.85
PER_CLASS = 1667  # 20,004 images in all
MOST_IN_PIPELINE = 1000  # images, as its rate does not depend on how many there are
QUALITY = 90  # of JPEG files


def draw(folder: Path, per_class: int) -> None:
    """Write the images of a FieldGuide, in folders of their classes."""
    with whole_folder(folder) as temporary, ProcessPoolExecutor() as pool:
        for _ in pool.map(partial(_draw_class, temporary, per_class), range(len(SPECIES))):
            pass


def _draw_class(folder: Path, per_class: int, number: int) -> None:
    dataset = fieldguide(per_class)
    inside = folder / dataset.classes[number]
    inside.mkdir(parents=True)
    for place, index in enumerate(np.flatnonzero(dataset.targets == number)):
        sample = dataset.samples[index]
        sample.decode(sample.read()).save(inside / f"{place}.jpg", quality=QUALITY)


def pipeline_rate(folder: Path, name: str) -> float:
    """Images a second from files to vectors in an evaluation, with all cores and without what is learned before."""
    whole, backbone = class_folders(folder), load_backbone(device="cpu", engine="onnxruntime")
    dataset = whole.subset(np.linspace(0, len(whole) - 1, min(MOST_IN_PIPELINE, len(whole))).astype(np.intp))
    method = parse_method(name, backbone.architecture, "squash")
    encoder, learned = method.encoder(), np.arange(min(SAMPLE, len(dataset)))
    with tempfile.TemporaryDirectory() as scratch, VectorFile(Path(scratch)) as vectors:
        features = Features.of_methods(dataset, backbone, [method], ArrayCache(Path(scratch)))
        start = time.perf_counter()
        features.compute()
        seconds = time.perf_counter() - start
        encoder.fit(features.records_of(learned, method.sources_to_fit))
        start = time.perf_counter()
        encode_into(vectors, method, encoder, features, lambda done: None)
        return len(dataset) / (seconds + time.perf_counter() - start)


def steady_rate(store: Path, shard: int) -> float:
    """Images a second between the first shard's file and the last one's."""
    times = sorted(path.stat().st_mtime for path in store.glob("shard-*"))
    return shard * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else float("nan")


def main(
    per_class: Annotated[int, typer.Option(help="Images of each species.")] = PER_CLASS,
    shard: int = 1000,
    method: str = "cl@448/pca64/ternary",
    photos: Annotated[Path | None, typer.Option(help="A folder for the images, which stay there.")] = None,
    stores: Annotated[Path | None, typer.Option(help="A new folder for the stores, which stay there.")] = None,
) -> None:
    """Measure one worker, two, and the pipeline."""
    with tempfile.TemporaryDirectory(prefix="extraction-") as name:
        folder = Path(name)
        kept = stores or folder
        source = photos or folder / "photos"
        if not source.exists():
            draw(source, per_class)
        images = len(class_folders(source))
        options = ["--method", method, "--shard", str(shard), "--device", "cpu"]
        print(f"{images:,} images, {method}, shards of {shard:,}; {machine_load()}\n")
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
