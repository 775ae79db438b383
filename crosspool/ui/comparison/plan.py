"""What is to be compared and how, what that costs, and whether the server has room for it."""

from collections.abc import Iterator
from dataclasses import dataclass

from crosspool.backbones import UNTRAINED, spec_of
from crosspool.encoding import CrossLayerPooling
from crosspool.errors import SettingError
from crosspool.evaluation.command import option_words, usual_baselines
from crosspool.evaluation.protocol import Protocol, SplitOptions
from crosspool.evaluation.run import TIMED_IMAGES, Stages, timing_stage
from crosspool.framing import VIEW_COUNTS, Framing, Source, Views
from crosspool.methods import Method
from crosspool.text import human_bytes
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.networks import Network
from crosspool.ui.runtime.quota import Budget, Reservation
from crosspool.ui.visit.labelled import LabelledSet

MAX_VECTORS_BYTES = 4 * 2**30  # of one method; they lie on disk while their kernel is computed
BYTES_PER_NUMBER = 4
SCORE_BYTES = 8
TEST_BYTES = 128  # about a tested image besides its scores, with the files that are made of it
RETRAINED_LIMIT = 2  # classifiers kept that were trained without an image: the explained one and its baseline
ENCODING_PASSES = 0.2  # the cost of encoding and comparing an image, in passes of the network at its own size

NetworkPass = tuple[int, Views, Framing, str]  # what goes at once through the network of this name


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
        """The splits; equal images lie on one side of each. Raises SettingError for an impossible training size."""
        options = SplitOptions(self.splits, self.train_size, self.seed, official=False)
        return options.protocol(self.labelled.dataset, self.labelled.image_keys)

    @property
    def command(self) -> tuple[str, ...]:
        """The command that gives the same results; for uploaded images, with FOLDER for where they are."""
        names = self.names
        weights, framing = UNTRAINED if self.network.weights == UNTRAINED else None, self.methods[0].framing
        words = option_words(
            methods=",".join(names), splits=self.splits, train_size=self.train_size, baseline=usual_baselines(names),
            seed=self.seed, backbone=self.network.name, framing=framing, on_problem="skip", weights=weights,
        )  # fmt: skip
        return ("crosspool", "evaluate", self.labelled.spec or "FOLDER", *words)

    # --- room

    def check_room(self) -> None:
        """Raise SettingError where the vectors are too long for the server."""
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
        """The memory of all methods' classifiers, and of those that are trained again without an image."""
        sizes = [len(self.labelled.dataset.classes) * method.length * BYTES_PER_NUMBER for method in self.methods]
        return sum(sizes) + RETRAINED_LIMIT * max(sizes)

    @property
    def kept_bytes(self) -> int:
        """The memory of everything that stays: the classifiers, and every method's scores of every test image."""
        tests = len(self.methods) * self.splits * len(self.labelled.dataset)
        return self.classifiers_bytes + tests * (SCORE_BYTES * len(self.labelled.dataset.classes) + TEST_BYTES)

    def reserve_memory(self, budget: Budget, account: Account) -> Reservation:
        """Reserve memory for what stays. Raises SettingError where earlier comparisons leave too little."""
        reservation = budget.reserve(self.kept_bytes, account)
        if reservation is None:
            when = "" if self.kept_bytes > budget.account_limit else "try again when others have left, or "
            raise SettingError(
                f"The classifiers and results of these methods take {human_bytes(self.kept_bytes)}, for which this "
                f"server has no room now; {when}take fewer methods or splits, or shorter methods (/pca64, or another "
                "pair)."
            )
        return reservation

    # --- costs, in passes of the network at its own input size

    @property
    def sources(self) -> tuple[Source, ...]:
        """Everything that the methods read of an image."""
        return tuple(sorted({source for method in self.methods for source in method.sources}))

    @property
    def names(self) -> list[str]:
        return [method.name for method in self.methods]

    @property
    def networks(self) -> list[str]:
        """The networks beside the chosen one that the methods name."""
        return sorted({name for method in self.methods for name in method.networks})

    @property
    def network_titles(self) -> str:
        return " and ".join([self.network.title, *(spec_of(name).title for name in self.networks)])

    def stages(self) -> Iterator[tuple[Method, dict[NetworkPass, tuple[Source, ...]]]]:
        """Yield the methods, quickest first, each with the passes it needs that no earlier one had, for all methods."""
        earlier: set[NetworkPass] = set()
        for method in sorted(self.methods, key=_slowness):
            new = sorted(_passes(method) - earlier)
            earlier.update(new)
            yield method, {each: tuple(s for s in self.sources if _pass_of(s) == each) for each in new}

    def pass_cost(self, network_pass: NetworkPass) -> float:
        """The cost of a pass for one image."""
        return _pixels(network_pass) / self.network.spec.preprocessing.size**2

    @property
    def encoding_cost(self) -> float:
        """The cost of encoding all images once. Learning is said to cost as much, which is a guess."""
        return ENCODING_PASSES * len(self.labelled.dataset)

    def test_costs(self, method: Method) -> dict[str, float]:
        """The costs of the stages of testing a method on all splits, its features being computed; others take none."""
        stages = Stages.of(method, self.splits)
        slow = [name for each in stages for name in (each.learning, each.encoding)[not method.learns :]]
        timing = sum(map(self.pass_cost, _passes(method))) * TIMED_IMAGES
        return dict.fromkeys(slow, self.encoding_cost) | {timing_stage(method): timing}

    def training_cost(self, method: Method) -> float:
        """The cost of training a method on all images."""
        return self.encoding_cost * (1 + method.learns)

    @property
    def is_foreseeable(self) -> bool:
        """Whether the costs are known."""
        return all(map(_is_foreseeable, self.methods))

    def total_cost(self) -> float:
        """The cost of everything, the final training included."""
        images = len(self.labelled.dataset)
        return sum(
            images * sum(map(self.pass_cost, passes)) + sum(self.test_costs(method).values())
            + self.training_cost(method)
            for method, passes in self.stages()
        )  # fmt: skip


def _is_foreseeable(method: Method) -> bool:
    """Whether it is known how long it learns: of what is learned, only how long principal components take."""
    steps = [part.steps[0][1] for part in method.parts]
    learning = {type(step) for step in steps if getattr(step, "learns", False)}
    return learning <= {CrossLayerPooling} and method.tuning is None


def _slowness(method: Method) -> tuple[bool, bool, int]:
    """Orders methods by how much they learn, and then by what the network has to compute."""
    return not _is_foreseeable(method), method.learns, sum(map(_pixels, _passes(method)))


def _pass_of(source: Source) -> NetworkPass:
    return source.size, source.views, source.framing, source.network


def _passes(method: Method) -> set[NetworkPass]:
    return set(map(_pass_of, method.sources))


def _pixels(network_pass: NetworkPass) -> int:
    size, views, *_ = network_pass
    return (size // 2 if views == "tiles" else size) ** 2 * VIEW_COUNTS[views]
