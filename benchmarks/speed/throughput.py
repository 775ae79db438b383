"""How many photos a second become encoded vectors, and what that could be: `python -m benchmarks.speed.throughput`.

Photos of 2,000 x 1,500 pixels, and of 500 x 375 as those of CUB, are generated into a temporary folder. Each stage by
itself stands beside its limit, with one core and with all of them; the whole, from files in a folder to vectors in a
file, beside the bare engine, and beside decoder and engine in turn: cores that decode compute no passes meanwhile.
Weights are untrained where none are embedded, which does not change the time. Linux only, as it chooses the cores.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image

from benchmarks.harness.command import machine, met_or_missed, milliseconds, print_table
from benchmarks.harness.photos import QUALITY, photo
from crosspool.backbones import DEFAULT, UNTRAINED, Backbone, load_backbone
from crosspool.cache import ArrayCache
from crosspool.datasets import Dataset
from crosspool.datasets.folders import class_folders
from crosspool.engines.choice import Programs
from crosspool.features import Features
from crosspool.flow import available_cores, in_order
from crosspool.framing import image_views, to_tensor
from crosspool.methods import Method, parse_method
from crosspool.pooling import cross_layer_pool
from crosspool.records import compute_record
from crosspool.svm import VectorFile
from crosspool.training import encode_into

ORDINARY, SMALL = (2000, 1500), (500, 375)  # pixels of the photos
CLASSES = 2
CASES = (
    (DEFAULT, 224, ORDINARY), (DEFAULT, 448, ORDINARY), (DEFAULT, 448, SMALL), ("alexnet", 224, ORDINARY),
    ("resnet50", 224, ORDINARY),
)  # fmt: skip
OF_BARE = {"cpu": 0.85, "cuda": 0.7}
TWO_OVER_ONE = 1.8
MANY = 100_000  # passes, for which it pays to measure the engines
ROUNDS = 5  # of which medians are taken, as other machines on the same processor come and go
STAGE_IMAGES = 32  # that each stage computes by itself in a round, over and over of a few photos
HELD = 4  # photos, whose intermediate results are held for that

DISK, DECODER, DECODE, FRAME = "read", "Pillow's decoder alone", "decode", "frame"
BARE, FORWARD, POOL, ENCODE = "bare engine", "forward", "pool", "pool and encode"
WHOLE = "whole"
IN_TURN = {"decoder and engine in turn": (DECODER, BARE), "all stages in turn": (DISK, DECODE, FRAME, FORWARD, ENCODE)}
LIMITS = {DECODE: DECODER, FORWARD: BARE, ENCODE: POOL, WHOLE: BARE}

Stage = tuple[Sequence[Any], Callable[[Any], object]]
"""What a stage is computed from, of a few photos, and how."""


def make_photos(folder: Path, size: tuple[int, int], images: int) -> Dataset:
    """Write JPEG files in folders of their classes."""
    for subject in range(CLASSES):
        (folder / str(subject)).mkdir(parents=True)

    def write(index: int) -> None:
        subject, number = index % CLASSES, index // CLASSES
        path = folder / str(subject) / f"{number}.jpg"
        photo(subject, number, size)[0].save(path, "JPEG", quality=QUALITY)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(images)))
    return class_folders(folder)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Let this thread, and those that begin later, use only so many cores."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(every)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def rate(compute: Callable[[Any], object], items: Sequence[Any], count: int = STAGE_IMAGES) -> float:
    """How many items a second are computed with all cores that may be used."""

    def run(number: int) -> None:
        for _ in in_order(compute, islice(cycle(items), number)):
            pass

    run(HELD)  # which warms up
    return 1000 * count / milliseconds(lambda: run(count))


def stages_of(dataset: Dataset, backbone: Backbone, method: Method) -> dict[str, Stage]:
    """The stages of the work on each photo, with what a few photos give for them, and the limits of some."""
    samples, preprocessing, source = dataset.samples[:HELD], backbone.spec.preprocessing, method.sources[0]
    files = [sample.read() for sample in samples]
    images = [sample.decode(data) for sample, data in zip(samples, files, strict=True)]
    framed = [image_views(image, preprocessing, source.size, source.views, source.framing) for image in images]
    tensors = [to_tensor(views, preprocessing).to(backbone.device) for views in framed]
    records = [compute_record(backbone, image, method.sources) for image in images]
    encoder, pair = method.encoder(), backbone.architecture.default_pair
    nodes = (pair.lower, pair.upper)
    maps = [[torch.from_numpy(record[replace(source, node=node)]) for node in nodes] for record in records]
    bare = Programs(
        backbone.engine, backbone.model, backbone.device, lambda: backbone.fingerprint, backbone.architecture.subgraph,
        backbone.architecture.memory_format,
    )  # fmt: skip
    for settle in (backbone.settle, bare.settle):
        # In a worker, as the choice depends on the number of threads.
        list(in_order(lambda choose: choose(nodes, source.size, passes=MANY), [settle]))

    def frame(image: Image.Image) -> object:
        views = image_views(image, preprocessing, source.size, source.views, source.framing)
        return to_tensor(views, preprocessing)

    return {
        DISK: (samples, lambda sample: sample.read()),
        DECODER: (files, _decode),
        DECODE: (list(zip(samples, files, strict=True)), lambda pair: pair[0].decode(pair[1])),
        FRAME: (images, frame),
        BARE: (tensors, partial(bare.run, nodes)),
        FORWARD: (framed, lambda views: backbone.outputs(views, nodes)),
        POOL: (maps, lambda pair_of_maps: cross_layer_pool(*pair_of_maps, **pair.geometry)),
        ENCODE: (records, lambda record: encoder.transform([record])),
    }


def _decode(data: bytes) -> None:
    Image.open(BytesIO(data)).load()


def whole(dataset: Dataset, backbone: Backbone, method: Method) -> float:
    """Photos a second, from files in a folder to a file of vectors, with nothing kept from before."""
    with tempfile.TemporaryDirectory() as folder, VectorFile(Path(folder)) as file:
        features = Features.of_methods(dataset, backbone, [method], ArrayCache(Path(folder)))

        def run() -> None:
            features.compute()
            encode_into(file, method, method.encoder(), features, lambda done: None)

        return 1000 * len(dataset) / milliseconds(run)


def rates_of(dataset: Dataset, backbone: Backbone, method: Method, cores: int) -> dict[str, dict[int, float]]:
    """How many photos a second each stage and the whole take, by the number of cores: medians of rounds in turn."""
    stages = stages_of(dataset, backbone, method)
    rounds: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for part in np.array_split(np.arange(len(dataset)), ROUNDS):
        for count in dict.fromkeys((1, cores)):
            photos = dataset.subset(part[: len(part) * count // cores])
            with on_cores(count):
                for title, (items, compute) in stages.items():
                    rounds[title][count].append(rate(compute, items))
                rounds[WHOLE][count].append(whole(photos, backbone, method))
    return {title: {count: median(each) for count, each in counts.items()} for title, counts in rounds.items()}


def print_case(dataset: Dataset, photo_size: tuple[int, int], backbone: Backbone, size: int) -> list[list[str]]:
    """Print a table, and return the rows of targets: the part of the bare engine's rate, and two cores over one."""
    method = parse_method(f"cl@{size}/ternary", backbone.architecture)
    cores = available_cores()
    rates = rates_of(dataset, backbone, method, cores)
    for title, parts in IN_TURN.items():
        rates[title] = {count: 1 / sum(1 / rates[part][count] for part in parts) for count in rates[WHOLE]}
    title = f"{backbone.title} at {size}, photos of {photo_size[0]} x {photo_size[1]}"
    rows = []
    for part, by_cores in rates.items():
        one, every, limit = by_cores[1], by_cores[cores], LIMITS.get(part, "")
        share = f"{every / rates[limit][cores]:.2f}" if limit else ""
        rows.append([part, f"{one:.1f}", f"{every:.1f}", f"{every / one:.2f}", limit, share])
    header = ["stage", "1 core", f"{cores} cores", "ratio", "limit", "of it"]
    print_table(f"{title}, photos a second", header, rows)
    aim, of_bare = OF_BARE[backbone.device.type], rates[WHOLE][cores] / rates[BARE][cores]
    return [[title, f"{of_bare:.2f} of {aim} {met_or_missed(of_bare >= aim)}", _scaling(rates[WHOLE], cores)]]


def _scaling(by_cores: dict[int, float], cores: int) -> str:
    """Whether two cores are as many times one as they should be."""
    if cores != 2:
        return f"{cores} cores here"
    ratio = by_cores[2] / by_cores[1]
    return f"{ratio:.2f} of {TWO_OVER_ONE} {met_or_missed(ratio >= TWO_OVER_ONE)}"


def main(
    images: Annotated[int, typer.Option(min=ROUNDS * HELD, help="How many photos.")] = 1000,
    networks: Annotated[list[str] | None, typer.Argument(help="Only these networks.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cuda" if torch.cuda.is_available() else "cpu",
) -> None:
    """Print a table for each network and size, and which targets are met."""
    print(machine())
    targets = []
    with tempfile.TemporaryDirectory() as name:
        datasets = {
            photo_size: make_photos(Path(name, str(photo_size)), photo_size, images) for photo_size in (ORDINARY, SMALL)
        }
        for network, size, photo_size in CASES:
            if network in (networks or [network]):
                backbone = load_backbone(network, None if network == DEFAULT else UNTRAINED, device)
                targets += print_case(datasets[photo_size], photo_size, backbone, size)
    print_table("Targets, all cores", ["case", "whole over bare engine", "two cores over one"], targets)
    print(f"\n{machine()}")


if __name__ == "__main__":
    typer.run(main)
