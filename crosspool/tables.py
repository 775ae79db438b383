"""Tables by their columns, and how they are written in files."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """A column of a table. On a narrow terminal, columns with an `optional` rank are left out, the highest first.

    If that is not enough, the cells of a column of method `names` are broken into lines before a / or a +.
    """

    title: str
    cells: Sequence[str]
    right: bool = False
    optional: int = 0
    names: bool = False


@dataclass(frozen=True)
class Section:
    """A table with a title, and notes below it."""

    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()


def markdown_table(columns: Sequence[Column]) -> str:
    """The table in Markdown."""
    rows = [
        [column.title for column in columns],
        ["---:" if column.right else "---" for column in columns],
        *zip(*(column.cells for column in columns), strict=True),
    ]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def markdown_page(
    title: str, command: str, introduction: str, sections: Sequence[Section], problems: Sequence[str], made_with: str
) -> str:
    """A Markdown page, with the command that made it."""
    parts = [f"# {title}", f"```console\n{command}\n```", introduction]
    for section in sections:
        heading = f"## {section.title.rstrip('.')}" if section.title else ""
        parts += [heading, markdown_table(section.columns), " ".join(section.notes)]
    if problems:
        parts += ["## Problems with the data", "\n".join(f"- {problem}" for problem in problems)]
    return "\n\n".join(part for part in [*parts, f"Made with {made_with}."] if part) + "\n"


def csv_text(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as comma-separated values. Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_no_formula(cell) for cell in row] for row in rows)
    return text.getvalue()


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
