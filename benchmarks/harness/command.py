"""What the commands have in common: their options, the machine's load, and tables."""

import argparse
import os
from collections.abc import Sequence

from crosspool.tables import Column, markdown_table

Default = int | float | str | Sequence[str] | Sequence[int]


def parser_of(doc: str | None, **defaults: Default | tuple[Default, str]) -> argparse.ArgumentParser:
    """A command's parser: an option for each default, given alone or with its help; a list takes several values."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, given in defaults.items():
        default, text = given if isinstance(given, tuple) else (given, None)
        several = isinstance(default, list)
        kind = type(default[0] if isinstance(default, list) else default)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, default=default, help=text, nargs="+" if several else None
        )
    return parser


def options_of(doc: str | None, **defaults: Default | tuple[Default, str]) -> argparse.Namespace:
    """The options that a command was started with."""
    return parser_of(doc, **defaults).parse_args()


def busyness() -> str:
    """How many cores there are, and how busy they are."""
    return f"{os.cpu_count()} cores, load {', '.join(f'{value:.1f}' for value in os.getloadavg())}"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as they need to be; the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    print(f"\n{title}")
    for row in (header, ["-" * width for width in widths], *rows):
        cells = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip(), flush=True)


def print_markdown(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str] = ()) -> None:
    """Print a Markdown table; numbers stand to the right, the first column and those named in `words` to the left."""
    left = {header[0], *words}
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    print(
        markdown_table(
            [Column(title, cells, right=title not in left) for title, cells in zip(header, columns, strict=True)]
        )
    )
