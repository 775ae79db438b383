"""What channels look for, computed in the background, in turns with everything else, and kept for all visitors."""

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import Image

from crosspool.errors import SettingError
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.background import BackgroundJob, JobLimit, JobPlace, Step
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.networks import Networks
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.shared_cache import CacheKind, SharedCache
from crosspool.visualisation import Recipe, visualise_channels

RECIPE = Recipe()
MOST_JOBS = 60  # on the server, under way or waiting
MAX_SECONDS = 300.0  # from the first step, with the turns of others in between
NO_IMAGE = ImageHash("")  # it is computed from no visitor's image


@dataclass(frozen=True)
class ChannelRequest:
    """A channel of a layer pair of a network; `weights` as in a link."""

    backbone: str
    weights: str
    pair: str
    channel: int


CHANNEL_IMAGES = CacheKind[ChannelRequest, Image.Image](
    "channel images", lambda image: 3 * image.width * image.height, lambda request: NO_IMAGE
)


class ChannelImageJob(BackgroundJob):
    """An image being computed. It ends when nobody holds it any more, so dropping it cancels it."""

    def __init__(self, computation: "Computation", place: JobPlace) -> None:
        self._computation = computation
        super().__init__(computation.run, place, task="the visualisation", advice="try again later")

    @property
    def progress(self) -> float:
        """The share of all steps that is done."""
        return self._computation.done / RECIPE.steps


class ChannelImages:
    """The images of channels on one server: those that are there, and those being computed, one for each visitor."""

    def __init__(
        self, cache: SharedCache, compute: FairSemaphore, networks: Networks, whose: Callable[[], Account] = Account
    ) -> None:
        self._cache, self._compute, self._networks, self._whose = cache, compute, networks, whose
        self.jobs = JobLimit("visualisation", "visualisations", MOST_JOBS)
        self._jobs: weakref.WeakValueDictionary[ChannelRequest, ChannelImageJob] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def get(self, request: ChannelRequest) -> Image.Image | None:
        """The image, where it was computed before."""
        return self._cache.get(CHANNEL_IMAGES, request)

    def start(self, request: ChannelRequest) -> ChannelImageJob:
        """Compute it in the background; all who ask for it at the same time share one job. Raises FullError."""
        with self._lock:
            job = self._jobs.get(request)
            if job is None or not job.running:
                place = self.jobs.take(self._whose())
                job = ChannelImageJob(Computation(request, self._cache, self._compute, self._networks), place)
                self._jobs[request] = job
            return job


class Computation:
    """The work of a job's thread, which holds neither the job nor a session."""

    def __init__(self, request: ChannelRequest, cache: SharedCache, compute: FairSemaphore, networks: Networks) -> None:
        self.request, self._cache, self._compute, self._networks = request, cache, compute, networks
        self.done = 0

    def run(self, check: Step) -> None:
        """Compute the image and keep it. Raises SettingError where that takes too long."""
        request, since = self.request, time.monotonic()
        with self._compute.turn(lambda place: check()) as turn:
            backbone = self._networks.backbone(request.backbone, request.weights)
            on_step = partial(self._step, check, turn.yield_turn)
            pair = backbone.architecture.pair(request.pair)
            (image,) = visualise_channels(backbone, pair, [request.channel], RECIPE, on_step)
        self._cache.put(CHANNEL_IMAGES, request, image, since)
        self.done = RECIPE.steps

    def _step(self, check: Step, yield_turn: Step, done: int, steps: int) -> None:
        """Between two steps: stop where nobody wants it any more, and let others compute first."""
        check()
        if done == 0:
            self._began = time.monotonic()
        elif time.monotonic() - self._began > MAX_SECONDS:
            problem = (
                f"The visualisation was ended after {MAX_SECONDS / 60:g} minutes, the most that this server allows"
            )
            raise SettingError(f"{problem}; use crosspool visualise-channels on your own machine.")
        self.done = done
        yield_turn()
