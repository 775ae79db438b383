"""`search`: the images of a store that are most like one image, and why."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crosspool.cli import options
from crosspool.cli.console import print_json, print_table, print_wrapped
from crosspool.cli.options import option
from crosspool.cli.outputs import checked_output, replacing
from crosspool.strict_json import json_text
from crosspool.text import Column, cell_name, printable, share_text, signed, size_text

if TYPE_CHECKING:
    from crosspool.contributions import Contributions
    from crosspool.shards.search import Found, Neighbour, Searcher

SUFFIXES = (".png", ".pdf", ".svg")
STRONGEST = 3  # channels that are named of each image
FEATURES_HELP = "A store that crosspool extract wrote: a folder, or an address such as s3://bucket/store."
TOP_HELP = "How many images to list."
EXACT_HELP = "Compare the vectors of all images, not of those alone whose short codes are nearest."
OUT_HELP = "A .png, .pdf or .svg figure: the images found, and where in yours the likeness lies."
WEIGHTS_HELP = "The network's weights, if the store was made with your own."
DEVICE = option("DEVICE", options.DEVICE_HELP, default="that of the store")


def search_command(
    image: options.ImageFile,
    features: Annotated[str, option("STORE", FEATURES_HELP, "--features", "-f")],
    top: Annotated[int, option("N", TOP_HELP, min=1, max=100)] = 10,
    exact: Annotated[bool, typer.Option("--exact", help=EXACT_HELP)] = False,
    out: Annotated[str | None, option("FILE", OUT_HELP, "--out", "-o")] = None,
    weights: Annotated[str | None, options.weights_option(WEIGHTS_HELP, "the pretrained ones")] = None,
    device: Annotated[str | None, DEVICE] = None,
    json: options.Json = False,
) -> None:
    """List the images of a store that are most like an image, by the cosine of their vectors.

    Each similarity is split by channel, and by position in your image where positions are known: the parts add up to
    it. Images that cannot be read are never listed.
    """
    inputs = [file for file in (image, weights) if file is not None]
    path = None if out is None else checked_output(out, SUFFIXES, inputs)
    from crosspool.shards.search import Searcher

    searcher = Searcher.opened(os.path.expanduser(features), weights, device)
    found = searcher.search(image, top, exact=exact)
    reasons = [found.why(neighbour) for neighbour in found.neighbours]
    document = _document(image, features, searcher, found, reasons)
    title = _title(image, searcher, found)
    if path is not None:
        _draw(path, image, searcher, found, reasons, title, document)
    if json:
        print_json(document)
        return
    _print(title, found, reasons)
    if out is not None:
        typer.echo(f"\nWrote {out}.")


def _title(image: str, searcher: "Searcher", found: "Found") -> str:
    plan, count = searcher.store.plan, len(found.neighbours)
    nearest = "the nearest" if count == 1 else f"the {count} nearest"
    network = searcher.extractor.backbone.title
    return printable(f"{Path(image).name}: {nearest} of {plan.images:,} images · {plan.method} · {network}")


def _document(
    image: str, features: str, searcher: "Searcher", found: "Found", reasons: "list[Contributions]"
) -> dict[str, Any]:
    plan = searcher.store.plan
    parts = [{"name": part.name, "channels": len(part.channels)} for part in reasons[0].parts]
    return {
        "image": {"name": Path(image).name, "sha256": found.query.checksum.hex(), "copies": list(found.copies)},
        "features": features,
        **plan.model_dump(include={"method", "framing", "backbone", "weights", "fingerprint", "others", "images"}),
        "is_exact": found.is_exact,
        "ranked": found.ranked,
        "parts": parts,
        "neighbours": [
            _entry(rank, neighbour, why, found)
            for rank, (neighbour, why) in enumerate(zip(found.neighbours, reasons, strict=True), 1)
        ],
    }


def _entry(rank: int, neighbour: "Neighbour", why: "Contributions", found: "Found") -> dict[str, Any]:
    """A neighbour as JSON: what each channel adds, of all parts in turn, and what each cell, row by row, or null."""
    check, positions = why.check, why.positions
    return {
        "rank": rank,
        "image": neighbour.path,
        "label": neighbour.label,
        "similarity": neighbour.similarity,
        "is_query": neighbour.path in found.copies,
        "channels": why.channels.tolist(),
        "cells": None if positions is None else positions.tolist(),
        "check": {name: getattr(check, name) for name in ("by_channel", "by_position", "error", "holds")},
    }


def _print(title: str, found: "Found", reasons: "list[Contributions]") -> None:
    print_wrapped(title)
    typer.echo()
    neighbours = found.neighbours
    columns = [
        Column("rank", [str(rank) for rank in range(1, len(neighbours) + 1)], right=True),
        Column("similarity", [f"{neighbour.similarity:.4f}" for neighbour in neighbours], right=True),
        Column("image", [printable(neighbour.path) for neighbour in neighbours]),
    ]
    if any(neighbour.label is not None for neighbour in neighbours):
        columns.append(Column("label", [printable(neighbour.label or "") for neighbour in neighbours]))
    columns.append(Column("channels that add most", [_strongest_channels(why) for why in reasons], optional=2))
    if reasons[0].positions is not None:
        columns.append(Column("cell that adds most", [_strongest_cell(why) for why in reasons], optional=1))
    print_table(columns)
    typer.echo()
    if found.copies:
        print_wrapped(f"This very file is in the store: {printable(', '.join(found.copies))}.")
    print_wrapped(f"{_about(found)} {_about_parts(reasons)}")


def _about(found: "Found") -> str:
    """Which images were compared by their vectors."""
    if found.is_exact:
        return f"All {found.ranked:,} images that could be read were compared by their vectors."
    return (
        f"The {found.ranked:,} images whose short codes are nearest were compared by their vectors; --exact takes all."
    )


def _about_parts(reasons: "list[Contributions]") -> str:
    """Whether the parts add up, and of what cells."""
    positions, worst = reasons[0].positions, max(why.check.error for why in reasons)
    if positions is None:
        where = "Channels alone: where in your image they add something is not known for this method. They"
    else:
        where = f"Channels, and the {size_text(positions.shape)} cells of your image, counted from 0,"
    verdict = "add up" if all(why.check.holds for why in reasons) else "DO NOT ADD UP"
    return f"{where} {verdict} to each similarity, off by {share_text(worst)} of it."


def _file_name(neighbour: "Neighbour") -> str:
    return printable(neighbour.path.rstrip("/").rsplit("/", 1)[-1])


def _strongest_channels(why: "Contributions") -> str:
    """The channels that add most, with what they add."""
    strongest = (-why.channels).argsort(kind="stable")[:STRONGEST]
    return ", ".join(f"{why.names[k]} ({signed(float(why.channels[k]), 2)})" for k in strongest if why.channels[k] > 0)


def _strongest_cell(why: "Contributions") -> str:
    """The cell that adds most, the first of several."""
    import numpy as np

    if why.positions is None or not (why.positions > 0).any():
        return ""
    row, column = np.unravel_index(why.positions.argmax(), why.positions.shape)
    return cell_name((int(row), int(column)))


def _draw(
    path: Path, image: str, searcher: "Searcher", found: "Found", reasons: "list[Contributions]", title: str,
    document: dict[str, Any],
) -> None:  # fmt: skip
    """Write the figure, with the settings and the names of what was found in it."""
    from crosspool.drawing.neighbours_sheet import Tile, neighbours_sheet
    from crosspool.drawing.style import figure_bytes
    from crosspool.framing import frame_image
    from crosspool.images import load_image

    method, network = searcher.extractor.method, searcher.extractor.backbone
    largest = max(source.size for source in method.sources)
    framed = frame_image(load_image(image), network.spec.preprocessing, largest, method.framing)
    tiles = [
        Tile(load_image(each.thumbnail), _file_name(each), printable(each.label or ""), each.similarity, why.positions)
        for each, why in zip(found.neighbours, reasons, strict=True)
    ]
    named = [{name: entry[name] for name in ("image", "label", "similarity")} for entry in document["neighbours"]]
    about = json_text({**document, "neighbours": named})
    kind = path.suffix.lower()
    with replacing(path) as temporary:
        sheet = neighbours_sheet(framed, tiles, title=title, caption=_about_parts(reasons))
        metadata = {"Title": title, "Subject" if kind == ".pdf" else "Description": about}
        temporary.write_bytes(figure_bytes(sheet, kind[1:], metadata))
