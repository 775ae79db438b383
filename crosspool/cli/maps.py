"""`maps` and `pool`: the weighting maps of one image as a file, and the pooled features of any number of images."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from crosspool.cli import inputs, options
from crosspool.cli.options import option
from crosspool.cli.outputs import checked_output, replacing
from crosspool.cli.progress import images_progress
from crosspool.errors import SettingError
from crosspool.gallery import LARGEST_TOP
from crosspool.strict_json import json_text

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from crosspool.backbones import Backbone
    from crosspool.backbones.activations import PairActivations
    from crosspool.provenance import Provenance
    from crosspool.statistics import ChannelStatistics, Criterion

SUFFIXES = (".png", ".svg", ".pdf", ".csv", ".npz", ".html")
WITH_ALL_MAPS = (".npz", ".html")
DEFAULT_TOP = 23  # three full rows, with the image itself
OUT_HELP = (
    "A .png, .svg or .pdf slide of some maps, a .csv of their weights, an .npz with all numbers, or an .html page with "
    "all maps to look through."
)
CHANNELS_HELP = "The maps to show, such as 0,5,12-20; instead of --top."
TOP_HELP = "How many maps to show; dead ones (zero everywhere) are left out."
SORT_HELP = "Sort maps by share of P's energy, peak, mean or sparsity (largest first), or by number."
COLOURS_HELP = "Signed maps always use a diverging one."
OVERLAY_HELP = "Let the map cover the image more where its weight is larger, or evenly."
SMOOTH_HELP = "Interpolate between the map's cells, or not."
SCALE_HELP = "Colours span the range of each map, that of the layer, or 0 to --scale-top."
SCALE_TOP_HELP = "The weight at which the colours of --scale fixed end."
BORDER_HELP = "zero: pad patches as the network does; valid: only patches that lie inside."
DECODED_IMAGES = 8  # in memory at a time


@dataclass(frozen=True)
class MapOptions:
    """The network, and every setting that decides which maps and which P an image gets."""

    backbone: options.BackboneName = options.DEFAULT_BACKBONE
    pair: options.Pair = None
    size: options.Size = None
    framing: options.Framing = "crop"
    signed: Annotated[bool, typer.Option("--signed", help="Keep negative weights; otherwise max(0, a).")] = False
    border: Annotated[options.BorderChoice, typer.Option(help=BORDER_HELP)] = "zero"
    weights: options.Weights = None
    device: options.Device = "auto"

    def load(self) -> "tuple[Backbone, Provenance]":
        """Check all settings, the cheap ones first, and load the network."""
        from crosspool.backbones import UNTRAINED, architecture, load_backbone
        from crosspool.provenance import Provenance

        structure = architecture(self.backbone)
        pixels = self.size or structure.spec.preprocessing.size
        pair = structure.default_pair if self.pair is None else structure.pair(self.pair)
        structure.layout(pixels)
        network = load_backbone(self.backbone, self.weights, self.device)
        pair = network.architecture.pair(pair.id)  # where the classes are maps, their number is that of the weights
        checksum = structure.spec.weights.checksum or None
        if self.weights is not None:
            checksum = None if self.weights == UNTRAINED else inputs.file_checksum(self.weights)
        device = str(network.device)
        return network, Provenance(
            network.architecture,
            network.weights,
            checksum,
            pair,
            pixels,
            self.framing,
            self.signed,
            self.border,
            device,
        )


def maps_and_pooled(
    network: "Backbone", provenance: "Provenance", images: "Image | Sequence[Image]"
) -> "tuple[PairActivations, Tensor]":
    """The maps of images under these settings, and their P, (B, D_{t+1}, D_t*m*n)."""
    from crosspool.pooling import cross_layer_pool

    pair, size, framing, signed = provenance.pair, provenance.size, provenance.framing, provenance.signed
    maps = network.activations(images, pair, size, framing=framing, signed=signed)
    return maps, cross_layer_pool(maps.lower, maps.upper, **pair.geometry, border=provenance.border)


def maps_command(
    image: options.ImageFile,
    out: Annotated[str, option("FILE", OUT_HELP, "--out", "-o")],
    map_options: MapOptions,
    channels: Annotated[str | None, options.channels_option(CHANNELS_HELP)] = None,
    top: Annotated[int | None, option("N", TOP_HELP, min=1, default=str(DEFAULT_TOP))] = None,
    sort: Annotated[options.SortChoice, typer.Option(help=SORT_HELP)] = "share",
    colour_map: Annotated[options.ColourMapChoice, typer.Option(help=COLOURS_HELP)] = "viridis",
    overlay: Annotated[options.OverlayChoice, typer.Option(help=OVERLAY_HELP)] = "growing",
    opacity: Annotated[float, option("0-1", "0 is the image alone, 1 the map alone.", min=0, max=1)] = 0.8,
    smooth: Annotated[bool, typer.Option("--smooth/--blocky", help=SMOOTH_HELP)] = True,
    scale: Annotated[options.ScaleChoice, typer.Option(help=SCALE_HELP)] = "map",
    scale_top: Annotated[float | None, option("WEIGHT", SCALE_TOP_HELP, min=1e-6, max=LARGEST_TOP)] = None,
) -> None:
    """Write the weighting maps of one image: a slide to show, a page to look through, or numbers to compute with.

    A slide of one map is large, beside the image; several are a sheet. A CSV has a row for each weight: channel, row,
    column, weight. An NPZ holds the lower maps, all upper maps (the weighting maps), P, and the settings as JSON. An
    HTML page holds all maps and the image, and needs no network.
    """
    path = checked_output(out, SUFFIXES, inputs=[image])
    kind = path.suffix.lower()
    if kind in WITH_ALL_MAPS and (channels is not None or top is not None):
        raise SettingError(f"An {kind[1:].upper()} contains every channel; leave out --channels and --top.")
    if channels is not None and top is not None:
        raise SettingError("Choose the maps either by --channels or by --top, not by both.")
    if (scale == "fixed") != (scale_top is not None):
        raise SettingError("A fixed scale needs both --scale fixed and --scale-top WEIGHT.")
    from crosspool.channel_meaning import classes_or_reason
    from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look
    from crosspool.gallery.map_files import ChosenMaps
    from crosspool.images import load_image
    from crosspool.statistics import channel_statistics

    source_image = load_image(image)
    network, provenance = map_options.load()
    count = provenance.pair.upper_channels
    chosen = None if channels is None else options.channel_list(channels, count)
    maps, pooled = maps_and_pooled(network, provenance, source_image)
    statistics = channel_statistics(maps.upper[0], pooled[0])
    if chosen is None:
        every = kind == ".npz" or (kind == ".html" and bool(statistics.dead.all()))
        chosen = list(range(count)) if every else strongest(statistics, sort, top or DEFAULT_TOP)
    signed = provenance.is_signed
    lower, upper, features = (array.cpu().numpy() for array in (maps.lower[0], maps.upper[0], pooled[0]))
    look = Look(SIGNED_COLOUR_MAP if signed else colour_map, opacity, smooth, scale, signed, scale_top or 0.0, overlay)
    about = {"name": Path(image).name, "sha256": inputs.file_checksum(image)}
    classes = classes_or_reason(network, provenance.pair)
    selection = ChosenMaps(
        about, provenance, maps.framed[0], lower, upper, features, statistics, chosen, look,
        sort=_criterion(sort), meaning=None if isinstance(classes, str) else classes,
    )  # fmt: skip
    with replacing(path) as temporary:
        temporary.write_bytes(selection.file(kind[1:]))
    contents = {".npz": "lower, upper, P and settings", ".html": f"all {count:,} weighting maps"}
    some = f"{len(chosen):,} of {count:,} weighting maps"
    typer.echo(f"Wrote {out}: {contents.get(kind, some)} of {selection.caption}")


def pool_command(
    images: options.Images,
    out: Annotated[str, option("FILE.npz", "Where to write the features.", "--out", "-o")],
    map_options: MapOptions,
    skip_errors: inputs.SkipErrors = False,
) -> None:
    """Pool the features of images (Eq. 1) into one NPZ file.

    It holds features (images, upper channels, length of a patch; float32), names, and the settings as JSON.
    """
    skipped: list[str] = []
    path = checked_output(out, (".npz",), inputs=images)
    usable = inputs.usable(images, skipped, skip_errors=skip_errors)
    if not usable:
        raise inputs.none_read(images, "write")
    import numpy as np

    from crosspool.backbones.batches import BATCH_PIXELS

    network, provenance = map_options.load()
    count = min(DECODED_IMAGES, max(1, BATCH_PIXELS // provenance.size**2))
    names: list[str] = []
    with tempfile.TemporaryFile(dir=path.resolve().parent) as scratch:  # all features may not fit into memory
        with images_progress() as bar:
            task = bar.add_task("Pooling", total=len(usable))
            for start in range(0, len(usable), count):
                batch = list(inputs.read_images(usable[start : start + count], skipped, skip_errors=skip_errors))
                _append_pooled(scratch, network, provenance, [image for _, image in batch])
                names += [name for name, _ in batch]
                bar.update(task, completed=min(start + count, len(usable)))
        if not names:
            raise inputs.none_read(images, "write")
        checksums = [{"name": name, "sha256": inputs.file_checksum(name)} for name in names]
        settings = json_text({**provenance.settings(), "images": checksums, "skipped": skipped})
        shape = (len(names), provenance.pair.upper_channels, provenance.pair.patch_length)
        features = np.memmap(scratch, "<f4", "r", shape=shape)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, features=features, names=np.array(names), settings=np.array(settings))
    left_out = f", {len(skipped)} skipped" if skipped else ""
    source = f"{len(names)} images{left_out}, {provenance.network}, {provenance.pair.label}"
    typer.echo(f"Wrote {out}: features {shape} of {source}")


def _append_pooled(scratch: IO[bytes], network: "Backbone", provenance: "Provenance", images: "list[Image]") -> None:
    """Write each image's P to `scratch`. Raises SettingError if there is no room for it."""
    if not images:
        return
    _, pooled = maps_and_pooled(network, provenance, images)
    try:
        scratch.write(pooled.cpu().numpy().astype("<f4", copy=False).tobytes())
        scratch.flush()
    except OSError as error:
        raise SettingError(f"There is no room for the features beside --out ({error.strerror}).") from error


def _criterion(sort: options.SortChoice) -> "Criterion":
    return "energy_share" if sort == "share" else sort


def strongest(statistics: "ChannelStatistics", sort: options.SortChoice, top: int) -> list[int]:
    """The first `top` channels that are not dead, largest first; by number, lowest first."""
    order = statistics.order(_criterion(sort))
    alive: list[int] = order[~statistics.dead[order]][:top].tolist()
    if not alive:
        raise SettingError("Every map of this layer is zero on this image; choose another pair, or --channels.")
    return alive
