"""The side bar of "Why this class?": the classifier that is explained, of the network, a comparison or a file."""

from dataclasses import dataclass

import streamlit as st

from crosspool.backbones import DEFAULT, UNTRAINED, spec_of
from crosspool.backbones.timm_networks import is_timm
from crosspool.classifiers import TrainedClassifier, assembled_classifier
from crosspool.errors import CrosspoolError, ModelError
from crosspool.methods.wording import method_in_words
from crosspool.text import human_bytes, printable
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.contributions.explaining import ExplainedClassifier, comparison_classifier, network_classifier
from crosspool.ui.maps.controls import choose_framing, choose_network, choose_size
from crosspool.ui.maps.download import network_is_here, offer_download
from crosspool.ui.runtime.gate import OnProgress, ignore_progress
from crosspool.ui.runtime.in_turn import load_all_in_turn
from crosspool.ui.runtime.quota import NoRoomError, QuotaLease
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.link import PRETRAINED, ChosenClassifier, LinkState
from crosspool.ui.visit.state import VisitPart, about_images, bound, visit_state
from crosspool.ui.visit.uploads import Received, receiving, visitor
from crosspool.ui.visit.waiting import waiting
from crosspool.ui.widgets.text import as_it_is

OWN, FILE = "", "/file"  # no method has such a name
CLASSIFIER_HELP = (
    "The network's own classes need no training. Classifiers of your own images come from the page Train & compare, or "
    "from a file that it or `crosspool train` wrote."
)
FILE_HELP = "The file is read as numbers and settings, never run. One file at a time is kept, in memory."


@dataclass
class ClassifierFile(VisitPart):
    """The classifier that was loaded, its file's name, its share of memory, and what was wrong with the last file."""

    loaded: TrainedClassifier | None = about_images(None)
    name: str = about_images("")
    lease: QuotaLease | None = about_images(None)
    error: str = about_images("")


def comparison_of_visit() -> Comparison | None:
    """The comparison made on the page Train & compare, if there is one."""
    return visit_state(ComparisonState).comparison


def choose_classifier(image: SourceImage | None) -> ExplainedClassifier | None:
    """Draw the side bar, and return the classifier for this image; None, with the reason shown, without one."""
    with st.sidebar:
        name = _choose_name()
        spec = choose_network() if name == OWN else None
        if spec is not None:
            choose_size(spec)
            choose_framing()
        _receive_file()
    try:
        if spec is not None:
            if not network_is_here(spec):
                offer_download(spec)
                return None
            link = visit_state(LinkState)
            return network_classifier(current_server().networks.named(spec.name, link.weights), link.size, link.framing)
        if name == FILE:
            classifier: ExplainedClassifier | None = _classifier_of_file()
        else:  # the link is beside the image: on narrow screens the side bar is closed
            st.page_link("pages/train_and_compare.py", label="Back to Train & compare", icon=":material/arrow_back:")
            classifier = _classifier_of_comparison(name, image)
    except CrosspoolError as error:
        st.info(as_it_is(str(error)), icon=":material/psychology_alt:")
        if name == OWN:
            st.button("Show EfficientNet-Lite0", on_click=_show_default)
        return None
    if classifier is not None:
        with st.sidebar:
            _describe(classifier)
    return classifier


def _show_default() -> None:
    link = visit_state(LinkState)
    link.backbone, link.weights, link.pair, link.size = DEFAULT, PRETRAINED, "", 0


def _choose_name() -> str:
    comparison, file = comparison_of_visit(), visit_state(ClassifierFile)
    titles = {OWN: "the network's own classes"}
    if comparison is not None:
        titles |= {name: f"{method_in_words(name)} · {comparison.dataset.name}" for name in comparison.classifiers}
    if file.loaded is not None:
        titles[FILE] = f"file {file.name}"
    state = visit_state(ChosenClassifier)
    if state.classifier not in titles:
        state.classifier = OWN
    binding = bound(state, "classifier", among=titles, then=_forget_question)
    st.selectbox("Classifier", list(titles), format_func=titles.__getitem__, help=CLASSIFIER_HELP, **binding)
    return state.classifier


def _forget_question() -> None:
    link = visit_state(LinkState)
    link.positive = link.against = ""


def _classifier_of_comparison(method: str, image: SourceImage | None) -> ExplainedClassifier | None:
    comparison = comparison_of_visit()
    if comparison is None or image is None:
        return None
    with waiting("Training again without this image …") as on_progress:
        return comparison_classifier(comparison, method, image, on_progress)


def _classifier_of_file() -> ExplainedClassifier:
    """The loaded classifier with its network. Raises ModelError where that is not here."""
    name, classifier = visit_state(ClassifierFile).name, visit_state(ClassifierFile).loaded
    if classifier is None:
        raise ModelError("The classifier's file is gone; load one.")
    spec = spec_of(classifier.settings.backbone)
    weights = UNTRAINED if classifier.settings.weights == UNTRAINED else PRETRAINED
    if weights == PRETRAINED and not spec.weights.is_here:
        raise ModelError(
            f"{name} was trained on {spec.title}, whose pretrained weights are not on this machine; choose the "
            f"network's own classes, and {spec.title}, to get them."
        )
    network = current_server().networks.named(spec.name, weights)
    with waiting("Loading the network …") as on_progress:
        backbone = load_all_in_turn(current_server(), network, classifier.method.networks, on_progress)
        classifier.check_backbone(backbone)
    return ExplainedClassifier(name, classifier, network)


def _describe(classifier: ExplainedClassifier) -> None:
    model = classifier.model
    assert isinstance(model, TrainedClassifier)
    size = f"{len(model.classes):,} classes, {human_bytes(model.weights.nbytes)} of weights."
    name = model.method.name
    origin = f"{method_in_words(name)} ({name}) on {classifier.network.title}, trained on {model.settings.dataset}"
    st.caption(as_it_is(f"{origin}: {size}"))


# --- files


def _receive_file() -> None:
    """The uploader, and what was wrong with the last file."""
    with st.expander("Load a classifier", icon=":material/upload_file:"):
        megabytes, receiver = current_server().settings.visitor_megabytes, receiving("classifier-file", _load)
        label = "A file from Train & compare or `crosspool train`"
        st.file_uploader(label, max_upload_size=megabytes, help=FILE_HELP, **receiver)
        error = visit_state(ClassifierFile).error
        if error:
            st.error(as_it_is(error), icon=":material/broken_image:")


def _load(files: Received) -> None:
    """Read the file, keep its classifier in place of an earlier one, and choose it."""
    state = visit_state(ClassifierFile)
    for name, data in files:
        # Until it is loaded: while it waits in the queue, another press on the page ends this run.
        state.error = f"{name} was not loaded, as the page was used meanwhile; choose the file again."
        try:
            with waiting("Reading the classifier …") as on_progress:
                classifier = read_classifier(data, name, on_progress)
            lease = current_server().quota.lease(visitor(), (), classifier.nbytes)
        except NoRoomError as error:
            state.error = f"{name} cannot be loaded: {error}."
        except CrosspoolError as error:
            state.error = str(error)
        else:
            state.loaded, state.name, state.lease, state.error = classifier, printable(name), lease, ""
            visit_state(ChosenClassifier).classifier = FILE
            _forget_question()


def read_classifier(data: bytes, name: str, on_progress: OnProgress = ignore_progress) -> TrainedClassifier:
    """The classifier in a file's bytes: read in a process of its own, and put together in turn.

    `on_progress` is the semaphore's. Raises ModelError, which calls the file by `name`, and BusyError.
    """
    server = current_server()
    limit, megabytes = server.settings.visitor_megabytes, len(data) / 2**20
    if megabytes > limit:
        raise ModelError(
            f"{name} has {megabytes:,.1f} MB; at most {limit} MB are allowed here. Use crosspool explain on the "
            "command line."
        )
    try:
        file = server.decoders.describe(data, name)
        network = file.settings.backbone
        if is_timm(network) and network not in server.networks.specs:
            raise ModelError(f"{name} was trained on {network}, which is not among the networks of this server.")
        with server.compute.turn(on_progress, seconds=server.settings.wait_seconds):
            return assembled_classifier(name, file.settings, file.arrays)
    except ModelError as error:
        sentence = str(error).replace("with: crosspool train", "on the page Train & compare, or with: crosspool train")
        raise ModelError(sentence) from error
