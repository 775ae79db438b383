"""Tables of images: a CSV, TSV or Parquet file with their paths or addresses, and perhaps labels and a split."""

import io
import os
import posixpath
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crosspool.errors import DatasetError
from crosspool.shards.place import file_system
from crosspool.shards.reading import explained
from crosspool.text import plural, printable

SUFFIXES = (".csv", ".tsv", ".parquet")
PATH_COLUMNS = ("path", "url", "address", "file", "filename", "image")
LABEL_COLUMNS = ("label", "class", "category", "species")
SPLIT_COLUMNS = ("split", "subset", "partition")
PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
MOST_NAMED = 5  # columns or parts


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
    nothing = [None] * len(addresses)
    rows = [row for row in zip(addresses, labels or nothing, splits or nothing, strict=True) if row[0] is not None]
    nameless = plural(len(addresses) - len(rows), "row is left out, as it names", "rows are left out, as they name")
    return Table(
        names=tuple(printable(str(address)) for address, _, _ in rows),
        addresses=tuple(_absolute(str(address), folder) for address, _, _ in rows),
        labels=tuple(None if label is None else printable(label) for _, label, _ in rows),
        splits=tuple(PARTS.get(str(part).lower()) for _, _, part in rows),
        layout=_layout(len(rows), columns, [str(column) for column in table.columns if column not in columns]),
        problems=(*((f"{nameless} no image.",) if len(rows) < len(addresses) else ()), *_other_parts(rows, columns[2])),
    )


def _layout(count: int, columns: list[Any], unused: list[str]) -> str:
    """What was read: that a column was not should surprise nobody."""
    labels, split = (", with labels" * (columns[1] is not None), " and a split" * (columns[2] is not None))
    found = f"A table of {plural(count, 'image')}{labels}{split if labels else split.replace(' and', ', with')}"
    if not unused:
        return f"{found}."
    more = f" and {len(unused) - MOST_NAMED:,} more" * (len(unused) > MOST_NAMED)
    return f"{found}; not read: {', '.join(map(printable, unused[:MOST_NAMED]))}{more}."


def _other_parts(rows: list[tuple[str | None, str | None, str | None]], column: Any) -> tuple[str, ...]:
    """A sentence on images that are for neither training nor testing, where a column says which are."""
    if column is None:
        return ()
    others = [str(part) for _, _, part in rows if str(part).lower() not in PARTS]
    if not others:
        return ()
    shown = ", ".join("empty" if each == "None" else printable(each) for each in sorted(set(others))[:MOST_NAMED])
    count = plural(len(others), "image is", "images are")
    return (f"{count} for neither training nor testing, as {column} is neither train nor test there ({shown}).",)


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
