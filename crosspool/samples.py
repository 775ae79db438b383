"""The sample photos in `assets/`; their licences are in `assets/SAMPLES.md`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosspool.errors import CrosspoolError
from crosspool.installation import app_folder

FOLDER = app_folder() / "assets" / "samples"


@dataclass(frozen=True)
class ExampleBox:
    """A box on a photo, left, top, right and bottom in parts of the sides of its centre crop, and what to ask of it."""

    box: tuple[float, float, float, float]
    question: str


@dataclass(frozen=True)
class SamplePhoto:
    """A photo that ships with crosspool; `alt` describes it for people who cannot see it."""

    id: str
    title: str
    alt: str
    path: Path
    example: ExampleBox | None = None


def samples() -> tuple[SamplePhoto, ...]:
    """All sample photos in the order in which they are offered. Raises CrosspoolError if their folder is missing."""
    try:
        entries = json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        advice = "install crosspool again, or: git checkout assets"
        raise CrosspoolError(f"The sample photos are missing from {FOLDER}; {advice}") from error
    return tuple(
        SamplePhoto(entry["id"], entry["title"], entry["alt"], FOLDER / entry["file"], _example(entry.get("example")))
        for entry in entries
    )


def _example(entry: dict[str, Any] | None) -> ExampleBox | None:
    if entry is None:
        return None
    left, top, right, bottom = entry["box"]
    return ExampleBox((left, top, right, bottom), entry["question"])
