"""`explain`: why a classifier gives an image its score."""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crosspool.cli.console import print_json, print_table, print_wrapped
from crosspool.cli.maps import channel_list
from crosspool.cli.options import DEFAULT_BACKBONE, Device, Framing, Json, Size, side
from crosspool.cli.outputs import checked_output, replacing, write_figure
from crosspool.cli.records import file_checksum
from crosspool.errors import SettingError
from crosspool.tables import Column, csv_text
from crosspool.text import printable

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from crosspool.backbones import Backbone
    from crosspool.classifiers import LinearClassifier
    from crosspool.contributions import Contributions, Explanation

SUFFIXES = (".png", ".pdf", ".svg", ".csv", ".npz")


def explain_command(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="FILE.safetensors",
            help="A classifier that crosspool train wrote.",
            show_default="the network's own classes, without any training",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="A .png, .pdf or .svg figure, a .csv of all channels, or an .npz."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="The class.", show_default="the predicted one")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="Explain the lead over this class instead of the score.")
    ] = None,
    similar_to: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Explain the similarity to this image instead of a score.")
    ] = None,
    without: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Show the scores without channels such as 0,5,12-20; if there are several parts, by index.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=40, metavar="N", help="How many channels to show.")] = 8,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone", "-b", metavar="NAME", help="The network, without --model.", show_default=DEFAULT_BACKBONE
        ),
    ] = None,
    size: Size = None,
    framing: Framing = "crop",
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The network's weights.", show_default="those of the model, or pretrained"),
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Split a class's score by channel and by position: what speaks for the class, and where.

    The parts add up to the score, which is checked. Without --model the classes are the network's own.
    """
    from crosspool.classifiers import TRAINED_ON
    from crosspool.images import load_image

    path = None if out is None else checked_output(out, SUFFIXES, inputs=[image, *([model] if model else [])])
    if similar_to is not None and (name is not None or against is not None or without is not None):
        raise SettingError(
            "Explain either a score or a similarity: leave out --similar-to, or --class, --against and --without."
        )
    loaded = load_image(image)
    other = None if similar_to is None else load_image(similar_to)
    classifier, network = _classifier(model, backbone, size, framing, weights, device)
    explanation, contributions = _split(classifier, network, loaded, other, name, against)
    gone = None if without is None else channel_list(without, len(contributions.channels), "--without")
    what = _what(explanation, name, against, similar_to)
    title = f"{Path(image).name}: {what} · {classifier.method.name} · {network.title}"
    document = _document(contributions, what, top)
    if similar_to is None:
        document["scores"] = _scores(explanation, explanation.scores)
    if gone is not None:
        document["without"] = {"channels": gone, "scores": _scores(explanation, explanation.without_channels(gone))}
    checksum = file_checksum(image)
    trained_on = classifier.was_trained_on(checksum)
    about = classifier.settings.model_dump(exclude={"photographs"})
    settings = {"image": {"name": Path(image).name, "sha256": checksum, "trained_on": trained_on}, **about}
    if path is not None:
        framed = _framed(loaded, classifier, network)
        _write(path, framed, contributions, title=title, top=top, settings={**settings, "what": what})
    if json:
        print_json({**settings, **document})
        return
    _print(title, document)
    if trained_on:
        print_wrapped(f"\n{TRAINED_ON}")
    if out is not None:
        typer.echo(f"\nWrote {out}.")


def _classifier(
    model: str | None, backbone: str | None, size: int | None, framing: Any, weights: str | None, device: str
) -> "tuple[LinearClassifier, Backbone]":
    from crosspool.backbones import architecture, load_backbone
    from crosspool.classifiers import load_classifier, own_classifier

    if model is None:
        structure = architecture(backbone or DEFAULT_BACKBONE)
        pixels = side(structure.spec, size)
        network = load_backbone(structure.spec.name, weights, device)
        return own_classifier(network, pixels, framing), network
    if backbone is not None or size is not None or framing != "crop":
        raise SettingError(
            "The model determines network, size and framing; leave out --backbone, --size and --framing."
        )
    classifier = load_classifier(Path(model))
    return classifier, classifier.load_backbone(weights, device)


def _split(
    classifier: "LinearClassifier",
    network: "Backbone",
    image: "Image",
    other: "Image | None",
    name: str | None,
    against: str | None,
) -> "tuple[Explanation, Contributions]":
    from crosspool import contributions

    explanation = contributions.explain(classifier, network, image)
    if other is not None:
        return explanation, explanation.similarity(contributions.explain(classifier, network, other))
    return explanation, explanation.contributions(name, against)


def _what(explanation: "Explanation", name: str | None, against: str | None, similar_to: str | None) -> str:
    if similar_to is not None:
        return f"similarity to {Path(similar_to).name}"
    positive = explanation.predicted if name is None else name
    return f"score of {positive}" if against is None else f"lead of {positive} over {against}"


def _scores(explanation: "Explanation", scores: "np.ndarray", top: int = 5) -> list[dict[str, Any]]:
    """The highest ones."""
    order = (-scores).argsort(kind="stable")[:top]
    return [{"class": explanation.classifier.classes[index], "score": float(scores[index])} for index in order]


def _document(contributions: "Contributions", what: str, top: int) -> dict[str, Any]:
    from crosspool.drawing.evidence_sheet import strongest_channels

    check, strongest = contributions.check, strongest_channels(contributions, top)
    return {
        "what": what,
        "score": contributions.score,
        "intercept": contributions.intercept,
        "check": {
            "by_channel": check.by_channel,
            "by_position": check.by_position,
            "error": check.error,
            "holds": check.holds,
        },
        "channels": [_channel(contributions, index) for index in strongest],
        "others": {
            "channels": len(contributions.channels) - len(strongest),
            "contribution": float(contributions.channels.sum() - contributions.channels[strongest].sum()),
        },
    }


def _channel(contributions: "Contributions", index: int) -> dict[str, Any]:
    """One channel as JSON: its `index` among those of all parts, as --without counts them, and its number in its part.

    `row` and `column` are where its evidence is largest in magnitude.
    """
    import numpy as np

    part, number = contributions.channel(index)
    row: int | None = None
    column: int | None = None
    if part.evidence is not None:
        evidence = np.abs(part.evidence[number])
        row, column = (int(place) for place in np.unravel_index(evidence.argmax(), evidence.shape))
    return {
        "index": index,
        "part": part.name,
        "channel": number,
        "contribution": float(part.channels[number]),
        "energy_share": float(part.energy[number]),
        "row": row,
        "column": column,
    }


def _framed(image: "Image", classifier: "LinearClassifier", network: "Backbone") -> "Image":
    from crosspool.framing import frame_image

    size = max(source.size for source in classifier.method.sources)
    return frame_image(image, network.spec.preprocessing, size, classifier.method.framing)


def _write(
    path: Path, framed: "Image", contributions: "Contributions", *, title: str, top: int, settings: dict[str, Any]
) -> None:
    import numpy as np

    kind, text = path.suffix.lower(), json_module.dumps(settings)
    if kind == ".csv":
        rows = [_channel(contributions, index) for index in range(len(contributions.channels))]
        table = csv_text([list(rows[0]), *(list(row.values()) for row in rows)])
        with replacing(path) as temporary:
            temporary.write_text(table, encoding="utf-8")
    elif kind == ".npz":
        arrays: dict[str, np.ndarray] = {}
        for number, part in enumerate(contributions.parts):
            part_arrays = {
                "channels": part.channels,
                "energy": part.energy,
                "maps": part.maps,
                "evidence": part.evidence,
            }
            arrays |= {f"{name}_{number}": array for name, array in part_arrays.items() if array is not None}
        if contributions.positions is not None:
            arrays["positions"] = contributions.positions
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays, settings=np.array(text))
    else:
        from crosspool.drawing.evidence_sheet import evidence_sheet

        about = {"Title": title, "Subject" if kind == ".pdf" else "Description": text}
        write_figure(path, evidence_sheet(framed, contributions, title=title, top=top), about)


def _print(title: str, document: dict[str, Any]) -> None:
    from crosspool.drawing.evidence_sheet import ABOUT_FROZEN

    channels, check = document["channels"], document["check"]
    several = len({channel["part"] for channel in channels}) > 1
    print_wrapped(printable(title))
    typer.echo()
    columns = [
        Column("channel", [str(channel["channel"]) for channel in channels], right=True),
        Column("adds", [f"{channel['contribution']:+.4g}" for channel in channels], right=True),
        Column("share of energy", [f"{100 * channel['energy_share']:.2g} %" for channel in channels], right=True),
    ]
    if several:
        columns.insert(0, Column("part", [channel["part"] for channel in channels]))
        columns.insert(0, Column("index", [str(channel["index"]) for channel in channels], right=True))
    if any(channel["row"] is not None for channel in channels):
        places = ["" if c["row"] is None else f"row {c['row']}, column {c['column']}" for c in channels]
        columns.append(Column("mostly at", places))
    print_table(columns)
    typer.echo(f"and {document['others']['channels']:,} others, together {document['others']['contribution']:+.4g}")
    positions = "" if check["by_position"] is None else f", by position {check['by_position']:.6g}"
    verdict = "adds up" if check["holds"] else "DOES NOT ADD UP"
    typer.echo()
    print_wrapped(
        f"Score {document['score']:.6g}, of which the intercept is {document['intercept']:.4g}. Summed by channel "
        f"{check['by_channel']:.6g}{positions}: {verdict}, within {check['error']:.1g} of the score. {ABOUT_FROZEN}"
    )
    for key, heading in (("scores", "Highest scores"), ("without", "Without these channels")):
        if key in document:
            scores = document[key] if key == "scores" else document[key]["scores"]
            typer.echo(f"\n{heading}:")
            for score in scores:
                typer.echo(f"{score['score']:+9.3f}  {printable(score['class'])}")
