"""How odd image files are read, beside what a reference decoder sees in them, and the tables of that."""

import os
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import psutil

from benchmarks.harness.pictures import Picture, differences
from benchmarks.harness.reference_decoders import Reference
from crosspool.errors import ImageError
from crosspool.images import MIN_SIDE, load_image
from crosspool.text import Column, markdown_table

LIMIT_SECONDS = 30.0  # longer than that is a hang, even on a busy machine
HEADER = [
    "format",
    "files",
    "read",
    "refused",
    "faults",
    "compared",
    "different",
    "refused, but shown by the reference",
]


@dataclass(frozen=True)
class Reading:
    """What came of reading a file: a picture, a sentence that refuses it, or a fault."""

    picture: Picture | None = None
    refusal: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Result:
    """A file's name and kind, how it was read, and what the reference decoder saw."""

    name: str
    kind: str
    reading: Reading
    reference: Reference | None

    @property
    def is_compared(self) -> bool:
        return self.reading.picture is not None and self.reference is not None

    @property
    def differences(self) -> str:
        if self.reading.picture is None or self.reference is None:
            return ""
        return ", ".join(differences(self.reading.picture, self.reference.picture))

    @property
    def is_missed(self) -> bool:
        """Whether the reference reads what is refused here; for its size alone it may be refused."""
        if self.reference is None or not self.reading.refusal:
            return False
        return min(self.reference.picture.width, self.reference.picture.height) >= MIN_SIDE


def silence() -> None:
    """Let this process not show what libraries write of damaged files."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def reading_of(path: Path) -> Reading:
    try:
        return Reading(Picture.of(load_image(path, name=path.name)))
    except ImageError as error:
        return Reading(refusal=str(error))
    except Exception:
        return Reading(fault=traceback.format_exc())


def readings(files: list[Path], limit: float = LIMIT_SECONDS) -> list[Reading]:
    """How each file is read; after a crash or a hang, the next ones get another process."""
    results: list[Reading] = []
    while len(results) < len(files):
        with ProcessPoolExecutor(1, get_context("spawn"), silence) as pool:
            process = psutil.Process(pool.submit(os.getpid).result())
            for path in files[len(results) :]:
                try:
                    results.append(pool.submit(reading_of, path).result(limit))
                except TimeoutError:
                    results.append(Reading(fault=f"It takes more than {limit:g} s."))
                    process.kill()
                    break
                except BrokenProcessPool:
                    results.append(Reading(fault="The process that read it crashed."))
                    break
    return results


def report(results: list[Result]) -> str:
    """The tables, in Markdown."""
    kinds = sorted({result.kind for result in results})
    rows = [_row(kind, [result for result in results if result.kind == kind]) for kind in kinds]
    rows.append(_row("all", results))
    parts = [_table(HEADER, rows, left=1)]
    faults = [[result.name, result.reading.fault] for result in results if result.reading.fault]
    different = [
        [result.name, result.reference.decoder, result.differences]
        for result in results
        if result.reference is not None and result.differences
    ]
    missed = [
        [result.name, result.reference.decoder, result.reading.refusal.removeprefix(Path(result.name).name).strip()]
        for result in results
        if result.reference is not None and result.is_missed
    ]
    for title, header, table in (
        ("Faults", ["file", "fault"], faults),
        ("Different", ["file", "reference", "here"], different),
        ("Refused, not by the reference", ["file", "reference", "the sentence"], missed),
    ):
        if table:
            parts.append(f"{title}:\n\n{_table(header, table, left=len(header))}")
    return "\n\n".join(parts)


def _row(kind: str, results: list[Result]) -> list[str]:
    counts = Counter(
        read=sum(result.reading.picture is not None for result in results),
        refused=sum(bool(result.reading.refusal) for result in results),
        faults=sum(bool(result.reading.fault) for result in results),
        compared=sum(result.is_compared for result in results),
        different=sum(bool(result.differences) for result in results),
        missed=sum(result.is_missed for result in results),
    )
    return [kind, *(f"{count:,}" for count in (len(results), *counts.values()))]


def _table(header: list[str], rows: list[list[str]], *, left: int) -> str:
    columns = zip(header, zip(*rows, strict=True), strict=True)
    return markdown_table([Column(title, cells, right=place >= left) for place, (title, cells) in enumerate(columns)])
