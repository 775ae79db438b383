"""Which classifier is asked, and an image as it sees it: computed in turn, kept in bounded memory."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property

from cachetools import LRUCache
from PIL import Image

from crosspool.classifiers import LinearClassifier, TrainedClassifier, own_classifier
from crosspool.contributions import Contributions, Explanation, explanation_of
from crosspool.errors import ModelError
from crosspool.features import compute_record
from crosspool.framing import Framing, frame_image
from crosspool.methods import parts_and_rest
from crosspool.pooled_parts import Vector
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.maps.large_images import enlarged
from crosspool.ui.runtime.gate import OnProgress, ignore_progress
from crosspool.ui.runtime.networks import Network
from crosspool.ui.runtime.quota import ImageHash, QuotaLease
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import VisitPart, about_images, visit_state
from crosspool.ui.visit.uploads import visitor

SPLITS_KEPT = 4  # scores kept in parts for each image and classifier

Question = tuple[str, str]  # the class, and the one that it is set against or ""


@dataclass(frozen=True)
class ExplainedClassifier:
    """What is asked "why?": a classifier, and the network that it reads.

    `labels` are the classes that the image has where it is one of the labelled ones: the classifier was then trained
    anew without it.
    """

    name: str
    classifier: LinearClassifier
    network: Network
    labels: tuple[str, ...] = ()

    @property
    def is_fully_connected(self) -> bool:
        """Whether its evidence is a class activation map: all that it reads are means of maps."""
        return all(part.averaged is not None for part in self.classifier.method.parts)

    @property
    def trained(self) -> bool:
        """Whether somebody trained it; the network's own classes need no training here."""
        return isinstance(self.classifier, TrainedClassifier)

    @property
    def normalises(self) -> bool:
        """Whether anything follows the pooling, so that it has to be frozen."""
        encoders, rest = parts_and_rest(self.classifier.encoder)
        return bool(rest) or any(len(encoder.steps) > 1 for encoder in encoders)


@dataclass(frozen=True, eq=False)
class Explained:
    """An image as one classifier sees it; shared between sessions, so never to be changed.

    `photo` is what the network saw, in the size of the large pictures.
    """

    explanation: Explanation
    photo: Image.Image
    nbytes: int
    _splits: "LRUCache[Question, Contributions]" = field(default_factory=lambda: LRUCache(SPLITS_KEPT), repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def scores(self) -> Vector:
        return self.explanation.scores

    def contributions(self, question: Question) -> Contributions:
        """What adds up to a class's score, or to its lead; the last few are kept."""
        with self._lock:
            if question not in self._splits:
                positive, against = question
                self._splits[question] = self.explanation.contributions(positive, against or None)
            return self._splits[question]


@dataclass
class ExplanationOwner(VisitPart):
    """The name under which what this visitor's own classifiers say is kept, and the lease that forgets it."""

    name: ImageHash = about_images(ImageHash(""))
    lease: QuotaLease | None = about_images(None)


# The image, the classifier's identity, which lasts while an entry holds it, and whose it is, or "".
Key = tuple[ImageHash, int, ImageHash]
EXPLANATIONS = CacheKind[Key, Explained]("explanations", lambda seen: seen.nbytes, lambda key: key[2] or key[0])
# A network's own classes, by the network, its weights, the input's size and the framing.
OwnClassesKey = tuple[str, str, int, Framing]
OWN_CLASSES = CacheKind[OwnClassesKey, LinearClassifier](
    "own classes", lambda classifier: classifier.weights.nbytes, lambda key: ImageHash("")
)


def explain_image(
    picture: SourceImage, subject: ExplainedClassifier, on_progress: OnProgress = ignore_progress
) -> Explained:
    """The image as the classifier sees it: cached, or computed in turn. Raises CrosspoolError.

    What a classifier of the visitor's own says goes with the visit.
    """
    key = (picture.key, id(subject.classifier), _owner() if subject.trained else ImageHash(""))

    def compute() -> Explained:
        return _compute(picture.image, subject)

    server = current_server()
    return server.cache.get_or_compute(
        EXPLANATIONS, key, compute, server.compute, on_progress, seconds=server.settings.wait_seconds
    )


def _owner() -> ImageHash:
    """The name under which this visitor's own explanations are kept, as an image's would be: forgotten with it."""
    state = visit_state(ExplanationOwner)
    if state.lease is None:
        state.name = ImageHash(secrets.token_hex(32))
        state.lease = current_server().quota.lease(visitor(), {state.name}, 0)
    return state.name


def _compute(image: Image.Image, subject: ExplainedClassifier) -> Explained:
    classifier, backbone = subject.classifier, subject.network.backbone
    classifier.check_backbone(backbone)
    sources = classifier.method.sources_to_explain
    record = compute_record(backbone, image, sources)
    explanation = explanation_of(classifier, record)
    size = max(source.size for source in sources)
    photo = enlarged(frame_image(image, backbone.spec.preprocessing, size, sources[0].framing))
    doubles = 8 * sum(array.size for array in record.values())  # the maps, and as much for each score in parts
    vectors = 8 * 3 * explanation.encoded.size
    nbytes = (1 + SPLITS_KEPT) * doubles + vectors + classifier.weights.nbytes + 3 * photo.width**2
    return Explained(explanation, photo, nbytes)


# --- classifiers


def network_classifier(network: Network, size: int, framing: Framing) -> ExplainedClassifier:
    """The network's own classes. Raises ModelError."""
    cache, since, key = current_server().cache, time.monotonic(), (network.name, network.weights, size, framing)
    classifier = cache.get(OWN_CLASSES, key)
    if classifier is None:
        classifier = own_classifier(network.backbone, size, framing)
        cache.put(OWN_CLASSES, key, classifier, since)
    return ExplainedClassifier(classifier.method.name, classifier, network)


def comparison_classifier(
    comparison: Comparison, method: str, picture: SourceImage, on_progress: OnProgress = ignore_progress
) -> ExplainedClassifier:
    """A comparison's classifier; trained anew without the image, where that is one of the labelled ones."""
    classifier, dataset = comparison.without(method, picture.key, on_progress), comparison.dataset
    labels = dict.fromkeys(
        dataset.classes[target]
        for sample, target in zip(dataset.samples, dataset.targets, strict=True)
        if picture.key in comparison.labelled.keys_of(sample)
    )
    return ExplainedClassifier(method, classifier, comparison.network, tuple(labels))


def baseline_classifier(
    subject: ExplainedClassifier,
    comparison: Comparison | None,
    picture: SourceImage,
    on_progress: OnProgress = ignore_progress,
) -> ExplainedClassifier | None:
    """What to set beside a classifier: the same comparison's fully-connected layer, else the network's own classes.

    None where the classifier is such a one itself, or the network has no classes that can be split.
    """
    if subject.is_fully_connected:
        return None
    methods = comparison.classifiers if comparison is not None and subject.name in comparison.classifiers else {}
    trained = next((name for name in methods if name.startswith("global") and "+" not in name), None)
    if trained is not None and comparison is not None:
        candidate = comparison_classifier(comparison, trained, picture, on_progress)
        if candidate.is_fully_connected:
            return candidate
    try:
        return network_classifier(
            subject.network, subject.network.spec.preprocessing.size, subject.classifier.method.framing
        )
    except ModelError:
        return None
