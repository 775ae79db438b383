"""`pool`: the pooled features of any number of images in one file."""

import json
import tempfile
from typing import IO, TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import images_progress
from crosspool.cli.inputs import MapOptions, SkipErrors, file_checksum, maps_and_pooled, none_read, read_images
from crosspool.cli.options import Images, option
from crosspool.cli.outputs import checked_output, replacing
from crosspool.errors import SettingError

if TYPE_CHECKING:
    from PIL.Image import Image

    from crosspool.backbones import Backbone
    from crosspool.provenance import Provenance

DECODED_IMAGES = 8  # in memory at a time


def pool_command(
    images: Images,
    out: Annotated[str, option("FILE.npz", "Where to write the features.", "--out", "-o")],
    map_options: MapOptions,
    skip_errors: SkipErrors = False,
) -> None:
    """Pool the features of images (Eq. 1) into one NPZ file.

    It holds features (images, upper channels, length of a patch; float32), names, and the settings as JSON.
    """
    import numpy as np

    from crosspool.backbones.backbone import BATCH_PIXELS

    path = checked_output(out, (".npz",), inputs=images)
    network, provenance = map_options.load()
    count = min(DECODED_IMAGES, max(1, BATCH_PIXELS // provenance.size**2))
    names: list[str] = []
    skipped: list[str] = []
    with tempfile.TemporaryFile(dir=path.resolve().parent) as scratch:  # all features may not fit into memory
        with images_progress() as bar:
            task = bar.add_task("Pooling", total=len(images))
            for start in range(0, len(images), count):
                batch = list(read_images(images[start : start + count], skipped, skip_errors=skip_errors))
                _append_pooled(scratch, network, provenance, [image for _, image in batch])
                names += [name for name, _ in batch]
                bar.update(task, completed=start + count)
        if not names:
            raise none_read(images, "write")
        checksums = [{"name": name, "sha256": file_checksum(name)} for name in names]
        settings = json.dumps({**provenance.settings(), "images": checksums, "skipped": skipped})
        shape = (len(names), provenance.pair.upper_channels, provenance.pair.patch_length)
        features = np.memmap(scratch, "<f4", "r", shape=shape)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, features=features, names=np.array(names), settings=np.array(settings))
    left_out = f", {len(skipped)} skipped" if skipped else ""
    source = f"{len(names)} images{left_out}, {provenance.network}, {provenance.pair.label}"
    typer.echo(f"Wrote {out}: features {shape} of {source}")


def _append_pooled(scratch: IO[bytes], network: "Backbone", provenance: "Provenance", images: "list[Image]") -> None:
    """Write each image's P to `scratch`."""
    if not images:
        return
    _, pooled = maps_and_pooled(network, provenance, images)
    try:
        scratch.write(pooled.cpu().numpy().astype("<f4", copy=False).tobytes())
        scratch.flush()
    except OSError as error:
        raise SettingError(f"There is no room for the features beside --out ({error.strerror}).") from error
