"""`extract`: the features of very many images, in a store."""

import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crosspool.cli import labelled as shared
from crosspool.cli import options
from crosspool.cli.console import complain, print_problems
from crosspool.cli.options import methods_option, option
from crosspool.cli.progress import images_progress
from crosspool.errors import SettingError
from crosspool.text import duration_text, plural

if TYPE_CHECKING:
    from rich.progress import TaskID

    from crosspool.engines import EngineName
    from crosspool.framing import Framing
    from crosspool.shards.listing import Listing
    from crosspool.shards.place import Place
    from crosspool.shards.plan import Plan
    from crosspool.shards.schedule import Schedule

DATA_HELP = (
    "A folder, a ZIP, tar files (shards/*.tar), a table (CSV, TSV, Parquet) of paths or addresses, perhaps with labels "
    "and a split, a data set's name, or an address such as s3://bucket/photos."
)
OUT_HELP = "The store: a folder, or an address such as s3://bucket/store."
SAMPLE, EXTRACTING = "A sample to learn from", "Extracting"
METHOD_HELP = (
    "What is kept of each image: one of the methods of crosspool evaluate, such as cl@448/pca64/ternary, gem or global."
)
METHOD = methods_option(
    "METHOD",
    METHOD_HELP,
    "--method",
    "-m",
    default="cl/pca64/ternary at twice the network's own size, or at that where twice is too large",
)
WORKERS_HELP = "How many processes compute, or how many of Ray's actors at most."
RAY_HELP = "Compute on a Ray cluster: its address, auto for the one of this machine, or local to start one."
SHARD_HELP = "How many images each file of the store has."
GPUS_HELP = "How many GPUs each of Ray's actors has; 0.5 lets two share one."


def extract_command(
    data: Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)],
    out: Annotated[str, option("STORE", OUT_HELP, "--out", "-o")],
    method: Annotated[str | None, METHOD] = None,
    workers: Annotated[int | None, option("N", WORKERS_HELP, min=1, max=1024, default="one for each core")] = None,
    ray: Annotated[str | None, option("ADDRESS", RAY_HELP, default="processes of this machine")] = None,
    gpus_per_worker: Annotated[float, option("G", GPUS_HELP, min=0, max=64)] = 0.0,
    shard: Annotated[int, option("N", SHARD_HELP, min=1, max=1_000_000)] = 1000,
    framing: shared.WholeFraming = "squash",
    layout: Annotated[Literal["auto", "classes", "parts"], typer.Option(help=shared.LAYOUT_HELP)] = "auto",
    seed: shared.Seed = 0,
    backbone: options.BackboneName = options.DEFAULT_BACKBONE,
    weights: options.Weights = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
) -> None:
    """Compute the features of very many images into a store, a file for each shard of them.

    The same command goes on where an earlier one was interrupted, and several may work on one store at once: a shard's
    file appears whole, and once. An image that cannot be read becomes a row that says why. The store is for
    crosspool evaluate STORE, and for train and search with --features STORE.
    """
    if gpus_per_worker and ray is None:
        raise SettingError("--gpus-per-worker is for Ray's actors; add --ray ADDRESS, or take --device cuda.")
    from crosspool.shards.listing import list_images

    listing = list_images(data, layout=layout)  # before what takes seconds to import
    from crosspool.shards.extraction import Job
    from crosspool.shards.place import Place
    from crosspool.shards.plan import agree_on
    from crosspool.shards.schedule import LEARNING, Schedule

    place = Place(os.path.expanduser(out))
    if gpus_per_worker:  # this machine may have none
        device, engine = "cpu", "torch" if engine == "auto" else engine
    plan = _planned(listing, method, shard, framing, seed, backbone, weights, device, engine)
    if gpus_per_worker:
        plan = plan.model_copy(update={"device": "cuda"})
    place.prepare()
    plan = agree_on(plan, listing, place)
    found = listing.layout or f"{listing.name}: {plural(len(listing.classes), 'class', 'classes')}."
    typer.echo(f"{found} {plural(plan.images, 'image')} in {plural(plan.shards, 'shard')}.")
    print_problems(listing.problems)
    try:
        with images_progress() as bar:
            tasks: dict[bool, TaskID] = {}

            def advance(number: int, images: int) -> None:
                learns = number == LEARNING
                if learns not in tasks:
                    total, done = (schedule.sampled, 0) if learns else (plan.images, schedule.done)
                    tasks[learns] = bar.add_task(SAMPLE if learns else EXTRACTING, total=total, completed=done)
                bar.advance(tasks[learns], images)

            schedule = Schedule(Job(plan, place, weights), listing, advance)
            advance(LEARNING if schedule.sampled else 0, 0)  # shown before the first image
            _run(schedule, workers, ray, gpus_per_worker)
    except KeyboardInterrupt:
        complain("Stopped. The shards that are done stay in the store; the same command goes on from them.")
        raise typer.Abort from None
    _report(plan, place, out)


def _planned(
    listing: "Listing", method: str | None, shard: int, framing: "Framing", seed: int, backbone: str,
    weights: str | None, device: str, engine: "EngineName",
) -> "Plan":  # fmt: skip
    """The plan that these options make."""
    from crosspool.backbones import architecture, load_backbone
    from crosspool.framing import MAX_SIZE
    from crosspool.methods import parse_method
    from crosspool.shards.plan import plan_of

    structure = architecture(backbone)
    own = structure.spec.preprocessing.size
    name = method or f"cl@{2 * own if 2 * own <= MAX_SIZE else own}/pca64/ternary"
    named = parse_method(name, structure, framing)  # raises before the network is loaded
    network = load_backbone(backbone, weights, device, engine=engine)
    others = [load_backbone(each, None, device, engine=engine) for each in named.networks]
    return plan_of(listing, parse_method(name, network.architecture, framing), network.beside(others), shard, seed)


def _run(schedule: "Schedule", workers: int | None, ray: str | None, gpus: float) -> None:
    from crosspool.flow import available_cores
    from crosspool.shards.local import extract_locally
    from crosspool.shards.on_ray import extract_on_ray

    if schedule.is_done:
        return
    if ray is None:
        extract_locally(schedule, workers or available_cores())
        return
    seconds = extract_on_ray(schedule, ray, workers, gpus)
    complain(f"Ray was ready after {duration_text(seconds)}.")


def _report(plan: "Plan", place: "Place", out: str) -> None:
    """Say what is in the store, and how many images could not be read."""
    from crosspool.shards.store import Store

    store = Store.opened(place.address)
    typer.echo(f"{out} is complete: {plan.method} of {plural(plan.images, 'image')}.")
    if unread := store.problems():
        first = ", the first" if len(unread) > 1 else ""
        typer.echo(f"{plural(len(unread), 'image')} could not be read{first}: {unread[0]}")
