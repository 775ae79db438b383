"""`pool`: the pooled features of any number of images in one file."""

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from crosspool.cli.console import images_progress
from crosspool.cli.named_images import SkipErrors, none_read, read_images
from crosspool.cli.options import Images
from crosspool.cli.outputs import checked_output, replacing
from crosspool.cli.records import MapOptions, file_checksum, pooled
from crosspool.errors import SettingError

if TYPE_CHECKING:
    from crosspool.backbones import Backbone
    from crosspool.provenance import Provenance

COPY_BLOCK = 1 << 24
DECODED_IMAGES = 8  # in memory at a time


def pool_command(
    images: Images,
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE.npz", help="Where to write the features.")],
    options: MapOptions,
    skip_errors: SkipErrors = False,
) -> None:
    """Pool the features of images (Eq. 1) into one NPZ file.

    It holds features (images, upper channels, length of a patch; float32), names, and the settings as JSON.
    """
    path = checked_output(out, (".npz",), inputs=images)
    network, provenance = options.load()
    skipped: list[str] = []
    with _scratch(path) as scratch:
        names = _pool_into(scratch, network, provenance, images, skipped, skip_errors=skip_errors)
        if not names:
            raise none_read(images, "write")
        settings = {
            **provenance.settings(),
            "images": [{"name": name, "sha256": file_checksum(name)} for name in names],
            "skipped": skipped,
        }
        shape = (len(names), provenance.pair.upper_channels, provenance.pair.patch_length)
        with replacing(path) as temporary:
            _write(temporary, scratch, shape, names, json.dumps(settings))
    left_out = f", {len(skipped)} skipped" if skipped else ""
    typer.echo(
        f"Wrote {out}: features {shape} of {len(names)} images{left_out}, {provenance.network}, {provenance.pair.label}"
    )


def _scratch(path: Path) -> IO[bytes]:
    """A nameless file beside the output: features never have to fit into memory together."""
    return tempfile.TemporaryFile(dir=path.resolve().parent)


def _pool_into(
    scratch: IO[bytes],
    network: "Backbone",
    provenance: "Provenance",
    images: list[str],
    skipped: list[str],
    *,
    skip_errors: bool,
) -> list[str]:
    """Write each image's P to `scratch`, and return the names of the images that were read."""
    from crosspool.backbones.backbone import BATCH_PIXELS

    names: list[str] = []
    count = min(DECODED_IMAGES, max(1, BATCH_PIXELS // provenance.size**2))
    with images_progress() as bar:
        task = bar.add_task("Pooling", total=len(images))
        for start in range(0, len(images), count):
            part = images[start : start + count]
            batch = list(read_images(part, skipped, skip_errors=skip_errors))
            if batch:
                maps = network.activations(
                    [named.image for named in batch],
                    provenance.pair,
                    provenance.size,
                    framing=provenance.framing,
                    signed=provenance.signed,
                )
                features = pooled(maps, provenance.border).cpu().numpy().astype("<f4", copy=False)
                try:
                    scratch.write(features.tobytes())
                except OSError as error:
                    raise SettingError(f"There is no room for the features beside --out ({error.strerror}).") from error
            names += [named.name for named in batch]
            bar.advance(task, len(part))
    return names


def _write(path: Path, scratch: IO[bytes], shape: tuple[int, ...], names: list[str], settings: str) -> None:
    """An NPZ as numpy writes it, the features copied from `scratch` in blocks."""
    import numpy as np

    header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": shape}
    scratch.seek(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("features.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array_header_1_0(entry, header)
            shutil.copyfileobj(scratch, entry, COPY_BLOCK)
        for name, value in (("names", np.array(names)), ("settings", np.array(settings))):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, value, allow_pickle=False)
