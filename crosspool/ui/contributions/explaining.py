"""The classifier that is explained, and an image as it sees it: computed in turn, kept in bounded memory."""

import secrets
import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property

from cachetools import LRUCache
from PIL import Image

from crosspool.backbones import Backbone
from crosspool.classifiers import LinearClassifier, TrainedClassifier, own_classifier
from crosspool.contributions import Contributions, Explanation, explanation_of
from crosspool.errors import ModelError
from crosspool.framing import Framing, frame_image
from crosspool.pooled_parts import Vector
from crosspool.records import compute_record
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.maps.large_images import enlarged
from crosspool.ui.runtime.gate import OnProgress, ignore_progress
from crosspool.ui.runtime.in_turn import check_sources
from crosspool.ui.runtime.networks import Network
from crosspool.ui.runtime.quota import ImageHash, QuotaLease
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.in_turn import computed_in_turn
from crosspool.ui.visit.state import VisitPart, about_images, visit_state
from crosspool.ui.visit.uploads import visitor

MAX_SPLITS = 4  # scores kept in parts for each image and classifier

Question = tuple[str, str]  # the class, and the one that it is set against or ""


@dataclass(frozen=True)
class ExplainedClassifier:
    """A classifier that is asked "why?", by name, and the network that it reads.

    `labels` are the classes of the image where it is one of the labelled ones: the model was then trained again without
    it.
    """

    name: str
    model: LinearClassifier
    network: Network
    labels: tuple[str, ...] = ()

    @property
    def is_fully_connected(self) -> bool:
        """Whether its evidence is a class activation map: it reads nothing but means of maps."""
        return all(part.averaged is not None for part in self.model.method.parts)

    @property
    def is_trained(self) -> bool:
        """Whether it was trained on labelled images; the network's own classes need no training here."""
        return isinstance(self.model, TrainedClassifier)

    @property
    def identity(self) -> Hashable:
        """What tells it from other classifiers; the network's own classes are the same however often they are made."""
        return id(self.model) if self.is_trained else (self.network, self.model.method.sources)


@dataclass(frozen=True, eq=False)
class Explained:
    """An image as one classifier sees it; shared between sessions, so never to be changed.

    `photo` is what the network saw, in the size of the large images.
    """

    explanation: Explanation
    photo: Image.Image
    nbytes: int
    _splits: "LRUCache[Question, Contributions]" = field(default_factory=lambda: LRUCache(MAX_SPLITS), repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def scores(self) -> Vector:
        return self.explanation.scores

    def contributions(self, question: Question) -> Contributions:
        """The contributions that add up to a class's score, or to its lead; the last few are kept."""
        with self._lock:
            if question not in self._splits:
                positive, against = question
                self._splits[question] = self.explanation.contributions(positive, against or None)
            return self._splits[question]


@dataclass
class ExplanationOwner(VisitPart):
    """The name under which explanations of this visitor's own classifiers are cached, and the lease that drops them."""

    name: ImageHash = about_images(ImageHash(""))
    lease: QuotaLease | None = about_images(None)


# The image, the classifier's identity, which is not given to another one while an entry holds it, and its owner or "".
Key = tuple[ImageHash, Hashable, ImageHash]
EXPLANATIONS = CacheKind[Key, Explained](
    "explanations", lambda explained: explained.nbytes, lambda key: key[2] or key[0]
)
OwnClassesKey = tuple[str, str, int, Framing]  # the network, its weights, the input's size, and the framing
OWN_CLASSES = CacheKind[OwnClassesKey, LinearClassifier](
    "own classes", lambda model: model.weights.nbytes, lambda key: ImageHash("")
)


def explain_image(
    image: SourceImage, classifier: ExplainedClassifier, on_progress: OnProgress = ignore_progress
) -> Explained:
    """The image as the classifier sees it: cached, or computed in turn. Raises CrosspoolError.

    Explanations of the visitor's own classifiers are dropped when the visit ends.
    """
    server = current_server()
    key = (image.key, classifier.identity, _owner() if classifier.is_trained else ImageHash(""))

    def compute() -> Explained:
        check_sources(server, classifier.network.name, classifier.model.method.sources_to_explain)
        backbone = classifier.network.beside(classifier.model.method.networks)
        return _compute(image.image, classifier.model, backbone)

    return server.cache.get_or_compute(
        EXPLANATIONS, key, compute, server.compute, on_progress, seconds=server.settings.wait_seconds
    )


def _owner() -> ImageHash:
    """A name for this visitor's own explanations, treated as an image's: they are forgotten with it."""
    state = visit_state(ExplanationOwner)
    if state.lease is None:
        state.name = ImageHash(secrets.token_hex(32))
        state.lease = current_server().quota.lease(visitor(), {state.name}, 0)
    return state.name


def _compute(image: Image.Image, model: LinearClassifier, backbone: Backbone) -> Explained:
    model.check_backbone(backbone)
    sources = model.method.sources_to_explain
    record = compute_record(backbone, image, sources)
    explanation = explanation_of(model, record)
    size = max(source.size for source in sources)
    photo = enlarged(frame_image(image, backbone.spec.preprocessing, size, sources[0].framing))
    doubles = 8 * sum(array.size for array in record.values())  # the maps, and as much for each score in parts
    vectors = 8 * 3 * explanation.encoded.size
    nbytes = (1 + MAX_SPLITS) * doubles + vectors + model.weights.nbytes + 3 * photo.width**2
    return Explained(explanation, photo, nbytes)


# --- classifiers


def network_classifier(network: Network, size: int, framing: Framing) -> ExplainedClassifier:
    """The network's own classes. Raises ModelError."""
    key = network.name, network.weights, size, framing
    model = computed_in_turn(OWN_CLASSES, key, lambda: own_classifier(network.backbone, size, framing))
    return ExplainedClassifier(model.method.name, model, network)


def comparison_classifier(
    comparison: Comparison, method: str, image: SourceImage, on_progress: OnProgress
) -> ExplainedClassifier:
    """A comparison's classifier; trained again without the image, where that is one of the labelled ones."""
    model, dataset = comparison.without(method, image.key, on_progress), comparison.dataset
    targets = [
        target
        for sample, target in zip(dataset.samples, dataset.targets, strict=True)
        if image.key in comparison.labelled.keys_of(sample)
    ]
    labels = tuple(dict.fromkeys(dataset.classes[target] for target in targets))
    return ExplainedClassifier(method, model, comparison.network, labels)


def baseline_classifier(
    classifier: ExplainedClassifier, comparison: Comparison | None, image: SourceImage, on_progress: OnProgress
) -> ExplainedClassifier | None:
    """The baseline of a classifier: the same comparison's fully-connected layer, else the network's own classes.

    None for a fully-connected layer itself, and where the network's classes cannot be split by position.
    """
    if classifier.is_fully_connected:
        return None
    if comparison is not None and classifier.name in comparison.classifiers:
        layers = [name for name in comparison.classifiers if name.startswith("global") and "+" not in name]
        baseline = comparison_classifier(comparison, layers[0], image, on_progress) if layers else None
        if baseline is not None and baseline.is_fully_connected:
            return baseline
    network, framing = classifier.network, classifier.model.method.framing
    try:
        return network_classifier(network, network.spec.preprocessing.size, framing)
    except ModelError:
        return None
