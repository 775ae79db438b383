"""Every method as a row of one table: `python -m benchmarks.accuracy.rows DATASET --train-size N --out DIR`.

Each row is a `crosspool evaluate` of its own, with nothing in its cache, which gives the time and the memory of that
method alone; with --cache FOLDER rows share what they compute, and the table has neither. A row that has its file in
DIR is not run again. The table is ordered by accuracy; each row is set against cl@448 on the same splits. The figure
shows accuracy against bytes and seconds.
"""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.harness.rows import Row, against, run_row
from benchmarks.harness.rows_figure import Measured, rows_figure
from crosspool.evaluation.files import safe_file_names
from crosspool.text import human_bytes, percent

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
