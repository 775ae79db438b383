"""Whether a server can serve a visitor now: one check by name for each thing that this takes."""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import BytesIO
from operator import attrgetter
from typing import Any

from cachetools import TTLCache, cachedmethod
from PIL import Image

from crosspool.backbones import DEFAULT
from crosspool.cache import default_cache
from crosspool.errors import ImageError
from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.ui.runtime.decode_worker import StorageFormat
from crosspool.ui.runtime.server import Server
from crosspool.ui.visit.link import PRETRAINED

ANSWER_SECONDS = 2  # for which an answer is repeated, so that frequent requests cost nothing
DECODER_SECONDS = 30
RECENT_WAITS = 10
MB = 2**20
DECODED_FORMAT = StorageFormat(side=32, largest=MB, quality=90, exact=True, thumbnail=32)


@dataclass(frozen=True)
class ReadinessCheck:
    """Whether one thing works, and why, or why not."""

    ok: bool
    why: str


class Readiness:
    """A server's answer to whether it is ready, and the checks behind it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._warm = threading.Event()
        self._lock = threading.Lock()
        self._recent: TTLCache[str, dict[str, Any]] = TTLCache(1, ANSWER_SECONDS)
        self._recent_decoder: TTLCache[Any, ReadinessCheck] = TTLCache(1, DECODER_SECONDS)
        self.checks: dict[str, Callable[[], ReadinessCheck]] = {
            "network": self.check_network,
            "decoder": self.check_decoder,
            "queue": self.check_queue,
            "cache": self.check_cache,
        }

    def warm_up(self) -> None:
        """Load what every visit needs, and run the default network once, so that the first visitor need not wait."""
        server = self._server
        with server.log.timed("warmed_up"), server.compute.turn():
            _ = server.networks.specs  # imports torchvision, which takes longer than all the rest
            backbone = server.networks.backbone(DEFAULT, PRETRAINED)
            backbone.activations(load_image(samples()[0].path))
            pair = backbone.architecture.default_pair
            backbone.prepare((pair.lower, pair.upper), backbone.spec.preprocessing.size)
        self._warm.set()

    def answer(self) -> dict[str, Any]:
        """Whether all is well, and each check."""
        with self._lock:
            if (recent := self._recent.get("answer")) is not None:
                return recent
            checks = {name: check() for name, check in self.checks.items()}
            failed = [name for name, check in checks.items() if not check.ok]
            if failed:
                self._server.log.record("not_ready", kind=" ".join(failed))
            answer = {"ready": not failed, "checks": {name: asdict(check) for name, check in checks.items()}}
            self._recent["answer"] = answer
            return answer

    def check_network(self) -> ReadinessCheck:
        """The first network has run."""
        if self._warm.is_set():
            return ReadinessCheck(True, "has computed maps")
        return ReadinessCheck(False, "is not loaded, or has not run yet")

    def check_queue(self) -> ReadinessCheck:
        """Not too long: nobody is waiting, or no recent wait took half of the limit."""
        queue, limit = self._server.compute, self._server.settings.wait_seconds
        longest = max(queue.waits[-RECENT_WAITS:], default=0.0)
        if queue.waiting and longest > limit / 2:
            return ReadinessCheck(False, f"{queue.waiting} wait, lately for up to {longest:.1f} of {limit:g} seconds")
        return ReadinessCheck(True, f"{queue.running} running, {queue.waiting} waiting")

    @cachedmethod(attrgetter("_recent_decoder"))
    def check_decoder(self) -> ReadinessCheck:
        """A process that decodes visitors' images can be started and decodes one."""
        decoders = self._server.decoders
        if waiting := decoders.semaphore.waiting:  # another image would wait behind them
            return ReadinessCheck(True, f"{waiting} images wait to be decoded")
        file = BytesIO()
        Image.new("RGB", (32, 32)).save(file, "PNG")
        try:
            decoders.store(file.getvalue(), "an image", DECODED_FORMAT)
        except ImageError as error:
            return ReadinessCheck(False, str(error))
        return ReadinessCheck(True, "decodes images")

    def check_cache(self) -> ReadinessCheck:
        """The folder where *Train & compare* keeps the features of generated images can be written."""
        try:
            folder = default_cache()
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"?" * 2**16)
        except OSError as error:
            return ReadinessCheck(False, f"its folder cannot be written ({error.strerror})")
        return ReadinessCheck(True, "can be written")
