"""Train a linear classifier on all images of a data set."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspool import __version__
from crosspool.classifier_files import LONGEST_NAME, MOST_PHOTOGRAPHS, TrainingSettings
from crosspool.classifiers import TrainedClassifier, shared_settings
from crosspool.datasets import Dataset
from crosspool.encoding import Encoder
from crosspool.errors import DatasetError
from crosspool.features import Features
from crosspool.methods import Method
from crosspool.svm import DualLinearSVM, VectorFile, unit_kernel


def encode_into(
    file: VectorFile, method: Method, encoder: Encoder, features: Features, progress: Callable[[int], None]
) -> None:
    """Append the vectors of all samples; `encoder` is the method's, fitted."""
    for index, vector in enumerate(features.vectors(method, encoder)):
        file.append(vector[None])
        progress(index + 1)


def train_classifier(
    dataset: Dataset,
    features: Features,
    method: Method,
    *,
    C: float = 10.0,
    seed: int = 0,
    scratch: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
    learning: Callable[[int, int], None] = lambda done, total: None,
    step: Callable[[], None] = lambda: None,
) -> TrainedClassifier:
    """Train on all samples of a data set; meanwhile their vectors are in a file in `scratch`.

    `progress` is told how many images are encoded, `learning` how many the encoder has learned from, of at most how
    many, and `step` is called while it learns; each may raise, which ends the training.

    Raises DatasetError if a class has no examples or too long a name, or is the only one; SettingError where the method
    can describe no new image, or cannot learn from so few; OSError if `scratch` is full.
    """
    expect_names(dataset)
    method.expect_new_images()
    backbone = features.backbone
    everything = np.arange(len(dataset))
    records = features.records_of(everything, method.sources_to_fit, step)
    encoder = method.encoder(seed).fit(records, features.lessons(method, everything, learning))
    with VectorFile(scratch) as file:
        encode_into(file, method, encoder, features, progress)
        machine = exact_machine(file, dataset, C)
    photographs = [features.file_key(index) for index in range(len(dataset))]
    settings = settings_of(shared_settings(backbone, method), dataset, method, machine, photographs, C, seed)
    return TrainedClassifier(method, encoder, settings.classes, machine.weights, machine.intercept, settings)


@dataclass(frozen=True)
class Machine:
    """Linear machines of some classes of a data set, by their numbers there, (L,): weights, (L, d), and intercepts."""

    classes: NDArray[np.int64]
    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]


def exact_machine(file: VectorFile, dataset: Dataset, C: float) -> Machine:
    """The machines that a kernel of all vectors of a data set gives."""
    kernel = file.kernel()
    norms = np.sqrt(np.diagonal(kernel)) if file.packed else np.ones(len(kernel))
    machine = DualLinearSVM(C, dataset.classes).fit(unit_kernel(kernel) if file.packed else kernel, dataset.targets)
    weights = file.combine(machine.coef_ / np.where(norms > 0, norms, 1))
    return Machine(machine.classes_, weights, machine.intercept_)


def expect_names(dataset: Dataset) -> None:
    """Raise DatasetError for a class whose name is too long for a classifier's file."""
    too_long = next((name for name in dataset.classes if len(name) > LONGEST_NAME), None)
    if too_long is not None:
        raise DatasetError(f"A class's name has at most {LONGEST_NAME} characters; shorten {too_long[:40]}….")


def settings_of(
    shared: Mapping[str, Any], dataset: Dataset, method: Method, machine: Machine, photographs: Iterable[str], C: float,
    seed: int,
) -> TrainingSettings:  # fmt: skip
    """The settings of a classifier, which `shared` begins; without `photographs` where they are too many to list."""
    listed = sorted(set(photographs))
    return TrainingSettings(
        **shared,
        multi_label=dataset.multi_label,
        classes=tuple(dataset.classes[k] for k in machine.classes),
        dataset=dataset.name[:LONGEST_NAME],
        images=len(dataset),
        photographs=tuple(listed) if len(listed) <= MOST_PHOTOGRAPHS else (),
        parts=dataset.annotated if method.needs_parts else (),
        C=C,
        seed=seed,
        versions={"crosspool": __version__, "torch": version("torch"), "scikit-learn": version("scikit-learn")},
    )
