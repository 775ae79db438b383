"""What a finished comparison leaves: its findings, and a classifier of each method, with or without one image."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from cachetools import LRUCache

from crosspool.cache import CacheError
from crosspool.classifiers import TrainedClassifier
from crosspool.datasets import Dataset
from crosspool.errors import ModelError
from crosspool.evaluation.findings import AccuracyFindings
from crosspool.evaluation.report import Report
from crosspool.features import Features
from crosspool.methods import Method
from crosspool.training import train_classifier
from crosspool.ui.comparison.plan import RETRAINED_KEPT
from crosspool.ui.runtime.gate import FairSemaphore, OnProgress, ignore_progress
from crosspool.ui.runtime.memory_budget import MemoryReservation
from crosspool.ui.runtime.networks import Network
from crosspool.ui.visit.labelled import LabelledSet


@dataclass(frozen=True)
class Comparison:
    """What a finished comparison found, and a classifier of each method, trained on all labelled images."""

    labelled: LabelledSet
    network: Network
    findings: AccuracyFindings
    classifiers: dict[str, TrainedClassifier]
    reservation: MemoryReservation
    compute: FairSemaphore = field(repr=False)
    _again: "LRUCache[tuple[str, str], TrainedClassifier]" = field(
        default_factory=lambda: LRUCache(RETRAINED_KEPT), repr=False
    )  # trained without an image
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def dataset(self) -> Dataset:
        return self.labelled.dataset

    @property
    def report(self) -> Report:
        return self.findings.report

    def without(
        self, method_name: str, picture_key: str, on_progress: OnProgress = ignore_progress
    ) -> TrainedClassifier:
        """The method trained on all samples but those whose image file has this SHA-256, so that copies count, too.

        Or had it, before it was shrunk. The ordinary classifier where there are none of them. `on_progress` is the
        gate's. Raises ModelError where the server has no room for it.
        """
        ordinary = self.classifiers[method_name]
        others = [i for i, s in enumerate(self.dataset.samples) if picture_key not in self.labelled.keys_of(s)]
        if len(others) == len(self.dataset):
            return ordinary
        with self._lock:
            retrained = self._again.get((method_name, picture_key))
        if retrained is None:
            smaller = self.dataset.subset(np.array(others))
            with server_disk(), self.compute.turn(on_progress) as turn:
                features = Features(smaller, self.network.backbone, ordinary.method.sources, self.labelled.cache)
                retrained = train_on(features, ordinary.method, self.report.seed, lambda done: turn.yield_turn())
            with self._lock:
                self._again[method_name, picture_key] = retrained
        return retrained


def train_on(features: Features, method: Method, seed: int, progress: Callable[[int], None]) -> TrainedClassifier:
    folder = features.cache.folder
    return train_classifier(features.dataset, features, method, seed=seed, scratch=folder, progress=progress)


@contextmanager
def server_disk() -> Iterator[None]:
    """Where the disk is full or cannot be written, raise ModelError, whose sentence names no folder of the server's."""
    try:
        yield
    except (OSError, CacheError) as error:
        cause = error.__cause__ if isinstance(error, CacheError) else error
        why = getattr(cause, "strerror", None) or cause
        raise ModelError(
            f"The server could not store what was computed ({why}); ask its operator to make room, or try again."
        ) from error
