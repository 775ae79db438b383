"""Tables of images: a CSV, TSV or Parquet file with their paths or addresses, and perhaps labels and a split."""

import csv
import io
import math
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crosspool.datasets.words import Role, exact_role
from crosspool.errors import DatasetError
from crosspool.shards.place import file_system
from crosspool.shards.reading import explained
from crosspool.text import plural, printable

SUFFIXES = (".csv", ".tsv", ".parquet")
PATH_COLUMNS = ("path", "url", "address", "file", "filename", "image")
LABEL_COLUMNS = ("label", "class", "category", "species")
SPLIT_COLUMNS = ("split", "subset", "partition")
MOST_NAMED = 5  # columns, or values of one
Parsed = tuple[list[str], list[str | None], list[list[str | None]]]  # all columns, those that are read, and their cells
_QUOTED = re.compile(rb'(?:^|[\t\r\n])"')  # a cell of a TSV file that begins with a quote


@dataclass(frozen=True)
class Table:
    """The images of a table: how it names each, where it is, its label, and its part of a split, where it has one.

    `layout` says what was read, and `problems` what was left out.
    """

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    labels: tuple[str | None, ...]
    splits: tuple[str | None, ...]
    layout: str
    problems: tuple[str, ...]


def read_table(source: str) -> Table:
    """The images of the table at an address; paths count from its folder.

    Raises DatasetError where it cannot be read, or can be understood in two ways.
    """
    from pyarrow import ArrowException

    fs, path = file_system(source)
    with explained(source):
        data = fs.cat_file(path)
    suffix = posixpath.splitext(source)[1].lower()
    try:
        header, chosen, cells = (_of_parquet if suffix == ".parquet" else _of_text)(data, source)
    except DatasetError:
        raise
    except (ValueError, OSError, csv.Error, ArrowException) as error:
        problem = f"{source} cannot be read as a table ({' '.join(str(error).split())})"
        advice = "as Parquet" if suffix == ".parquet" else "in UTF-8, with as many cells in each row"
        raise DatasetError(f"{problem}; save it again {advice}.") from error
    addresses, labels, splits = cells
    folder = source.rsplit("/", 1)[0] if "/" in source else "."
    named = [place for place, address in enumerate(addresses) if address is not None]
    paths = [str(addresses[place]) for place in named]
    own_labels, own_splits = ([column[place] for place in named] for column in (labels, splits))
    parts, problems = _split(own_splits, chosen[2])
    if len(named) < len(addresses):
        words = "row is left out, as it names", "rows are left out, as they name"
        problems.insert(0, f"{plural(len(addresses) - len(named), *words)} no image.")
    has = [word for word, column in (("labels", own_labels), ("a split", parts)) if any(column)]
    return Table(
        names=tuple(map(printable, paths)),
        addresses=tuple(_absolute(path, folder) for path in paths),
        labels=tuple(None if label is None else printable(label) for label in own_labels),
        splits=tuple(parts),
        layout=_layout(len(named), has, [column for column in header if column not in chosen]),
        problems=tuple(problems),
    )


def _layout(count: int, has: list[str], unused: list[str]) -> str:
    """What was read, and which columns were not."""
    found = f"A table of {plural(count, 'image')}" + (f", with {' and '.join(has)}" if has else "")
    return f"{found}; not read: {_named(unused)}." if unused else f"{found}."


def _split(cells: Sequence[str | None], column: str | None) -> tuple[list[str | None], list[str]]:
    """The part of each image, and what is wrong, in sentences; as with folders, val is tested on where no test is.

    Cells that are no part of a split are in none of it.
    """
    if column is None:
        return [None] * len(cells), []
    roles = [exact_role(cell or "") for cell in cells]
    held_out: Role = "test" if "test" in roles else "val"
    others = sorted({cell or "empty" for cell, role in zip(cells, roles, strict=True) if role is None})
    name = printable(column)
    if not {held_out, "train"} <= set(roles):
        every = sorted({cell or "empty" for cell in cells})
        return [None] * len(cells), [f"The column {name} gives no split: it has {_named(every)}, not train and test."]
    count = plural(roles.count(None), "image has", "images have")
    problems = [f"{count} no part of the split in the column {name}: {_named(others)}."] if others else []
    return [None if role is None else "test" if role == held_out else "train" for role in roles], problems


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(printable, names[:MOST_NAMED])) + more


def _of_parquet(data: bytes, source: str) -> Parsed:
    from crosspool.shards.rows import opened

    file = opened(io.BytesIO(data))
    schema = file.schema_arrow
    chosen = _chosen(schema.names, source)
    columns = [column for column in chosen if column is not None]
    for column in columns:
        if not _has_words(schema.field(column).type):
            kind = str(schema.field(column).type).partition("<")[0]
            problem = f"The column {printable(column)} of {source} is of type {kind}, not text, numbers or booleans"
            raise DatasetError(f"{problem}; save it as text, or give it another name.")
    table = file.read(columns=columns, use_threads=False)
    nothing: list[str | None] = [None] * len(table)
    cells = [nothing if column is None else _texts(table[column].to_pylist()) for column in chosen]
    return schema.names, chosen, cells


def _has_words(kind: Any) -> bool:
    """Whether a column's values are text, numbers or booleans, perhaps by their places in a list, or there are none."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _has_words(kind.value_type)
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(is_text or is_number or types.is_boolean(kind) or types.is_null(kind))


def _texts(values: Iterable[Any]) -> list[str | None]:
    """Texts without the space around them; None where there is none."""
    return [None if value is None or _is_nan(value) else str(value).strip() or None for value in values]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _of_text(data: bytes, source: str) -> Parsed:
    """The cells of a CSV file, or of a TSV file, where a quote is a character like any other."""
    text, is_tsv = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=""), source.lower().endswith(".tsv")
    rows = _numbered(
        csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE) if is_tsv else csv.reader(text, strict=True)
    )
    _, header = next(rows, (1, []))
    if not header:
        raise ValueError("it is empty")
    chosen = _chosen(header, source)
    places = [None if column is None else header.index(column) for column in chosen]
    cells: list[list[str | None]] = [[] for _ in chosen]
    may_be_quoted = is_tsv and _QUOTED.search(data)
    for line, row in rows:
        if len(row) > len(header):
            raise ValueError(f"line {line} has {plural(len(row), 'cell')}, and the first {len(header)}")
        if may_be_quoted and len(row) < len(header):
            problem = f"{source} has fewer cells in line {line} than in the first, and quotes, perhaps around cells"
            raise DatasetError(f"{problem} that go on in the next line; save it as CSV.")
        for place, column in zip(places, cells, strict=True):
            cell = "" if place is None or place >= len(row) else row[place]
            if doubt := _doubt(cell, is_tsv):
                problem = f"{source} has {doubt} in line {line}, in the column {printable(header[place or 0])}"
                raise DatasetError(f"{problem}; mend this line, or save the table again as Parquet.")
            column.append(cell.strip() or None)
    return header, chosen, cells


def _doubt(cell: str, is_tsv: bool) -> str:
    """What lets a cell be read in two ways; nothing for most."""
    if is_tsv:
        return "a quote that may belong to a cell or be around it" if cell.startswith('"') else ""
    return "a line break within a cell, or a quote too many" if "\n" in cell or "\r" in cell else ""


def _numbered(rows: Any) -> Iterator[tuple[int, list[str]]]:
    """The rows of a csv.reader that are not blank, each with the number of its first line."""
    line = 1
    try:
        for row in rows:
            if row:
                yield line, row
            line = rows.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {line}: {error}") from error


def _chosen(header: Sequence[str], source: str) -> list[str | None]:
    """The columns of the paths, labels and splits; None where there is no such column.

    Raises DatasetError where there are several, or none of paths.
    """
    chosen = [_column(header, names, source) for names in (PATH_COLUMNS, LABEL_COLUMNS, SPLIT_COLUMNS)]
    if chosen[0] is None:
        advice = f"name one of its columns {', '.join(PATH_COLUMNS)}"
        if len(header) == 1 and ";" in header[0]:
            advice = "it seems to be separated by semicolons; save it again with commas"
        raise DatasetError(f"{source} has no column of images (it has {_named(header)}); {advice}.")
    return chosen


def _column(header: Sequence[str], names: Iterable[str], source: str) -> str | None:
    """The one column with such a name; None without one. Raises DatasetError where there are several."""
    found = [column for column in header if column.strip().lower() in names]
    if len(found) > 1:
        problem = f"{source} has several columns that can be meant ({', '.join(map(printable, found))})"
        raise DatasetError(f"{problem}; leave one of them, or give the others another name.")
    return found[0] if found else None


def _absolute(name: str, folder: str) -> str:
    return name if "://" in name or os.path.isabs(name) else f"{folder}/{name}"
