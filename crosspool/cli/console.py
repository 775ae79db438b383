"""What the commands print: one JSON document, tables that fit the terminal, progress, complaints."""

import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from crosspool.text import printable


@dataclass(frozen=True)
class Column:
    """A table's column; one with an `optional` rank is left out, the highest first, where the terminal is narrow."""

    title: str
    cells: Sequence[str]
    right: bool = False
    optional: int = 0


def print_json(document: Any) -> None:
    """One JSON document on standard output, in plain ASCII where the output is not Unicode."""
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=not unicode))


def print_table(columns: Sequence[Column]) -> None:
    """A table as wide as its contents, without its optional columns if it would not fit otherwise."""
    console = Console(highlight=False)
    kept = list(columns)
    while True:
        table = _table(kept)
        width = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
        optional = [column for column in kept if column.optional]
        if width <= console.width or not optional:
            break
        kept.remove(max(optional, key=lambda column: column.optional))
    console.print(table)


def _table(columns: Sequence[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


def print_wrapped(text: str, *, indent: int = 0) -> None:
    """A paragraph, wrapped to the terminal between words only; `indent` spaces before each line."""
    margin = " " * indent
    typer.echo(
        textwrap.fill(
            text,
            Console().width,
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def print_labels(image: str, ranked: Sequence[tuple[str, str]]) -> None:
    """An image's name, and below it its labels, each behind a number."""
    typer.echo(printable(image))
    for number, label in ranked:
        typer.echo(f"{number}  {printable(label)}")


def complain(sentence: str) -> None:
    """One line on standard error, without control characters that a file's name may hold."""
    line = " ".join(sentence.split())
    shown = "".join(character if character.isprintable() else "?" for character in line)
    typer.echo(f"crosspool: {shown}", err=True)


def images_progress() -> Progress:
    """A bar that counts images, on standard error, where that is a terminal."""
    return _progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def download_progress() -> Progress:
    """A bar with megabytes and speed, on standard error, where that is a terminal."""
    return _progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )


def _progress(*columns: Any) -> Progress:
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
