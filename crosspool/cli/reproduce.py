"""`reproduce`: the paper's Table 1 on a published data set."""

import hashlib
import os
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from crosspool import __version__
from crosspool.cli import options
from crosspool.cli.console import complain, print_json, print_results
from crosspool.cli.inputs import file_checksum
from crosspool.cli.labelled import CACHE_DEFAULT
from crosspool.cli.options import Json, option
from crosspool.cli.outputs import checked_folder
from crosspool.errors import BackboneError, DatasetError, SettingError
from crosspool.evaluation.command import option_words
from crosspool.evaluation.paper import BEST, TABLE_1, Published

DATA_HELP = f"The unpacked folder of one of the paper's data sets: {', '.join(BEST)}."
OUT_HELP = "A folder for the result of each row; the same command continues from there."
ROW_NAMES = ", ".join(row.name for row in TABLE_1)
ROWS_HELP = f"The rows to run, with commas between, of {ROW_NAMES}; in quotes where a name has a blank."
BOX_HELP = "Crop the birds of CUB-200-2011 to their bounding boxes."


def _checked_data(folder: str) -> str:
    if not os.path.isdir(os.path.expanduser(folder)):
        from crosspool.datasets.catalogue import similar_path

        meant = similar_path(os.path.expanduser(folder))
        advice = f"did you mean {meant}?" if meant else f"name {DATA_HELP[0].lower()}{DATA_HELP[1:]}"
        raise DatasetError(f"There is no folder {folder!r}; {advice}")
    return folder


def chosen_rows(rows: str | None) -> list[Published]:
    """The rows of these names. Raises SettingError for a name that the table does not have."""
    by_name = {row.name.lower(): row for row in TABLE_1}
    if rows is None:
        return list(TABLE_1)
    named = [name.strip() for name in rows.split(",") if name.strip()]
    for name in named:
        if name.lower() not in by_name:
            raise SettingError(f"The table has no row {name!r}; it has {', '.join(row.name for row in TABLE_1)}.")
    if not named:
        raise SettingError("Name at least one row, or leave out --rows.")
    return [by_name[name] for name in dict.fromkeys(name.lower() for name in named)]


def _checked_rows(rows: str | None) -> str | None:
    chosen_rows(rows)
    return rows


DATA = option("DIR", DATA_HELP, callback=_checked_data)
ROWS = option("R1,R2,...", ROWS_HELP, default="all", callback=_checked_rows)


def reproduce_command(
    table: Annotated[Literal["table1"], typer.Argument(help="The table of the paper.")],
    *,
    data: Annotated[str, DATA],
    out: Annotated[str, option("DIR", OUT_HELP, "--out", "-o")],
    rows: Annotated[str | None, ROWS] = None,
    weights: options.Weights = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    bounding_box: Annotated[bool, typer.Option("--bounding-box", help=BOX_HELP)] = False,
    cache: Annotated[str | None, option("DIR", "Where features are kept.", default=CACHE_DEFAULT)] = None,
    json: Json = False,
) -> None:
    """Run every system of the paper's table on its published split, and set ours beside the paper's figures.

    Each row is one method on AlexNet with the paper's settings. Finished rows are kept, so that a long run can be split
    up: stop with Ctrl-C, and start the same command again.
    """
    from crosspool.backbones import spec_of
    from crosspool.datasets import open_dataset
    from crosspool.evaluation.reproduction import NETWORK, expect_published, file_name, reproduce, reproduction_sections

    chosen = chosen_rows(rows)
    folder, dataset = checked_folder(out), open_dataset(data, bounding_box=bounding_box)
    assert folder is not None
    expect_published(dataset)
    spec = spec_of(NETWORK)
    if weights is None and not spec.weights.is_here:
        raise BackboneError(f"The weights of {spec.title} are not here yet; {spec.weights.how_to_get(NETWORK)}")
    folder.mkdir(exist_ok=True)
    own = (None if each == "auto" else each for each in (device, engine))
    own_file = weights not in (None, options.UNTRAINED)
    weights = os.path.abspath(weights) if weights is not None and own_file else weights
    content = str(file_checksum(weights)) if weights is not None and own_file else str(weights)
    samples = hashlib.sha256("\n".join(sample.name for sample in dataset.samples).encode()).hexdigest()
    about = (__version__, dataset.name, dataset.layout, samples, content)
    named = option_words(weights=weights, cache=cache, **dict(zip(("device", "engine"), own, strict=True)))
    words = [os.path.abspath(os.path.expanduser(data)), *named, *option_words(bounding_box=bounding_box)]

    def announce(row: Published, number: int) -> None:
        complain(f"Row {number + 1} of {len(chosen)}: {row.name} ({row.method})")

    try:
        results = reproduce(folder, words, about, chosen, progress=announce)
    except KeyboardInterrupt:
        complain("Stopped. The rows so far, and the features, are kept; the same command continues from there.")
        raise typer.Abort from None
    if json:
        print_json({"dataset": dataset.name, "images": len(dataset), "rows": [asdict(row) for row in results]})
        return
    files = [file_name(row) for row in chosen]
    print_results([dataset.layout], reproduction_sections(dataset, results), dataset.problems, folder, files)
