"""A finished comparison: its findings, and a classifier of each method, trained with or without one image."""

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
from crosspool.ui.comparison.plan import RETRAINED_LIMIT
from crosspool.ui.runtime.gate import FairSemaphore, OnProgress, ignore_progress
from crosspool.ui.runtime.networks import Network
from crosspool.ui.runtime.quota import Reservation
from crosspool.ui.visit.labelled import LabelledSet

RetrainedClassifiers = LRUCache[tuple[str, str], TrainedClassifier]


@dataclass(frozen=True)
class Comparison:
    """A finished comparison's findings, and a classifier of each method, trained on all labelled images."""

    labelled: LabelledSet
    network: Network
    findings: AccuracyFindings
    classifiers: dict[str, TrainedClassifier]
    reservation: Reservation
    compute: FairSemaphore = field(repr=False)
    # Classifiers that were trained without an image, by method and image.
    _retrained: RetrainedClassifiers = field(default_factory=lambda: LRUCache(RETRAINED_LIMIT), repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def dataset(self) -> Dataset:
        return self.labelled.dataset

    @property
    def report(self) -> Report:
        return self.findings.report

    def without(self, method: str, image_key: str, on_progress: OnProgress = ignore_progress) -> TrainedClassifier:
        """The method trained on all samples but those whose image file has this SHA-256, as it is or before shrinking.

        The ordinary classifier where no sample has it. `on_progress` is the semaphore's. Raises ModelError where the
        server cannot store the features.
        """
        ordinary = self.classifiers[method]
        others = [i for i, sample in enumerate(self.dataset.samples) if image_key not in self.labelled.keys_of(sample)]
        if len(others) == len(self.dataset):
            return ordinary
        with self._lock:
            retrained = self._retrained.get((method, image_key))
        if retrained is None:
            smaller = self.dataset.subset(np.array(others))
            with server_disk(), self.compute.turn(on_progress) as turn:
                sources = ordinary.method.sources
                backbone = self.network.beside(ordinary.method.networks)
                features = Features(smaller, backbone, sources, self.labelled.cache, at_once=False)
                retrained = train_on(features, ordinary.method, self.report.seed, lambda done: turn.yield_turn())
            with self._lock:
                self._retrained[method, image_key] = retrained
        return retrained


def train_on(
    features: Features, method: Method, seed: int, progress: Callable[[int], None],
    step: Callable[[], None] = lambda: None, learning: Callable[[int, int], None] = lambda done, total: None,
) -> TrainedClassifier:  # fmt: skip
    """The method's classifier, trained on all images of these features."""
    dataset, folder = features.dataset, features.cache.folder
    return train_classifier(
        dataset, features, method, seed=seed, scratch=folder, progress=progress, learning=learning, step=step
    )


@contextmanager
def server_disk() -> Iterator[None]:
    """Turn an error of the disk, such as a full one, into a ModelError that names none of the server's folders."""
    try:
        yield
    except (OSError, CacheError) as error:
        cause = error.__cause__ if isinstance(error, CacheError) else error
        reason = getattr(cause, "strerror", None) or cause
        raise ModelError(
            f"The server could not store what was computed ({reason}); ask its operator to make room, or try again."
        ) from error
