"""Rows of a table of methods, each evaluated by a process of its own and kept in a file."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosspool import __version__
from crosspool.evaluation.intervals import resampled_t
from crosspool.evaluation.reproduction import run_process
from crosspool.text import signed_percent
from crosspool.whole_files import whole_file


@dataclass(frozen=True)
class Row:
    """A row's evaluation, with the seconds and bytes of memory that it took, or why there is none."""

    method: str
    document: dict[str, Any]
    seconds: float
    peak_bytes: int
    problem: str

    @property
    def result(self) -> dict[str, Any]:
        (result,) = self.document["methods"]
        return dict(result)


def run_row(method: str, words: list[str], splits: int, path: Path, cache: Path | None) -> Row:
    """The row in the file at `path`, or else a new one, which is kept there; with an empty cache if none is given."""
    command = ["evaluate", *words, "--methods", method, "--splits", str(splits), "--json"]
    if path.exists():
        kept = json.loads(path.read_text())
        is_same = (kept["command"], kept["version"]) == (command, __version__)
        if is_same and kept["document"] and (cache or not kept["shared"]):
            return Row(method, kept["document"], kept["seconds"], kept["peak_bytes"], "")
    with tempfile.TemporaryDirectory(prefix="rows-") as empty:
        finished = run_process([*command, "--cache", str(cache or empty)])
    document = json.loads(finished.out) if finished.status == 0 else {}
    row = Row(method, document, finished.seconds, finished.peak_bytes, "" if document else finished.complaint)
    with whole_file(path) as temporary:
        temporary.write_text(
            json.dumps({"command": command, "version": __version__, "shared": cache is not None, **vars(row)})
        )
    return row


def against(row: Row, other: Row) -> str:
    """The difference from another row, with its interval, on the splits that both have."""
    ours, theirs = (each.result["by_split"] for each in (row, other))
    differences = [one - two for one, two in zip(ours, theirs, strict=False)]
    protocol, mean = row.document["protocol"], signed_percent(float(np.mean(differences)))
    interval = resampled_t(differences, protocol["train_images"], protocol["test_images"])
    if interval is None or interval.is_point:
        return mean
    return f"{mean} [{signed_percent(interval.low)}, {signed_percent(interval.high)}]"
