"""Tables of images: a CSV, TSV or Parquet file with their paths or addresses, and perhaps labels and a split."""

import io
import os
import posixpath
import warnings
from collections.abc import Iterable, Sequence
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
    fs, path = file_system(source)
    with explained(source):
        data = fs.cat_file(path)
    table = _parsed(data, posixpath.splitext(source)[1].lower(), source)
    columns = [_column(table, names, source) for names in (PATH_COLUMNS, LABEL_COLUMNS, SPLIT_COLUMNS)]
    addresses, labels, splits = (None if column is None else _texts(table[column]) for column in columns)
    if addresses is None:
        expected = ", ".join(PATH_COLUMNS)
        raise DatasetError(f"{source} has no column of images; name one of its columns {expected}.")
    folder = source.rsplit("/", 1)[0] if "/" in source else "."
    named = [place for place, address in enumerate(addresses) if address is not None]
    paths = [str(addresses[place]) for place in named]
    nothing = [None] * len(addresses)
    own_labels, cells = ([(column or nothing)[place] for place in named] for column in (labels, splits))
    parts, problems = _split(cells, columns[2])
    if len(named) < len(addresses):
        words = "row is left out, as it names", "rows are left out, as they name"
        problems.insert(0, f"{plural(len(addresses) - len(named), *words)} no image.")
    has = [word for word, column in (("labels", labels), ("a split", any(parts))) if column]
    return Table(
        names=tuple(map(printable, paths)),
        addresses=tuple(_absolute(path, folder) for path in paths),
        labels=tuple(None if label is None else printable(label) for label in own_labels),
        splits=tuple(parts),
        layout=_layout(len(named), has, [str(column) for column in table.columns if column not in columns]),
        problems=tuple(problems),
    )


def _layout(count: int, has: list[str], unused: list[str]) -> str:
    """What was read, and which columns were not."""
    found = f"A table of {plural(count, 'image')}" + (f", with {' and '.join(has)}" if has else "")
    return f"{found}; not read: {_named(unused)}." if unused else f"{found}."


def _split(cells: Sequence[str | None], column: Any) -> tuple[list[str | None], list[str]]:
    """The part of each image, and what is wrong, in sentences; as with folders, val is tested on where no test is.

    Cells that are no part of a split are in none of it.
    """
    if column is None:
        return [None] * len(cells), []
    roles = [exact_role(cell or "") for cell in cells]
    held_out: Role = "test" if "test" in roles else "val"
    others = sorted({cell or "empty" for cell, role in zip(cells, roles, strict=True) if role is None})
    name = printable(str(column))
    if not {held_out, "train"} <= set(roles):
        every = sorted({cell or "empty" for cell in cells})
        return [None] * len(cells), [f"The column {name} gives no split: it has {_named(every)}, not train and test."]
    count = plural(roles.count(None), "image has", "images have")
    problems = [f"{count} no part of the split in the column {name}: {_named(others)}."] if others else []
    return [None if role is None else "test" if role == held_out else "train" for role in roles], problems


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(printable, names[:MOST_NAMED])) + more


def _parsed(data: bytes, suffix: str, source: str) -> Any:
    """A table from the bytes of its file. Raises DatasetError where a row has more cells than the first."""
    import pandas as pd

    file, separator = io.BytesIO(data), "\t" if suffix == ".tsv" else ","
    try:
        if suffix == ".parquet":
            return pd.read_parquet(file, dtype_backend="pyarrow")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, index_col=False)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        problem = f"{source} cannot be read as a table ({' '.join(str(error).split())})"
        advice = "as Parquet" if suffix == ".parquet" else "in UTF-8, with as many cells in each row"
        raise DatasetError(f"{problem}; save it again {advice}.") from error


def _column(table: Any, names: Iterable[str], source: str) -> Any:
    """The one column with such a name; None without one. Raises DatasetError where there are several."""
    found = [column for column in table.columns if str(column).strip().lower() in names]
    if len(found) > 1:
        problem = f"{source} has several columns that can be meant ({', '.join(map(str, found))})"
        raise DatasetError(f"{problem}; leave one of them, or give the others another name.")
    return found[0] if found else None


def _texts(values: Any) -> list[str | None]:
    """Texts without the space around them; None where there is none."""
    import pandas as pd

    return [None if pd.isna(value) else str(value).strip() or None for value in values]


def _absolute(name: str, folder: str) -> str:
    return name if "://" in name or os.path.isabs(name) else f"{folder}/{name}"
