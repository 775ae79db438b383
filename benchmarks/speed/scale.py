"""What a store of very many images takes: `python -m benchmarks.speed.scale STORE`.

The bytes of each column come from a store that is there, and so does the list of images in its plan; the rate of a
worker is given. A simulation then hands 10,000 shards to workers that are lost and come back, by the schedule that the
drivers use; only the times of computing and of the store are replaced by a model. It counts what is computed in vain,
what the store is asked, and how long the schedule itself takes.
"""

import heapq
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, cast

import pyarrow.parquet as pq
import typer

from benchmarks.harness.command import machine_load, print_table
from crosspool.datasets import Sample
from crosspool.datasets.files import reader
from crosspool.shards.extraction import Job
from crosspool.shards.listing import Listing
from crosspool.shards.plan import IMAGES, Plan
from crosspool.shards.schedule import Schedule
from crosspool.shards.store import Store
from crosspool.text import duration_text, human_bytes

COUNTS = (10_000, 1_000_000, 100_000_000)
START_SECONDS = 60.0  # of a worker that takes the place of a lost one
SPREAD = 0.1  # of a shard's seconds, around their mean
PUT_SECONDS, LOOK_SECONDS = 1.0, 0.05  # of a request to the store


def column_bytes(store: Store) -> Counter[str]:
    """The bytes of each column in all shards, compressed as they are on disk."""
    found: Counter[str] = Counter()
    for number in range(store.plan.shards):
        metadata = pq.ParquetFile(store.source(number)).metadata
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                about = metadata.row_group(group).column(column)
                found[about.path_in_schema] += about.total_compressed_size
    return found


class ModelPlace:
    """A store whose files are names; it counts what it is asked."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.asked: Counter[str] = Counter()

    def names(self) -> set[str]:
        self.asked["lists"] += 1
        return set(self.there)

    def has(self, name: str) -> bool:
        self.asked["looks"] += 1
        return name in self.there

    def put(self, name: str) -> None:
        self.asked["puts"] += 1
        self.there.add(name)


@dataclass
class Outcome:
    """Of a simulation: the seconds that all took, and that were computed in vain; losses of workers; store requests."""

    seconds: float
    lost_seconds: float
    losses: int
    asked: Counter[str]
    schedule_seconds: float


def simulate(plan: Plan, workers: int, rate: float, losses_per_day: float) -> Outcome:
    """Run a plan to its end by workers of so many images a second, each of them lost so often a day."""
    place, random = ModelPlace(), Random(0)
    numbers = range(plan.images)  # slices of a range stand for images: nobody reads them
    listing = Listing("", cast(Any, numbers), cast(Any, numbers), cast(Any, numbers), "")
    start = time.perf_counter()
    schedule = Schedule(Job(plan, cast(Any, place), None), listing, lambda number, count: None)
    spent, now, lost, losses = time.perf_counter() - start, 0.0, 0.0, 0
    events: list[tuple[float, int, int | None]] = [(START_SECONDS, worker, None) for worker in range(workers)]
    while not schedule.is_done:
        now, worker, number = heapq.heappop(events)  # when one is free, and what it has done
        start = time.perf_counter()
        if number is not None:
            if number >= 0:
                place.put(plan.shard_name(number))
            schedule.finish(number)
        found = schedule.next()
        spent += time.perf_counter() - start
        if found is None:
            heapq.heappush(events, (now + 1.0, worker, None))
            continue
        number, _ = found
        images = plan.sample if number < 0 else len(plan.places(number))
        seconds = images / rate * random.gauss(1, SPREAD) + PUT_SECONDS + LOOK_SECONDS
        until = random.expovariate(losses_per_day / 86_400) if losses_per_day else float("inf")
        if until < seconds:
            schedule.fail(number, "its machine was lost")
            lost, losses = lost + until, losses + 1
            heapq.heappush(events, (now + until + START_SECONDS, worker, None))
        else:
            heapq.heappush(events, (now + seconds, worker, number))
    return Outcome(now, lost, losses, place.asked, spent)


def listed_bytes(count: int = 100_000) -> float:
    """The bytes of memory that an image takes in a driver's list: its name, and how it is read."""
    tracemalloc.start()
    samples = tuple(Sample(f"a class/{place:09}.jpg", reader(Path(f"{place:09}.jpg"), "")) for place in range(count))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / len(samples)


def print_sizes(store: Store, rate: float, shard: int, core_hour: float, gigabyte_month: float) -> None:
    """The bytes of an image by column, and what very many images take."""
    columns, count = column_bytes(store), len(store)
    each = sum(columns.values()) / count
    rows = [[name, f"{total / count:,.0f}"] for name, total in columns.most_common()]
    print_table(f"bytes of an image in {store.plan.method}, {count:,} images", ["column", "bytes"], rows)
    on_disk, in_memory = len(store.place.read(IMAGES)) / count, listed_bytes()
    rows = [
        [
            f"{images:,}",
            human_bytes(images * each),
            human_bytes(images * on_disk),
            human_bytes(images * in_memory),
            human_bytes(images * store.plan.bits / 8),
            f"{-(-images // shard):,}",
            duration_text(images / rate),
            f"{images / rate / 3600 * core_hour:,.2f}",
            f"{images * each / 1e9 * gigabyte_month:,.2f}",
        ]
        for images in COUNTS
    ]
    heads = ["images", "store", "their list", "in memory", "codes", "shards", "of one core", "dollars", "a month"]
    prices = f"{core_hour:g} dollars for an hour of a core, {gigabyte_month:g} for a month of a gigabyte"
    print_table(f"at {rate:g} images a second and core; {prices}", heads, rows)


def main(
    address: Annotated[str, typer.Argument(metavar="STORE", help="A store whose columns are measured.")],
    rate: Annotated[float, typer.Option(help="Images a second of one worker, with one core.")] = 12.0,
    core_hour: Annotated[float, typer.Option(help="Dollars for an hour of a core.")] = 0.05,
    gigabyte_month: Annotated[
        float, typer.Option(help="Dollars for a month of a gigabyte in an object store.")
    ] = 0.025,
    shards: int = 10_000,
    shard: Annotated[int, typer.Option(help="Images of a shard.")] = 1000,
    workers: Annotated[list[int] | None, typer.Option(help="Can be repeated.")] = None,
    losses_per_day: Annotated[float, typer.Option(help="How often each worker is lost in a day.")] = 4.0,
) -> None:
    """Print sizes, and simulate a run of many shards."""
    store = Store.opened(address)
    print(f"{machine_load()}\n")
    print_sizes(store, rate, shard, core_hour, gigabyte_month)
    plan = store.plan.model_copy(update={"images": shards * shard, "shard": shard})
    rows = []
    for count in workers or [16, 128, 1024]:
        for losses in (0.0, losses_per_day):
            outcome = simulate(plan, count, rate, losses)
            ideal = plan.images / rate / count
            rows.append(
                [
                    f"{count:,}", f"{losses:g}", duration_text(outcome.seconds), f"{ideal / outcome.seconds:.2f}",
                    f"{outcome.losses:,}", f"{outcome.lost_seconds / (count * outcome.seconds):.2%}",
                    f"{sum(outcome.asked.values()):,}", f"{outcome.schedule_seconds:.1f} s",
                ]
            )  # fmt: skip
    title = f"{shards:,} shards of {plan.shard:,} images at {rate:g} a second, simulated"
    heads = ["workers", "losses a day", "time", "of ideal", "losses", "in vain", "store requests", "schedule"]
    print_table(title, heads, rows)


if __name__ == "__main__":
    typer.run(main)
