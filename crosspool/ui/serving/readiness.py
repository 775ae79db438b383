"""Whether this server can serve a visitor now: each thing that it takes, by name."""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import cachetools
from PIL import Image

from crosspool.cache import default_cache
from crosspool.errors import ImageError
from crosspool.ui.runtime import housekeeping
from crosspool.ui.runtime.decode_worker import StorageFormat
from crosspool.ui.runtime.log import event, timed
from crosspool.ui.runtime.settings import settings

ANSWER_SECONDS = 2  # for which an answer is given again: whoever asks often costs nothing
DECODER_SECONDS = 30
RECENT = 10  # waits
MB = 2**20


@dataclass(frozen=True)
class Check:
    """Whether one thing works, and what is the matter or to be known."""

    ok: bool
    why: str


_warm = threading.Event()


def warm_up() -> None:
    """Load the network that everybody sees first, and run it once: the first visitor need not wait for that."""
    housekeeping.begin()
    with timed("warmed_up"):
        from crosspool.backbones import DEFAULT
        from crosspool.images import load_image
        from crosspool.samples import samples
        from crosspool.ui.runtime.maps import backbone_of, gate
        from crosspool.ui.visit.link import PRETRAINED

        with gate.turn():
            backbone_of(DEFAULT, PRETRAINED).activations(load_image(samples()[0].path))
    _warm.set()


def _network() -> Check:
    return Check(True, "has computed maps") if _warm.is_set() else Check(False, "is not loaded, or has not run yet")


def _queue() -> Check:
    """Too long where some wait, and one of the last had to wait for half as long as one waits at most."""
    if not _warm.is_set():
        return Check(True, "nobody can wait yet")
    from crosspool.ui.runtime.maps import gate

    longest, limit = max(gate.waits[-RECENT:], default=0.0), settings().wait_seconds
    if gate.waiting and longest > limit / 2:
        return Check(False, f"{gate.waiting} wait, lately for up to {longest:.1f} of {limit:g} seconds")
    return Check(True, f"{gate.running} running, {gate.waiting} waiting")


@cachetools.cached(cachetools.TTLCache(1, DECODER_SECONDS), lock=threading.Lock())
def _decoder() -> Check:
    """A process that decodes visitors' pictures can be started, and decodes one."""
    from crosspool.ui.runtime.decoder_pool import workers

    if workers.gate.waiting:  # another one would only wait behind them
        return Check(True, f"{workers.gate.waiting} pictures wait to be decoded")
    file = BytesIO()
    Image.new("RGB", (32, 32)).save(file, "PNG")
    try:
        workers.keep(
            file.getvalue(), "a picture", StorageFormat(side=32, largest=MB, quality=90, exact=True, thumbnail=32)
        )
    except ImageError as error:
        return Check(False, str(error))
    return Check(True, "decodes pictures")


def _cache() -> Check:
    """Where *Train & compare* keeps what its generated pictures yield."""
    try:
        folder = default_cache()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"?" * 2**16)
    except OSError as error:
        return Check(False, f"its folder cannot be written ({error.strerror})")
    return Check(True, "can be written")


CHECKS: dict[str, Callable[[], Check]] = {"network": _network, "decoder": _decoder, "queue": _queue, "cache": _cache}


@cachetools.cached(cachetools.TTLCache(1, ANSWER_SECONDS), lock=threading.Lock())
def readiness() -> dict[str, Any]:
    """Whether all is well, and each check."""
    checks = {name: check() for name, check in CHECKS.items()}
    ready = all(check.ok for check in checks.values())
    if not ready:
        event("not_ready", kind=" ".join(name for name, check in checks.items() if not check.ok))
    return {"ready": ready, "checks": {name: asdict(check) for name, check in checks.items()}}
