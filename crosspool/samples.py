"""The sample photos that lie in `assets/` beside the package; their licences are in `assets/SAMPLES.md`."""

import json
from dataclasses import dataclass
from pathlib import Path

from crosspool.errors import CrosspoolError

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "samples"


@dataclass(frozen=True)
class Sample:
    """A photo that ships with crosspool; `alt` describes it for those who cannot see it."""

    id: str
    title: str
    alt: str
    path: Path


def samples() -> tuple[Sample, ...]:
    """All samples in the order in which they are offered. Raises CrosspoolError where the folder is missing."""
    try:
        entries = json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CrosspoolError(
            "The sample photos are not here: they come with a clone of the repository, not with `pip install`."
        ) from error
    return tuple(Sample(entry["id"], entry["title"], entry["alt"], FOLDER / entry["file"]) for entry in entries)
