"""What the commands that learn from a store share: which options they take, and how they end."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crosspool.cli import labelled as shared
from crosspool.cli.console import complain
from crosspool.errors import SettingError

if TYPE_CHECKING:
    from crosspool.shards.learning import StoredImages

SolverChoice = Literal["exact", "blocks", "auto"]
SOLVER_HELP = (
    "How to learn from a store's vectors. exact: on the inner products of all, in memory; blocks: block by block, "
    "for very many; auto: exact where they fit into memory."
)
Solver = Annotated[SolverChoice, typer.Option(help=SOLVER_HELP)]
COMMON = {"on_problem", "cache", "solver", "out"}  # options that make sense of a store, too


def is_store(address: str) -> bool:
    """Whether there is a store at an address: a folder with a plan."""
    if "://" not in address:
        return os.path.isfile(os.path.join(os.path.expanduser(address), "plan.json"))
    from crosspool.shards.place import Place
    from crosspool.shards.plan import PLAN

    return Place(address).has(PLAN)


def expect_no_others(context: typer.Context, options: Collection[str], store: str) -> None:
    """Raise SettingError where an option was given besides these."""
    given = {
        parameter.name: parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.opts[0].upper()
        for parameter in context.command.params
        if getattr(context.get_parameter_source(str(parameter.name)), "name", "") == "COMMANDLINE"
    }
    wrong = [flag for name, flag in given.items() if name not in options]
    if wrong:
        problem = f"The store {store} has its images, its method and its network"
        raise SettingError(f"{problem}; leave out {' and '.join(wrong)}.")


def open_stored(address: str) -> "StoredImages":
    """The labelled images of a store."""
    from crosspool.shards.learning import StoredImages
    from crosspool.shards.store import Store

    return StoredImages.of(Store.opened(os.path.expanduser(address)))


@contextmanager
def scratch_folder(labelled: shared.LabelledOptions) -> Iterator[Path]:
    """A folder for vectors while they are learned from. Reports Ctrl-C, and raises SettingError for a full disk."""
    try:
        with shared.room_for_vectors(labelled.cache_folder) as folder:
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
    except KeyboardInterrupt:
        complain("Stopped. The store is as it was; the same command begins again.")
        raise typer.Abort from None
