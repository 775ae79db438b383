"""The app with a clock: `python -m benchmarks.harness.timed_app NOTES PORT` serves it, and notes when its parts run.

Each line of the file NOTES is the name of a part with its start and end, in milliseconds of the system's clock, which a
browser on the same machine shares. Whoever chooses an image has the maps of samples forgotten first, so that each press
on a sample computes them. The engine for the network's own size has been chosen before, as on a server that has been
running for a while.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TextIO

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as app.py does, before torch is imported

from streamlit.runtime.app_session import AppSession
from streamlit.web import cli

from crosspool.backbones import DEFAULT, Backbone, backbone, load_backbone
from crosspool.samples import samples
from crosspool.ui.maps import gallery
from crosspool.ui.runtime import maps
from crosspool.ui.runtime.quota import image_hash
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit import images

MESSAGE, DECODING, FRAMING, ACTIVATIONS = "message", "decoding", "framing", "activations"
ENERGIES, STATISTICS, PACKING, GALLERY = "energies of P", "statistics", "packing", "gallery"
# An object, and the name of a function of it that is timed.
PARTS: dict[str, tuple[Any, str]] = {
    MESSAGE: (AppSession, "handle_backmsg"),
    DECODING: (images, "load_image"),
    FRAMING: (backbone, "framed_images"),
    ACTIVATIONS: (Backbone, "activations"),
    ENERGIES: (maps, "block_energies"),
    STATISTICS: (maps, "statistics_with_energies"),
    PACKING: (gallery, "pack_maps"),
    GALLERY: (gallery, "_draw"),
}


def timed(function: Callable[..., Any], part: str, notes: TextIO) -> Callable[..., Any]:
    """The function, which writes down when it runs."""

    @wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        start = time.time()
        try:
            return function(*args, **kwargs)
        finally:
            notes.write(json.dumps([part, 1e3 * start, 1e3 * time.time()]) + "\n")

    return noted


def choose_engine() -> None:
    """Measure which engine is faster; the finding is kept on disk for the server."""
    network = load_backbone(DEFAULT)
    pair = network.layer_pairs[-1]
    network.settle((pair.lower, pair.upper), network.spec.preprocessing.size, passes=10**6)


def main(notes: Path, port: str) -> None:
    """Serve the app."""
    choose_engine()
    keys = [image_hash(sample.path.read_bytes()) for sample in samples()]
    show_image = images.show_image

    def show_anew(image: images.SourceImage) -> None:
        current_server().cache.forget_images(keys)
        show_image(image)

    images.show_image = show_anew
    with notes.open("w", buffering=1, encoding="utf-8") as lines:
        for part, (owner, name) in PARTS.items():
            setattr(owner, name, timed(getattr(owner, name), part, lines))
        cli.main(["run", "app.py", "--server.port", port])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
