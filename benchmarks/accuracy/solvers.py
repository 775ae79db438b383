"""What training block by block costs in accuracy: `python -m benchmarks.accuracy.solvers STORE --train-size N`.

Linear machines are trained on the same splits of a store's images: exactly, on their inner products, and in blocks of
so few vectors that every pass has several, as it has where images are very many.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer

from crosspool.evaluation.intervals import Interval
from crosspool.evaluation.protocol import SplitOptions, file_keys
from crosspool.evaluation.report import compared
from crosspool.shards import learning
from crosspool.shards.learning import StoredImages, chosen_solver, evaluated
from crosspool.shards.store import Store
from crosspool.text import percent, signed_percent


def printed(interval: Interval | None, text: Callable[[float], str] = percent) -> str:
    return "no interval" if interval is None else f"{text(interval.low)} to {text(interval.high)}"


def main(
    store: str,
    train_size: Annotated[int, typer.Option()],
    splits: int = 20,
    seed: int = 0,
    block: Annotated[int, typer.Option(help="Vectors in a block.")] = 50,
) -> None:
    """Print the accuracy of both solvers, and their difference."""
    learning.BLOCK_ROWS = block
    images, options = StoredImages.of(Store.opened(store)), SplitOptions(splits, train_size, seed, official=False)
    images = options.settle(images.restricted_to(options.check(images.dataset)).without_unread("skip"))
    protocol = options.protocol(images.dataset, file_keys(images))
    solvers = [chosen_solver(name, len(images.dataset)) for name in ("exact", "blocks")]
    results = [replace(evaluated(images, protocol, solver), name=solver.name) for solver in solvers]
    (paired,) = compared(images.dataset, results, ["exact"], seed)
    print(
        f"{images.dataset.name}, {images.method.name}: {splits} splits of {train_size} images to train on, seed {seed}"
    )
    for result in results:
        accuracy = result.measures["accuracy"]
        print(f"{result.name:10}  {percent(accuracy.value)} %  ({printed(accuracy.interval)})")
    print(f"difference  {signed_percent(paired.difference)}  ({printed(paired.interval, signed_percent)})")


if __name__ == "__main__":
    typer.run(main)
