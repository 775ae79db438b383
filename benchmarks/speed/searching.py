"""What a search in a store takes, and what it misses: `python -m benchmarks.speed.searching`.

First: the time to compare a code with a million random ones and to choose the nearest thousand, and the peak memory of
a process that does nothing else; beside it, where faiss-cpu is installed, faiss's time for as many as are chosen bit by
bit. Then, of stores of generated images: how many of the ten nearest images are found where so many candidates are
chosen by their codes, and how long a search takes with them and with all vectors.
"""

import resource
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated

import numpy as np
import typer

from benchmarks.harness.command import machine_load, met_or_missed, milliseconds, print_table
from benchmarks.harness.confined import MEGABYTE
from crosspool.cli import main as crosspool
from crosspool.datasets.fieldguide.species import SPECIES
from crosspool.shards.codes import as_codes
from crosspool.shards.extraction import Job
from crosspool.shards.nearest import CANDIDATES, PRESELECTED, Index, Query, nearest_codes
from crosspool.shards.plan import BITS
from crosspool.shards.store import Store

METHODS = "cl@448/pca64/ternary,cl@224,gem"
MOST_SECONDS, MOST_MEGABYTES, LEAST_RECALL = 1.0, 1024.0, 0.95
SHARES = (0.05, 0.02, 0.01)  # of the images, as candidates
WANTED = 10  # of the nearest images
REPETITIONS = 9


def scanned(count: int) -> tuple[float, float, float | None]:
    """Seconds to choose the candidates among so many random codes, the peak in megabytes, and the seconds of faiss."""
    codes = np.random.default_rng(0).integers(0, 2**64, (count, BITS // 64), np.uint64)

    above = np.random.default_rng(1).standard_normal(BITS).astype(np.float32)

    def scan() -> None:
        nearest_codes(codes, above, CANDIDATES)

    seconds = median(milliseconds(scan) for _ in range(REPETITIONS)) / 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE
    try:
        from faiss import knn_hamming
    except ImportError:
        return seconds, peak, None
    own, every = as_codes(above[None]).view(np.uint8), codes.view(np.uint8)
    theirs = median(milliseconds(lambda: knn_hamming(own, every, PRESELECTED * CANDIDATES)) for _ in range(REPETITIONS))
    return seconds, peak, theirs / 1000


def print_scan(count: int) -> None:
    """The first table."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        seconds, peak, theirs = pool.submit(scanned, count).result()
    own = f"{count * BITS // 8 / MEGABYTE:.0f}"
    verdicts = met_or_missed(seconds < MOST_SECONDS), met_or_missed(peak < MOST_MEGABYTES)
    peer = "not installed" if theirs is None else f"{theirs:.3f}"
    row = [f"{count:,}", f"{seconds:.3f} {verdicts[0]}", peer, own, f"{peak:.0f} {verdicts[1]}"]
    targets = f"seconds, < {MOST_SECONDS:.0f}", f"peak MB, < {MOST_MEGABYTES:.0f}"
    header = ["codes", targets[0], "faiss, bit by bit", "MB of codes", targets[1]]
    print_table(f"Choosing {CANDIDATES:,} candidates by codes of {BITS:,} bits", header, [row])


def extracted(folder: Path, method: str, images: int) -> str:
    """Extract generated images, and return where their store is."""
    out = str(folder / method.replace("/", "-"))
    if crosspool(["extract", f"fieldguide:{-(-images // len(SPECIES))}", "--method", method, "--out", out]):
        raise SystemExit(f"{method} could not be extracted.")
    return out


def queries_of(store: Store, count: int) -> list[Query]:
    """Images of the store, evenly drawn, as queries."""
    extractor = Job(store.plan, store.place, None).extractor()
    extractor.recall()
    places = np.unique(np.linspace(0, len(store) - 1, count).astype(np.intp))
    rows = store.rows(places, "vector", "sha256")
    pairs = zip(store.vectors_of(rows)[0], rows["sha256"].to_pylist(), strict=True)
    return [Query(vector, extractor.above(vector), checksum) for vector, checksum in pairs]


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """The share of the ten nearest that was found, from the cosines; the first one is the query itself."""
    return float((found[1:] >= exact[WANTED]).mean())


def print_searches(stores: Sequence[Store], queries: int) -> None:
    """The second table."""
    rows, verdicts = [], []
    for store in stores:
        method, index = store.plan.method, Index(store)
        drawn = queries_of(store, queries)
        opening = milliseconds(partial(index.nearest, drawn[0], WANTED)) / 1000
        of_all, exact = _searched(index, drawn, None)
        counts = {f"{share:.0%}": max(WANTED + 1, round(share * len(store))) for share in SHARES}
        for name, candidates in {f"{CANDIDATES:,}": CANDIDATES, **counts}.items():
            seconds, found = _searched(index, drawn, candidates)
            share = float(np.mean([recall(*each) for each in zip(found, exact, strict=True)]))
            rows.append([method, name, f"{share:.3f}", f"{seconds:.3f}", f"{of_all:.3f}", f"{opening:.3f}"])
            if name == f"{CANDIDATES:,}":
                verdicts.append([method, f"{share:.3f} {met_or_missed(share >= LEAST_RECALL)}"])
    header = ["method", "candidates", f"recall of {WANTED}", "seconds", "of all vectors", "the first"]
    sizes = " and ".join(sorted({f"{len(store):,}" for store in stores}))
    print_table(f"{queries} searches in {sizes} images; medians", header, rows)
    print_table("Targets", ["method", f"recall, >= {LEAST_RECALL}"], verdicts)


def _searched(index: Index, queries: Sequence[Query], candidates: int | None) -> tuple[float, list[np.ndarray]]:
    """The seconds of a search, and what each has found: the cosines of the nearest."""
    found, times = [], []
    for query in queries:
        start = perf_counter()
        found.append(index.nearest(query, WANTED + 1, candidates).cosines)
        times.append(perf_counter() - start)
    return median(times), found


def main(
    images: Annotated[int, typer.Option(min=24, help="Images in each store.")] = 600,
    methods: Annotated[str, typer.Option(help="With commas between.")] = METHODS,
    queries: Annotated[int, typer.Option(min=1, help="Searches in each store.")] = 50,
    codes: Annotated[int, typer.Option(min=CANDIDATES, help="Random codes to scan.")] = 1_000_000,
    stores: Annotated[list[str] | None, typer.Option("--store", help="To search instead of new ones.")] = None,
) -> None:
    """Print both tables."""
    print(machine_load())
    print_scan(codes)
    with tempfile.TemporaryDirectory() as temporary:
        made = stores or [extracted(Path(temporary), method, images) for method in methods.split(",")]
        print_searches([Store.opened(address) for address in made], queries)
    print(f"\n{machine_load()}")


if __name__ == "__main__":
    typer.run(main)
