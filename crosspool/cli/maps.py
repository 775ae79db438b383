"""`maps`: the weighting maps of one image as a slide, as a page to look through, or with all their numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.options import ColourMapChoice, ScaleChoice, SortChoice
from crosspool.cli.outputs import checked_output, replacing
from crosspool.cli.records import MapOptions, file_checksum, pooled
from crosspool.errors import SettingError
from crosspool.gallery import LARGEST_TOP

if TYPE_CHECKING:
    from crosspool.statistics import ChannelStatistics, Criterion

SUFFIXES = (".png", ".svg", ".pdf", ".csv", ".npz", ".html")
WITH_ALL_MAPS = (".npz", ".html")
DEFAULT_TOP = 23  # with the image itself three full rows
SORTED_BY: dict[str, "Criterion"] = {
    "share": "energy_share",
    "peak": "peak",
    "mean": "mean",
    "sparsity": "sparsity",
    "channel": "channel",
}


def maps_command(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.")],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .png, .svg or .pdf slide of some maps, a .csv of their weights, an .npz with all numbers, or an "
            ".html page with all maps to look through.",
        ),
    ],
    options: MapOptions,
    channels: Annotated[
        str | None, typer.Option(metavar="LIST", help="The maps to show, such as 0,5,12-20; instead of --top.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many maps to show; dead ones (zero everywhere) are left out.",
            show_default=str(DEFAULT_TOP),
        ),
    ] = None,
    sort: Annotated[
        SortChoice,
        typer.Option(
            help="How maps are sorted: by share of P's energy, peak, mean or sparsity (largest first), or by number."
        ),
    ] = "share",
    colour_map: Annotated[ColourMapChoice, typer.Option(help="Signed maps always use a diverging one.")] = "viridis",
    opacity: Annotated[
        float, typer.Option(min=0, max=1, metavar="0-1", help="0 is the image alone, 1 the map alone.")
    ] = 0.65,
    smooth: Annotated[
        bool, typer.Option("--smooth/--blocky", help="Interpolate between the map's cells, or not.")
    ] = True,
    scale: Annotated[
        ScaleChoice, typer.Option(help="Colours span the range of each map, that of the layer, or 0 to --scale-top.")
    ] = "map",
    scale_top: Annotated[
        float | None,
        typer.Option(
            min=1e-6, max=LARGEST_TOP, metavar="WEIGHT", help="The weight at which the colours of --scale fixed end."
        ),
    ] = None,
) -> None:
    """Write the weighting maps of one image: a slide to show, a page to look through, or numbers to compute with.

    A slide of one map is large, beside the image; several are a sheet. A CSV has a row for each weight: channel, row,
    column, weight. An NPZ holds the lower maps, all upper maps (the weighting maps), P, and the settings as JSON. An
    HTML page holds all maps and the image, and needs no network.
    """
    from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look
    from crosspool.gallery.map_files import ChosenMaps
    from crosspool.images import load_image
    from crosspool.statistics import channel_statistics

    path = checked_output(out, SUFFIXES, inputs=[image])
    kind = path.suffix.lower()
    if kind in WITH_ALL_MAPS and (channels is not None or top is not None):
        raise SettingError(f"An {kind[1:].upper()} contains every channel; leave out --channels and --top.")
    if channels is not None and top is not None:
        raise SettingError("Choose the maps either by --channels or by --top, not by both.")
    if (scale == "fixed") != (scale_top is not None):
        raise SettingError("A fixed scale needs both --scale fixed and --scale-top WEIGHT.")
    loaded = load_image(image)
    network, provenance = options.load()
    count = provenance.pair.upper_channels
    chosen = None if channels is None else channel_list(channels, count)
    activations = network.activations(
        loaded, provenance.pair, provenance.size, framing=provenance.framing, signed=provenance.signed
    )
    features = pooled(activations, provenance.border)[0]
    statistics = channel_statistics(activations.upper[0], features)
    if chosen is None:
        every = kind == ".npz" or (kind == ".html" and bool(statistics.dead.all()))
        chosen = list(range(count)) if every else strongest(statistics, sort, top or DEFAULT_TOP)
    selection = ChosenMaps(
        image={"name": Path(image).name, "sha256": file_checksum(image)},
        provenance=provenance,
        framed=activations.framed[0],
        lower=activations.lower[0].cpu().numpy(),
        upper=activations.upper[0].cpu().numpy(),
        pooled=features.cpu().numpy(),
        statistics=statistics,
        channels=chosen,
        look=Look(
            colour_map=SIGNED_COLOUR_MAP if provenance.is_signed else colour_map,
            opacity=opacity,
            smooth=smooth,
            scale=scale,
            signed=provenance.is_signed,
            top=scale_top or 0.0,
        ),
        sort=SORTED_BY[sort],
    )
    with replacing(path) as temporary:
        temporary.write_bytes(selection.file(kind[1:]))
    contents = {".npz": "lower, upper, P and settings", ".html": f"all {count:,} weighting maps"}
    some = f"{len(chosen):,} of {count:,} weighting maps"
    typer.echo(f"Wrote {out}: {contents.get(kind, some)} of {selection.caption}")


def channel_list(text: str, count: int, option: str = "--channels") -> list[int]:
    """The numbers in "0,5,12-20", each once, in that order. Raises SettingError, naming the option, otherwise."""
    chosen: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first.strip(), (last if dash else first).strip())
        if not all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends):
            raise SettingError(f"{option} {text!r} is not a list of channel numbers such as 0,5,12-20.")
        low, high = (int(end) for end in ends)
        if low > high:
            raise SettingError(f"{option} {part.strip()} counts down; write {high}-{low}.")
        if high >= count:
            raise SettingError(f"There is no channel {high}: this layer has channels 0 to {count - 1}.")
        chosen.update(dict.fromkeys(range(low, high + 1)))
    return list(chosen)


def strongest(statistics: "ChannelStatistics", sort: SortChoice, top: int) -> list[int]:
    """The first `top` channels that are not dead, the largest first (by number: the smallest)."""
    order = statistics.order(SORTED_BY[sort])
    alive: list[int] = order[~statistics.dead[order]][:top].tolist()
    if not alive:
        raise SettingError("Every map of this layer is zero on this image; choose another pair, or --channels.")
    return alive
