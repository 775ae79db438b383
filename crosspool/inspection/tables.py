"""The reports as sections of a page or a terminal, and as JSON."""

from dataclasses import asdict
from typing import Any

from crosspool.inspection.dataset import DatasetReport
from crosspool.inspection.image import ImageReport
from crosspool.text import Column, Section, human_bytes, plural, size_text


def class_section(report: DatasetReport) -> Section:
    """The classes of a data set, with their images in all and in each part."""
    classes = report.classes
    columns = [
        Column("label" if report.multi_label else "class", [each.name for each in classes]),
        Column("images", [f"{each.images:,}" for each in classes], right=True),
    ]
    columns += [
        Column(part, [f"{each.parts[part]:,}" for each in classes], right=True, optional=1) for part in report.parts
    ]
    return Section("", tuple(columns))


def image_section(report: ImageReport) -> Section:
    """What an image's file is, a line each."""
    lines = {
        "format": f"{report.format}, {report.subformat}" if report.subformat else report.format,
        "bytes": human_bytes(report.bytes),
        "size": f"{size_text(report.size)} pixels",
        "colours": report.mode if report.depth is None else f"{report.mode}, {plural(report.depth, 'bit')}",
        "transparency": "yes" if report.alpha else "no",
        "orientation": report.orientation,
        "colour profile": report.profile or "none",
        "frames": f"{report.frames:,}",
        "skipped, as broken": ", ".join(report.broken) or "nothing",
    }
    return Section("", (Column("what", list(lines)), Column("value", list(lines.values()))))


def dataset_json(report: DatasetReport) -> dict[str, Any]:
    """A report on a data set, with all that its sentences are made of."""
    smallest, median, largest = report.sizes or (None, None, None)
    document = asdict(report) | {"sizes": {"smallest": smallest, "median": median, "largest": largest}}
    return {"kind": "dataset", **document}
