"""`maps`: the weighting maps of one image as a contact sheet, or with all their numbers."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.options import (
    DEFAULT_BACKBONE,
    BackboneName,
    Border,
    ColourMapChoice,
    Device,
    Framing,
    Pair,
    ScaleChoice,
    Signed,
    Size,
    SortChoice,
    Weights,
)
from crosspool.cli.outputs import checked_output, replacing, write_figure
from crosspool.cli.records import Recipe, file_checksum, pooled, recipe, times
from crosspool.errors import SettingError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from crosspool.statistics import ChannelStatistics, Criterion

SUFFIXES = (".png", ".pdf", ".npz")
DEFAULT_TOP = 23  # with the photo itself a full sheet of four rows
SORTED_BY: dict[str, "Criterion"] = {
    "share": "energy_share",
    "peak": "peak",
    "mean": "mean",
    "sparsity": "sparsity",
    "channel": "channel",
}


def maps(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.")],
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FILE", help="A .png or .pdf contact sheet, or an .npz with all numbers."),
    ],
    backbone: BackboneName = DEFAULT_BACKBONE,
    pair: Pair = None,
    size: Size = None,
    framing: Framing = "crop",
    signed: Signed = False,
    border: Border = "zero",
    channels: Annotated[
        str | None, typer.Option(metavar="LIST", help="The maps to show, such as 0,5,12-20; instead of --top.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many maps to show; dead ones (zero everywhere) never count.", show_default=str(DEFAULT_TOP)
        ),
    ] = None,
    sort: Annotated[
        SortChoice,
        typer.Option(
            help="What puts a map first: its share of P's energy, its peak, ... (the largest), or its number."
        ),
    ] = "share",
    colour_map: Annotated[ColourMapChoice, typer.Option(help="Signed maps always use a diverging one.")] = "viridis",
    opacity: Annotated[
        float, typer.Option(min=0, max=1, metavar="0-1", help="0 is the photo alone, 1 the map alone.")
    ] = 0.65,
    smooth: Annotated[
        bool, typer.Option("--smooth/--blocky", help="Interpolate between the map's cells, or not.")
    ] = True,
    scale: Annotated[ScaleChoice, typer.Option(help="Colours span each map's own range, or the layer's.")] = "map",
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Write the weighting maps of one image: a contact sheet to look at, or an NPZ to compute with.

    An NPZ holds the lower maps, all upper maps (the weighting maps), P, and the settings as JSON.
    """
    from crosspool.images import load_image
    from crosspool.statistics import channel_statistics

    path = checked_output(out, SUFFIXES, inputs=[image])
    numbers = path.suffix.lower() == ".npz"
    if numbers and (channels is not None or top is not None):
        raise SettingError("An NPZ holds every channel; leave out --channels and --top, or write a .png or .pdf.")
    if channels is not None and top is not None:
        raise SettingError("Choose the maps either by --channels or by --top, not by both.")
    picture = load_image(image)
    how = recipe(
        backbone=backbone, weights=weights, device=device, pair=pair, size=size, framing=framing, signed=signed,
        border=border,
    )  # fmt: skip
    count = how.pair.upper_channels
    chosen = None if channels is None else channel_list(channels, count)
    found = how.backbone.activations(picture, how.pair, how.size, framing=framing, signed=signed)
    features = pooled(found, border)[0]
    upper = found.upper[0].cpu().numpy()
    name = Path(image).name
    settings = {**how.settings(), "image": {"name": name, "sha256": file_checksum(image)}}
    text = json.dumps(settings)
    title = caption(name, how)
    if numbers:
        _write_npz(path, lower=found.lower[0].cpu().numpy(), upper=upper, P=features.cpu().numpy(), settings=text)
        typer.echo(f"Wrote {out}: lower, upper, P and settings of {title}")
        return
    from crosspool.rendering import contact_sheet

    statistics = channel_statistics(found.upper[0], features)
    if chosen is None:
        chosen = strongest(statistics, sort, top or DEFAULT_TOP)
    sheet = contact_sheet(
        found.framed[0], upper, chosen, statistics=statistics, caption=title,
        colour_map=colour_map, opacity=opacity, smooth=smooth, scale=scale, signed=signed,
    )  # fmt: skip
    _write_sheet(path, sheet, title, text)
    typer.echo(f"Wrote {out}: {len(chosen):,} of {count:,} weighting maps of {title}")


def caption(name: str, how: Recipe) -> str:
    """What is shown, in one line."""
    pair, (_, upper) = how.pair, how.map_sizes
    channels = f"{pair.lower_channels} → {pair.upper_channels}, {times(pair.kernel_size)}"
    signed = " · signed" if how.signed else ""
    return f"{name} · {how.network} · {pair.label} ({channels}) · {times(upper)} maps{signed}"


def channel_list(text: str, count: int, option: str = "--channels") -> list[int]:
    """The numbers in "0,5,12-20", each once, in that order. Raises SettingError, naming the option, otherwise."""
    chosen: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first.strip(), (last if dash else first).strip())
        if not all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends):
            raise SettingError(f"{option} {text!r} is no list of channel numbers such as 0,5,12-20.")
        low, high = (int(end) for end in ends)
        if low > high:
            raise SettingError(f"{option} {part.strip()} counts down; write {high}-{low}.")
        if high >= count:
            raise SettingError(f"There is no channel {high}: this layer has the channels 0 to {count - 1}.")
        chosen.update(dict.fromkeys(range(low, high + 1)))
    return list(chosen)


def strongest(statistics: "ChannelStatistics", sort: SortChoice, top: int) -> list[int]:
    """The first `top` channels that are not dead, the largest first (by number: the smallest)."""
    order = statistics.order(SORTED_BY[sort])
    alive: list[int] = order[~statistics.dead[order]][:top].tolist()
    if not alive:
        raise SettingError("Every map of this layer is zero on this image; choose another pair, or --channels.")
    return alive


def _write_npz(path: Path, *, settings: str, **arrays: "np.ndarray") -> None:
    import numpy as np

    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays, settings=np.array(settings))


def _write_sheet(path: Path, sheet: "Figure", title: str, settings: str) -> None:
    """Save a figure with its title and settings inside the file."""
    subject = "Subject" if path.suffix.lower() == ".pdf" else "Description"
    write_figure(path, sheet, {"Title": title, subject: settings})
