"""What the commands print: JSON, tables that fit the terminal, errors."""

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from crosspool.strict_json import json_text
from crosspool.text import Column, Section, printable

ANY_WIDTH = 10_000
FILE_WIDTH = 80  # of paragraphs in a file or a pipe
SHOWN_PROBLEMS = 10


def print_json(document: Any) -> None:
    """Print one JSON document, in plain ASCII if the output is not Unicode."""
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    typer.echo(json_text(document, indent=2, ensure_ascii=not unicode))


def print_table(
    columns: Sequence[Column], elsewhere: str = "--json has all", *, width_in_file: int = ANY_WIDTH
) -> None:
    """Print a table, without the optional columns that do not fit the terminal.

    `elsewhere` says where those are. In a file or a pipe, a table may be `width_in_file` wide.
    """
    console = Console(highlight=False, width=None if _has_width() else width_in_file)
    visible, left_out = list(columns), list[str]()
    while not _fits(visible, console) and any(column.optional for column in visible):
        last = max(visible, key=lambda column: column.optional)
        visible.remove(last)
        left_out.insert(0, last.title)
    visible = _names_broken(visible, console)
    table = _table(visible, whole_names=True)
    table = table if _width(table, console).minimum <= console.width else _table(visible)
    if console.is_terminal:
        console.print(table)
    else:  # rich pads every line to the width of the longest
        with console.capture() as capture:
            console.print(table)
        sys.stdout.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())
    if left_out:
        print_wrapped(f"(left out for width: {', '.join(left_out)}; {elsewhere})")


def _has_width() -> bool:
    """Whether the output has a width to fit: that of a terminal, or $COLUMNS."""
    return sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()


def _width(table: Table, console: Console) -> Measurement:
    return Measurement.get(console, console.options.update(max_width=ANY_WIDTH), table)


def _fits(columns: Sequence[Column], console: Console) -> bool:
    return _width(_table(columns), console).maximum <= console.width


def _names_broken(columns: list[Column], console: Console) -> list[Column]:
    """The columns with long names broken into several lines, the widest first, until the table fits."""
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
    """A name in lines of at most this width where possible; each but the first begins with / or +."""
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
    """Print a paragraph, wrapped between words to the terminal's width, or to 80 in a file."""
    width = max(1, (Console().width if _has_width() else FILE_WIDTH) - indent)
    lines = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    typer.echo(textwrap.indent(lines, " " * indent))


def print_results(
    introduction: list[str], sections: Sequence[Section], problems: Sequence[str], folder: Path | None, files: list[str]
) -> None:
    """Print paragraphs, tables with titles and notes, problems, and the names of the files that were written."""
    for paragraph in introduction:
        print_wrapped(paragraph)
    for section in sections:
        typer.echo()
        if section.title:
            print_wrapped(section.title)
        print_table(section.columns, "--out and --json have all")
        if section.notes:
            typer.echo()
            print_wrapped(" ".join(section.notes))
    print_problems(problems)
    if folder is not None:
        typer.echo()
        print_wrapped(f"Wrote {len(files)} files to {folder}: {', '.join(files)}")


def print_problems(problems: Sequence[str]) -> None:
    """Print the first few problems, if there are any."""
    if not problems:
        return
    typer.echo("\nProblems with the data:")
    for problem in problems[:SHOWN_PROBLEMS]:
        print_wrapped(f"- {problem}", indent=2)
    if len(problems) > SHOWN_PROBLEMS:
        print_wrapped(f"... and {len(problems) - SHOWN_PROBLEMS} more", indent=2)


def print_labels(image: str, ranked: Sequence[tuple[str, str]]) -> None:
    """Print an image's name, and below it its labels, each after a number."""
    typer.echo(printable(image))
    for number, label in ranked:
        typer.echo(f"{number}  {printable(label)}")


def complain(sentence: str) -> None:
    """Print one line on standard error, without control characters that a file name may contain."""
    line = " ".join(sentence.split())
    visible = "".join(character if character.isprintable() else "?" for character in line)
    typer.echo(f"crosspool: {visible}", err=True)
