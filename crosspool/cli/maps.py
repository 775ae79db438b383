"""`maps` and `pool`: the weighting maps of one image as a file, and the pooled features of any number of images."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli import inputs, options
from crosspool.cli.console import complain
from crosspool.cli.inputs import OfImage
from crosspool.cli.options import option
from crosspool.cli.outputs import checked_output, replacing
from crosspool.cli.progress import images_progress
from crosspool.errors import SettingError
from crosspool.gallery import LARGEST_TOP
from crosspool.strict_json import json_text
from crosspool.text import plural

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from torch import Tensor

    from crosspool.backbones import Backbone
    from crosspool.backbones.activations import PairActivations
    from crosspool.cli.feature_file import FeatureFile
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
    engine: options.Engine = "auto"

    def load(self) -> "tuple[Backbone, Provenance]":
        """Check all settings, the cheap ones first, and load the network; its engine is known when it has computed."""
        from crosspool.backbones import UNTRAINED, architecture, load_backbone
        from crosspool.provenance import Provenance

        structure = architecture(self.backbone)
        pixels = self.size or structure.spec.preprocessing.size
        pair = structure.default_pair if self.pair is None else structure.pair(self.pair)
        structure.layout(pixels)
        network = load_backbone(self.backbone, self.weights, self.device, engine=self.engine)
        pair = network.architecture.pair(pair.id)  # where the classes are maps, their number is that of the weights
        checksum = structure.spec.weights.checksum or None
        if self.weights is not None:
            checksum = None if self.weights == UNTRAINED else inputs.file_checksum(self.weights)
        device, engine = str(network.device), ""
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
            engine,
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
    provenance = replace(provenance, engine=maps.engine)
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
        about, provenance, maps.framed[0], lower, upper, lambda: features, statistics, chosen, look,
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

    It holds features (images, upper channels, length of a patch; float32), names, and the settings as JSON. Ctrl-C
    keeps the images that are done, in a file that ends in .partial.npz.
    """
    skipped: list[str] = []
    path = checked_output(out, (".npz",), inputs=images)
    usable = inputs.usable(images, skipped, skip_errors=skip_errors)
    if not usable:
        raise inputs.none_read(images, "write")
    from crosspool.cli.feature_file import FeatureFile

    network, provenance = map_options.load()
    pooled: list[dict[str, str]] = []
    engines: set[str] = set()
    with replacing(path) as temporary, FeatureFile(temporary, len(usable)) as file, images_progress() as bar:
        task = bar.add_task("Pooling", total=len(usable))
        try:
            for each in _pooled(network, provenance, usable, skipped, skip_errors=skip_errors):
                features, engine = each.result
                pooled.append({"name": each.path, "sha256": each.sha256})
                engines.add(engine)
                file.append(features)
                bar.update(task, completed=len(pooled) + len(skipped))
        except KeyboardInterrupt:
            if file.count:
                partial = temporary.with_name(f"{path.stem}.partial.npz")
                _finish(file, pooled[: file.count], provenance, engines, skipped)
                temporary.replace(partial)
                complain(f"Stopped. {partial} holds the first {file.count} of {len(usable)} images.")
            raise typer.Abort from None
        if not pooled:
            raise inputs.none_read(images, "write")
        _finish(file, pooled, provenance, engines, skipped)
    left_out = f", {len(skipped)} skipped" if skipped else ""
    shape = (len(pooled), provenance.pair.upper_channels, provenance.pair.patch_length)
    source = f"{plural(len(pooled), 'image')}{left_out}, {provenance.network}, {provenance.pair.label}"
    typer.echo(f"Wrote {out}: features {shape} of {source}; computed by {' and '.join(sorted(engines))}")


def _pooled(
    network: "Backbone", provenance: "Provenance", paths: Sequence[str], skipped: list[str], *, skip_errors: bool
) -> "Iterator[OfImage[tuple[np.ndarray, str]]]":
    """The P of each image, and the engine that computed its maps."""
    pair = provenance.pair

    def computed(image: "Image") -> "tuple[np.ndarray, str]":
        network.settle((pair.lower, pair.upper), provenance.size, passes=len(paths))
        maps, pooled = maps_and_pooled(network, provenance, image)
        return pooled[0].cpu().numpy(), maps.engine

    return inputs.of_images(computed, paths, skipped, network.device, skip_errors=skip_errors)


def _finish(
    file: "FeatureFile", pooled: Sequence[Mapping[str, str]], provenance: "Provenance", engines: Iterable[str],
    skipped: Sequence[str],
) -> None:  # fmt: skip
    """Write beside the features whose they are, and what made them."""
    import numpy as np

    provenance = replace(provenance, engine=" and ".join(sorted(engines)))
    settings = json_text({**provenance.settings(), "images": pooled, "skipped": skipped})
    file.finish({"names": np.array([each["name"] for each in pooled]), "settings": np.array(settings)})


def _criterion(sort: options.SortChoice) -> "Criterion":
    return "energy_share" if sort == "share" else sort


def strongest(statistics: "ChannelStatistics", sort: options.SortChoice, top: int) -> list[int]:
    """The first `top` channels that are not dead, largest first; by number, lowest first."""
    order = statistics.order(_criterion(sort))
    alive: list[int] = order[~statistics.dead[order]][:top].tolist()
    if not alive:
        raise SettingError("Every map of this layer is zero on this image; choose another pair, or --channels.")
    return alive
