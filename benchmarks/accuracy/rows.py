"""Every method as a row of one table: `python -m benchmarks.accuracy.rows DATASET --train-size N --out DIR`.

Each row is a `crosspool evaluate` of its own, with nothing in its cache, which gives the time and the memory of that
method alone; with --cache FOLDER rows share what they compute, and the table has neither. A row that has its file in
DIR is not run again. The table is ordered by accuracy; each row is set against cl@448 on the same splits. The figure
shows accuracy against bytes and seconds.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.accuracy.rows_figure import Measured, rows_figure
from crosspool import __version__
from crosspool.evaluation.files import safe_file_names
from crosspool.evaluation.intervals import resampled_t
from crosspool.evaluation.reproduction import run_process
from crosspool.text import human_bytes, percent, signed_percent
from crosspool.whole_files import whole_file

LITE2 = "efficientnet_lite2"
ROWS = (
    *("cl@448", "cl@224", "cl-f@448", "cl-c@448", "cl@448/pca64", "cl@448/ternary", "cl@448+global@448"),
    *("global@224", "global@320", "global@448", "global@560", "jitter@224", "cnn-svm@224", "cnnaug-svm@224"),
    *("sum@448", "max@448", "pyramid@448", "gem@448", "scda@448"),
    *("bilinear@448", "isqrt@448", "compact@448", "compact-cl@448"),
    *("guided@448", "fv@448", "vlad@448", "scfv@224", "scfv@448/local"),
    *(f"cl@448+cl@448[{LITE2}]", f"gem@448+gem@448[{LITE2}]", f"global@320+global@320[{LITE2}]"),
)
SLOW_ROWS = ("ft+global@448", "ft+cl@448")  # 5 splits
PART_ROWS = (
    "parts-rcnn@448",
    "parts-rcnn@448/box",
    "parts-rcnn@448/true",
    "ft+parts-rcnn@448",
    "dpd@448",
    "dpd-cnn@448",
)
SLOW_SPLITS = 5
AGAINST = "cl@448"


@dataclass(frozen=True)
class Row:
    """A row's evaluation, with the seconds and bytes of memory that it took, or why there is none."""

    method: str
    document: dict[str, Any]
    seconds: float
    peak_bytes: int
    problem: str

    @property
    def result(self) -> dict[str, Any]:
        (result,) = self.document["methods"]
        return dict(result)


def run_row(method: str, words: list[str], splits: int, path: Path, cache: Path | None) -> Row:
    """The row in the file at `path`, or else a new one, which is kept there; with an empty cache if none is given."""
    command = ["evaluate", *words, "--methods", method, "--splits", str(splits), "--json"]
    if path.exists():
        kept = json.loads(path.read_text())
        is_same = (kept["command"], kept["version"]) == (command, __version__)
        if is_same and kept["document"] and (cache or not kept["shared"]):
            return Row(method, kept["document"], kept["seconds"], kept["peak_bytes"], "")
    with tempfile.TemporaryDirectory(prefix="rows-") as empty:
        finished = run_process([*command, "--cache", str(cache or empty)])
    document = json.loads(finished.out) if finished.status == 0 else {}
    row = Row(method, document, finished.seconds, finished.peak_bytes, "" if document else finished.complaint)
    with whole_file(path) as temporary:
        temporary.write_text(
            json.dumps({"command": command, "version": __version__, "shared": cache is not None, **vars(row)})
        )
    return row


def against(row: Row, other: Row) -> str:
    """The difference from another row, with its interval, on the splits that both have."""
    ours, theirs = (each.result["by_split"] for each in (row, other))
    differences = [one - two for one, two in zip(ours, theirs, strict=False)]
    protocol, mean = row.document["protocol"], signed_percent(float(np.mean(differences)))
    interval = resampled_t(differences, protocol["train_images"], protocol["test_images"])
    if interval is None or interval.is_point:
        return mean
    return f"{mean} [{signed_percent(interval.low)}, {signed_percent(interval.high)}]"


def printed_row(place: int, row: Row, other: Row | None, *, timed: bool) -> str:
    result, splits = row.result, row.document["protocol"]["splits"]
    difference = "–" if other is None or other is row else against(row, other)
    low_high = " to ".join(percent(end) for end in result["interval"] or ()) or "–"
    cells = [
        f"{place}", f"`{row.method}`", f"{percent(result['accuracy'])} %", low_high, difference, str(splits),
        human_bytes(result["bytes_per_image"]), f"{1000 * result['seconds_per_image']:.0f} ms",
        *([f"{row.seconds:.0f} s", human_bytes(row.peak_bytes)] if timed else []),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main(
    dataset: str,
    out: Annotated[Path, typer.Option()],
    train_size: Annotated[str | None, typer.Option()] = None,
    splits: int = 20,
    rows: Annotated[str, typer.Option(help="Methods, with commas between; else all.")] = "",
    cache: Path | None = None,
    parts: Annotated[bool, typer.Option(help="Also those that learn from annotated parts.")] = False,
) -> None:
    """Run what is missing of the rows, and print the table."""
    out.mkdir(exist_ok=True, parents=True)
    methods = [name.strip() for name in rows.split(",")] if rows else [*ROWS, *SLOW_ROWS, *(PART_ROWS if parts else ())]
    words = [dataset, *([] if train_size is None else ["--train-size", train_size])]
    table, names = [], safe_file_names(methods)
    for method, name in zip(methods, names, strict=True):
        count = min(splits, SLOW_SPLITS) if method in (*SLOW_ROWS, *PART_ROWS) else splits
        table.append(run_row(method, words, count, out / f"{name}.json", cache))
    done = sorted((row for row in table if not row.problem), key=lambda row: -row.result["accuracy"])
    other = next((row for row in done if row.method == AGAINST), None)
    heads = (
        "", "method", "accuracy", "95 % interval", f"against {AGAINST}", "splits", "storage", "time",
        *(["in all", "memory"] if cache is None else []),
    )  # fmt: skip
    print(f"| {' | '.join(heads)} |")
    print("| ---: | --- |" + " ---: |" * (len(heads) - 2))
    for place, row in enumerate(done, 1):
        print(printed_row(place, row, other, timed=cache is None))
    for row in table:
        if row.problem:
            print(f"\n{row.method} was not run: {row.problem}")
    if not done:
        raise typer.Exit(1)
    results = [row.result for row in done]
    points = [
        Measured(each["name"], each["accuracy"], each["bytes_per_image"], each["seconds_per_image"]) for each in results
    ]
    rows_figure(points, done[0].document["dataset"]).savefig(out / "rows.png")


if __name__ == "__main__":
    typer.run(main)
