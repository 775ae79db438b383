"""The sample photos in `assets/`; their licences are in `assets/SAMPLES.md`."""

import json
from dataclasses import dataclass
from pathlib import Path

from crosspool.errors import CrosspoolError
from crosspool.installation import app_folder

FOLDER = app_folder() / "assets" / "samples"


@dataclass(frozen=True)
class SamplePhoto:
    """A photo that ships with crosspool; `alt` describes it for people who cannot see it."""

    id: str
    title: str
    alt: str
    path: Path


def samples() -> tuple[SamplePhoto, ...]:
    """All sample photos in the order in which they are offered. Raises CrosspoolError if their folder is missing."""
    try:
        entries = json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        advice = "install crosspool again, or: git checkout assets"
        raise CrosspoolError(f"The sample photos are missing from {FOLDER}; {advice}") from error
    return tuple(SamplePhoto(entry["id"], entry["title"], entry["alt"], FOLDER / entry["file"]) for entry in entries)
