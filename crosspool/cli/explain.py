"""`explain`: why a classifier gives an image its score."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crosspool.cli import options
from crosspool.cli.console import print_json, print_labels, print_table, print_wrapped
from crosspool.cli.inputs import file_checksum
from crosspool.cli.options import option
from crosspool.cli.outputs import checked_output, replacing
from crosspool.errors import SettingError
from crosspool.strict_json import json_text
from crosspool.text import Column, cells_name, csv_text, printable, rough_percent, share_text, signed

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from crosspool.backbones import Backbone
    from crosspool.classifiers import LinearClassifier
    from crosspool.contributions import Contributions, Explanation

SUFFIXES = (".png", ".pdf", ".svg", ".csv", ".npz")
OUT_HELP = "A .png, .pdf or .svg figure, a .csv of all channels, or an .npz."
AGAINST_HELP = "Explain the lead over this class instead of the score."
SIMILAR_HELP = "Explain the similarity to this image instead of a score."
WITHOUT_HELP = "Show the scores without channels such as 0,5,12-20; if there are several parts, by index."
TOP = option("N", "How many channels to show.", min=1, max=40)
BACKBONE = option("NAME", "The network, without --model.", "--backbone", "-b", default=options.DEFAULT_BACKBONE)
WEIGHTS = options.weights_option("The network's weights.", "those of the model, or pretrained")


def explain_command(
    image: options.ImageFile,
    model: Annotated[str | None, options.model_option("the network's own classes, without any training")] = None,
    out: Annotated[str | None, option("FILE", OUT_HELP, "--out", "-o")] = None,
    name: Annotated[str | None, option("NAME", "The class.", "--class", default="the predicted one")] = None,
    against: Annotated[str | None, option("NAME", AGAINST_HELP)] = None,
    similar_to: Annotated[str | None, options.image_option(SIMILAR_HELP)] = None,
    without: Annotated[str | None, options.channels_option(WITHOUT_HELP)] = None,
    top: Annotated[int, TOP] = 8,
    backbone: Annotated[str | None, BACKBONE] = None,
    size: options.Size = None,
    framing: options.Framing = "crop",
    weights: Annotated[str | None, WEIGHTS] = None,
    classes: options.Classes = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    json: options.Json = False,
) -> None:
    """Split a class's score by channel and by position: what speaks for the class, and where.

    The parts add up to the score, which is checked. Without --model the classes are the network's own.
    """
    inputs = [file for file in (image, similar_to, model, weights) if file is not None]
    path = None if out is None else checked_output(out, SUFFIXES, inputs)
    if similar_to is not None and (name is not None or against is not None or without is not None):
        advice = "leave out --similar-to, or --class, --against and --without"
        raise SettingError(f"Explain either a score or a similarity: {advice}.")
    if model is not None and (backbone is not None or size is not None or framing != "crop" or classes is not None):
        advice = "leave out --backbone, --classes, --size and --framing"
        raise SettingError(f"The model determines network, classes, size and framing; {advice}.")
    from crosspool import contributions
    from crosspool.classifiers import TRAINED_ON, load_classifier
    from crosspool.framing import frame_image
    from crosspool.images import load_image

    source_image = load_image(image)
    other = None if similar_to is None else load_image(similar_to)
    if model is None:
        classifier, network = _own_classifier(backbone, size, framing, weights, classes, device, engine)
    else:
        classifier = load_classifier(Path(model))
        network = classifier.load_backbone(weights, device, engine)
    explanation = contributions.explain(classifier, network, source_image)
    if other is None:
        parts = explanation.contributions(name, against)
    else:
        parts = explanation.similarity(contributions.explain(classifier, network, other))
    removed = None if without is None else options.channel_list(without, len(parts.channels), "--without")
    subject = _subject(explanation, name, against, similar_to)
    title = f"{Path(image).name}: {subject} · {classifier.method.name} · {network.title}"
    document = _document(parts, subject, top)
    caution = contributions.ABOUT_FROZEN if explanation.normalises else contributions.ABOUT_EXACT
    if similar_to is None:
        document["scores"] = _scores(explanation, explanation.scores)
    if removed is not None:
        scores = _scores(explanation, explanation.without_channels(removed))
        document["without"] = {"channels": removed, "scores": scores}
    checksum = file_checksum(image)
    trained_on = classifier.was_trained_on(checksum)
    about = classifier.settings.model_dump(exclude={"photographs"})
    settings = {"image": {"name": Path(image).name, "sha256": checksum, "trained_on": trained_on}, **about}
    if path is not None:
        largest = max(source.size for source in classifier.method.sources)
        framed = frame_image(source_image, network.spec.preprocessing, largest, classifier.method.framing)
        captions = {"title": title, "caution": caution}
        _write(path, framed, parts, captions, top, json_text({**settings, "what": subject}))
    if json:
        print_json({**settings, **document})
        return
    _print(title, document, caution)
    if trained_on:
        print_wrapped(f"\n{TRAINED_ON}")
    if out is not None:
        typer.echo(f"\nWrote {out}.")


def _own_classifier(
    backbone: str | None,
    size: int | None,
    framing: options.FramingChoice,
    weights: str | None,
    classes: str | None,
    device: str,
    engine: options.EngineChoice,
) -> "tuple[LinearClassifier, Backbone]":
    from crosspool.backbones import architecture, load_backbone
    from crosspool.classifiers import own_classifier

    structure = architecture(backbone or options.DEFAULT_BACKBONE)
    pixels = size or structure.spec.preprocessing.size
    network = load_backbone(structure.spec.name, weights, device, classes, engine)
    return own_classifier(network, pixels, framing), network


def _subject(explanation: "Explanation", name: str | None, against: str | None, similar_to: str | None) -> str:
    """What is explained, in words."""
    if similar_to is not None:
        return f"similarity to {Path(similar_to).name}"
    positive = explanation.predicted if name is None else name
    return f"score of {positive}" if against is None else f"lead of {positive} over {against}"


def _scores(explanation: "Explanation", scores: "np.ndarray", top: int = 5) -> list[dict[str, Any]]:
    """The highest scores."""
    order = (-scores).argsort(kind="stable")[:top]
    return [{"class": explanation.classifier.classes[index], "score": float(scores[index])} for index in order]


def _document(contributions: "Contributions", subject: str, top: int) -> dict[str, Any]:
    from crosspool.drawing.evidence_sheet import strongest_channels

    check, strongest = contributions.check, strongest_channels(contributions, top)
    others = float(contributions.channels.sum() - contributions.channels[strongest].sum())
    return {
        "what": subject,
        "score": contributions.score,
        "intercept": contributions.intercept,
        "check": {name: getattr(check, name) for name in ("by_channel", "by_position", "error", "holds")},
        "channels": [_channel(contributions, index) for index in strongest],
        "others": {"channels": len(contributions.channels) - len(strongest), "contribution": others},
    }


def _channel(contributions: "Contributions", index: int) -> dict[str, Any]:
    """One channel as JSON: its `index` among those of all parts, as --without counts them, and its number in its part.

    `row` and `column` are where its evidence is largest in magnitude, the first of `cells` where it is so.
    """
    from crosspool.grids import largest_cells

    part, number = contributions.channel(index)
    row = column = cells = None
    if part.evidence is not None:
        strongest = largest_cells(part.evidence[number])
        (row, column), cells = strongest[0], len(strongest)
    sums = {"contribution": float(part.channels[number]), "energy_share": float(part.energy[number])}
    return {"index": index, "part": part.name, "channel": number, **sums, "row": row, "column": column, "cells": cells}


def _place(channel: dict[str, Any]) -> str:
    """Where a channel's evidence is largest, in words."""
    if channel["row"] is None:
        return ""
    return cells_name([(channel["row"], channel["column"])] * channel["cells"])


def _write(
    path: Path, framed: "Image", contributions: "Contributions", captions: dict[str, str], top: int, settings: str
) -> None:
    """Write the file that the suffix of `path` names, with the settings in it except in a table."""
    import numpy as np

    from crosspool.drawing.evidence_sheet import evidence_sheet
    from crosspool.drawing.style import figure_bytes

    kind = path.suffix.lower()
    with replacing(path) as temporary:
        if kind == ".csv":
            rows = [_channel(contributions, index) for index in range(len(contributions.channels))]
            table = csv_text([list(rows[0]), *(list(row.values()) for row in rows)])
            temporary.write_text(table, encoding="utf-8")
        elif kind == ".npz":
            names = ("channels", "energy", "maps", "evidence")
            parts = enumerate(contributions.parts)
            arrays = {f"{name}_{number}": getattr(part, name) for number, part in parts for name in names}
            arrays |= {"positions": contributions.positions, "settings": np.array(settings)}
            arrays = {name: array for name, array in arrays.items() if array is not None}
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
        else:
            about = {"Title": captions["title"], "Subject" if kind == ".pdf" else "Description": settings}
            sheet = evidence_sheet(framed, contributions, **captions, top=top)
            temporary.write_bytes(figure_bytes(sheet, kind[1:], about))


def _print(title: str, document: dict[str, Any], caution: str) -> None:
    channels, check = document["channels"], document["check"]
    print_wrapped(printable(title))
    typer.echo()
    columns = [
        Column("channel", [str(channel["channel"]) for channel in channels], right=True),
        Column("adds", [signed(channel["contribution"], 4) for channel in channels], right=True),
        Column("share of energy", [rough_percent(channel["energy_share"]) for channel in channels], right=True),
    ]
    if len({channel["part"] for channel in channels}) > 1:
        indices = Column("index", [str(channel["index"]) for channel in channels], right=True)
        columns = [indices, Column("part", [channel["part"] for channel in channels]), *columns]
    if any(channel["row"] is not None for channel in channels):
        columns.append(Column("strongest at", [_place(channel) for channel in channels]))
    print_table(columns)
    others = document["others"]
    typer.echo(f"and {others['channels']:,} others, together {signed(others['contribution'], 4)}")
    positions = "" if check["by_position"] is None else f", by position {check['by_position']:.6g}"
    verdict = "adds up" if check["holds"] else "DOES NOT ADD UP"
    typer.echo()
    print_wrapped(
        f"Score {document['score']:.6g}, of which the intercept is {document['intercept']:.4g}. Summed by channel "
        f"{check['by_channel']:.6g}{positions}: {verdict}, off by {share_text(check['error'])} of the score. {caution}"
    )
    removed = document.get("without", {}).get("scores", [])
    for heading, scores in (("Highest scores", document.get("scores", [])), ("Without these channels", removed)):
        if scores:
            typer.echo()
            print_labels(f"{heading}:", [(f"{score['score']:+9.3f}", score["class"]) for score in scores])
