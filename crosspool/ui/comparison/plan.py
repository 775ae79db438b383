"""What is to be compared, and how; and whether the server has room for it."""

from dataclasses import dataclass

from crosspool.backbones import UNTRAINED
from crosspool.errors import SettingError
from crosspool.evaluation.command import evaluate_command_line, spelled_out, usual_baselines
from crosspool.evaluation.protocol import Protocol, SplitOptions
from crosspool.methods import Method
from crosspool.text import human_bytes
from crosspool.ui.runtime.networks import Network
from crosspool.ui.visit.labelled import LabelledSet

MAX_VECTORS_BYTES = 4 * 2**30  # of one method; they lie on disk while their kernel is computed


RETRAINED_KEPT = 2  # classifiers kept that were trained without an image: one, and what it is compared with


BYTES_PER_NUMBER = 4  # of a number


@dataclass(frozen=True)
class Plan:
    """What is to be compared, and how. `train_size` counts different images."""

    labelled: LabelledSet
    network: Network
    methods: tuple[Method, ...]
    splits: int
    train_size: int
    seed: int = 0

    def protocol(self) -> Protocol:
        """The splits; equal images lie on one side of each. Raises SettingError for a size that cannot be had."""
        options = SplitOptions(self.splits, self.train_size, self.seed, official=False)
        return options.protocol(self.labelled.dataset, self.labelled.image_keys)

    def check_room(self) -> None:
        """Raise SettingError where the server has no room for such long vectors."""
        dataset = self.labelled.dataset
        for method in self.methods:
            vectors = len(dataset) * method.length * BYTES_PER_NUMBER
            if vectors > MAX_VECTORS_BYTES:
                raise SettingError(
                    f"The vectors of {method.name} for {len(dataset):,} images take {human_bytes(vectors)}; take fewer "
                    "images, or a shorter method (/pca64, or another pair)."
                )

    @property
    def classifiers_bytes(self) -> int:
        """What the classifiers of all methods take, and those that are trained again without a picture."""
        sizes = [len(self.labelled.dataset.classes) * method.length * BYTES_PER_NUMBER for method in self.methods]
        return sum(sizes) + RETRAINED_KEPT * max(sizes)

    @property
    def command(self) -> tuple[str, ...]:
        """The command that gives the same again; of uploaded images, with FOLDER for where they are."""
        names = [method.name for method in self.methods]
        options = spelled_out(
            seed=self.seed,
            backbone=self.network.name,
            framing=self.methods[0].framing,
            weights=UNTRAINED if self.network.weights == UNTRAINED else None,
        )
        spec = self.labelled.spec or "FOLDER"
        return (*evaluate_command_line(spec, names, self.splits, self.train_size, usual_baselines(names)), *options)
