"""What the commands print: one JSON document, tables that fit the terminal, progress, complaints."""

import json
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

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

from crosspool.tables import Column
from crosspool.text import printable

ANY_WIDTH = 10_000
FILE_WIDTH = 80  # of paragraphs in a file or a pipe


def print_json(document: Any) -> None:
    """One JSON document on standard output, in plain ASCII where the output is not Unicode."""
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=not unicode))


def print_table(columns: Sequence[Column], elsewhere: str = "--json has all") -> None:
    """A table as wide as its contents, without its optional columns if it would not fit otherwise.

    `elsewhere` says where those are. Into a file or a pipe, a table is as wide as it likes.
    """
    console = Console(highlight=False, width=None if _has_width() else ANY_WIDTH)
    visible, left_out = list(columns), list[str]()
    while not _fits(visible, console) and any(column.optional for column in visible):
        last = max(visible, key=lambda column: column.optional)
        visible.remove(last)
        left_out.insert(0, last.title)
    visible = _names_broken(visible, console)
    table = _table(visible, whole_names=True)
    console.print(table if _width(table, console).minimum <= console.width else _table(visible))
    if left_out:
        print_wrapped(f"(left out for width: {', '.join(left_out)}; {elsewhere})")


def _has_width() -> bool:
    """Whether what is printed has to fit something: a terminal, or what $COLUMNS says."""
    return sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()


def _width(table: Table, console: Console) -> Measurement:
    return Measurement.get(console, console.options.update(max_width=ANY_WIDTH), table)


def _fits(columns: Sequence[Column], console: Console) -> bool:
    return _width(_table(columns), console).maximum <= console.width


def _names_broken(columns: list[Column], console: Console) -> list[Column]:
    """The columns with their names in several lines, the widest first, as far as the table would not fit otherwise."""
    broken = list(columns)
    room = {index: max(map(len, column.cells)) for index, column in enumerate(columns) if column.names and column.cells}
    while room and not _fits(broken, console):
        index = max(room, key=lambda index: room[index])
        room[index] -= 1
        cells = [_broken(cell, room[index]) for cell in columns[index].cells]
        if max(len(line) for cell in cells for line in cell.split("\n")) > room[index]:
            del room[index]  # no name can be broken further
        else:
            broken[index] = replace(columns[index], cells=cells)
    return broken


def _broken(name: str, width: int) -> str:
    """A name in lines of that width, each but the first beginning with / or +, where it has such places."""
    first, *others = re.split(r"(?=[/+])", name)
    lines = [first]
    for part in others:
        if len(lines[-1] + part) <= width:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(lines)


def _table(columns: Sequence[Column], *, whole_names: bool = False) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        justify: Literal["right", "left"] = "right" if column.right else "left"
        table.add_column(column.title, justify=justify, overflow="fold", no_wrap=whole_names and column.names)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


def print_wrapped(text: str, *, indent: int = 0) -> None:
    """A paragraph, wrapped to the terminal (a file: 80) between words only; `indent` spaces before each line."""
    margin = " " * indent
    typer.echo(
        textwrap.fill(
            text,
            Console().width if _has_width() else FILE_WIDTH,
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
    visible = "".join(character if character.isprintable() else "?" for character in line)
    typer.echo(f"crosspool: {visible}", err=True)


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
