"""The folder of files that `evaluate --out` and `faithfulness --out` write, and what they print."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import typer

from crosspool.cli.console import print_table, print_wrapped
from crosspool.cli.outputs import made_folder, replacing
from crosspool.evaluation.findings import AccuracyFindings
from crosspool.tables import Section

RECORD = "results.json"
OWN_FILES = re.compile(
    r"results\.(csv|md)|(paired|predictions)\.csv|accuracy-against-bytes\.(png|svg)|confusion-[\w.@+-]+\.(csv|png)",
    re.ASCII,
)


def write_results(folder: Path, findings: AccuracyFindings) -> list[str]:
    """Write the files of an evaluation, and remove those that an earlier run wrote here and this one does not."""
    from crosspool.evaluation.files import accuracy_files

    return write_files(folder, accuracy_files(findings), stale=_files_of(folder / RECORD))


def write_files(folder: Path, files: Mapping[str, Callable[[], bytes]], stale: Collection[str] = ()) -> list[str]:
    """Write all files, each replaced whole, and return their names.

    Stale files are removed once the first file, the record of the others, is written.
    """
    made_folder(folder)
    for number, (name, contents) in enumerate(files.items()):
        with replacing(folder / name) as temporary:
            temporary.write_bytes(contents())
        if number == 0:
            for old in set(stale) - set(files):
                _remove(folder / old)
    return list(files)


def print_written(folder: Path | None, names: Sequence[str]) -> None:
    if folder is not None:
        typer.echo()
        print_wrapped(f"Wrote {len(names)} files to {folder}: {', '.join(names)}")


def print_sections(introduction: Sequence[str], sections: Sequence[Section]) -> None:
    """Paragraphs, and tables with their titles and notes, as wide as the terminal."""
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


def _files_of(record: Path) -> set[str]:
    """The files that an earlier run listed in results.json, as far as this tool gives files such names."""
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    listed = document.get("files") if isinstance(document, dict) else None
    names = listed if isinstance(listed, list) else []
    return {name for name in names if isinstance(name, str) and OWN_FILES.fullmatch(name)}


def _remove(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        with suppress(OSError):
            path.unlink()
