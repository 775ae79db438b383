"""Choosing what is compared, starting the comparison, and watching it."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import streamlit as st

from crosspool.backbones import UNTRAINED, Architecture, architecture
from crosspool.errors import BackboneError, CrosspoolError, LayerPairError, SettingError
from crosspool.evaluation.command import size_between
from crosspool.methods import MethodSpec, parse_method
from crosspool.methods.wording import method_in_words
from crosspool.text import duration_text, plural
from crosspool.ui.comparison.job import Job
from crosspool.ui.comparison.named_methods import FRAMING, named_methods
from crosspool.ui.comparison.outcome import outcome_section, preliminary_results, result_tables
from crosspool.ui.comparison.plan import Plan
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.runtime.in_turn import load_all_in_turn, trace_in_turn
from crosspool.ui.runtime.networks import Network
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.choose_labelled import LabelledState
from crosspool.ui.visit.labelled import LabelledSet
from crosspool.ui.visit.link import PRETRAINED
from crosspool.ui.visit.state import bound, bound_value, visit_state
from crosspool.ui.visit.waiting import errors_shown, place_shown, waiting
from crosspool.ui.widgets.reveal import reveal
from crosspool.ui.widgets.text import as_it_is

MOST_SPLITS = 100
DEFAULT_SHARE = 0.75  # of a class's images, to train on
WATCH_SECONDS = 1.0

NETWORK_HELP = "The networks whose weights are on this machine; crosspool fetch NAME downloads those of others."
METHODS_EXAMPLE = "such as cl-c/pca64, sum@448/lower"
METHODS_HELP = "NAME:PAIR@SIZE/OPTION, the same names as on the command line; the README lists them."
SPLITS_HELP = (
    "Each divides the images again into some to train on and some to test on. Intervals need at least 2, and are "
    "narrower with more."
)
IMAGES_HELP = "On average: a class with more images contributes more. The other images are for testing."
CANCELLED = (
    "Cancelled. Your images and choices are unchanged, and what was computed is kept: training again continues from "
    "there."
)

# Names with the network's own input size, the fine one, twice that, and one between, to be filled in.
_METHODS = (
    "cl@{fine}", "cl@{own}", "global@{own}", "global@{between}", "global@{fine}", "cl@{fine}/ternary",
    "cl@{fine}/pca64", "cl-f@{fine}", "cl-c@{fine}", "cl@{fine}+global@{fine}", "sum@{fine}", "max@{fine}",
    "pyramid@{fine}", "jitter@{own}", "cnnaug-svm@{own}", "gem@{fine}", "scda@{fine}", "compact-cl@{fine}",
    "compact@{fine}", "isqrt@{fine}", "bilinear@{fine}", "fv@{fine}", "vlad@{fine}", "scfv@{own}",
    "guided@{fine}", "ft+cl@{fine}", "ft+global@{fine}", "parts-rcnn@{fine}", "dpd-cnn@{fine}",
)  # fmt: skip
_DEFAULTS = 5  # of these are compared unless others are chosen


def _network_menu() -> dict[tuple[str, str], str]:
    """The networks whose pretrained weights are here, then all of them untrained: names, weights and titles."""
    networks = current_server().networks
    specs = [spec for spec in networks.specs.values() if not networks.why_not(spec)]
    here = [spec for spec in specs if spec.weights.is_here]
    untrained = {
        (spec.name, UNTRAINED): f"{spec.title}, untrained (random weights)" for spec in specs if not spec.is_own
    }
    return {(spec.name, PRETRAINED): spec.title for spec in here} | untrained


def _choose_network() -> Network:
    """The network; those whose weights are not here are offered untrained."""
    menu, state = _network_menu(), visit_state(ComparisonState)
    if state.training_network not in menu:
        state.training_network = next(iter(menu))
    binding = bound(state, "training_network", among=menu)
    titles = menu.__getitem__
    name, weights = st.selectbox("Network", list(menu), format_func=titles, help=NETWORK_HELP, width=360, **binding)
    return current_server().networks.named(name, weights)


def _method_menu(structure: Architecture, annotated: Sequence[str]) -> tuple[list[str], list[str]]:
    """The methods that a network offers for images with these `annotated` parts, and those that are chosen at first.

    Those are cross-layer pooling and the fully-connected layer, at both sizes where the network takes both.
    """
    own = structure.spec.preprocessing.size
    names = [name.format(own=own, between=size_between(own), fine=2 * own) for name in _METHODS]
    menu = [name for name in names if _is_offered(name, structure, annotated)]
    return menu, [name for name in names[:_DEFAULTS] if name in menu]


def _is_offered(name: str, structure: Architecture, annotated: Sequence[str]) -> bool:
    try:
        parse_method(name, structure).with_parts(annotated)
    except (SettingError, LayerPairError, BackboneError):  # too large for it, or it has no such layer, or no scores
        return False
    return True


def _choose_methods(network: Network, labelled: LabelledSet | None) -> list[MethodSpec] | None:
    """What is compared; None, with the reason shown, where it cannot be understood."""
    structure, state = architecture(network.name), visit_state(ComparisonState)
    own = structure.spec.preprocessing.size
    for size in (own, size_between(own), 2 * own):
        with suppress(LayerPairError):  # a module of somebody's own may take one size only
            trace_in_turn(current_server(), network.name, size, place_shown())
    menu, defaults = _method_menu(structure, labelled.dataset.annotated if labelled else ())
    keep = partial(state.methods.__setitem__, network.name)
    binding = bound_value(f"methods-{network.name}", state.methods.get(network.name, defaults), keep, among=menu)
    chosen = st.multiselect("Methods", menu, format_func=lambda name: f"{method_in_words(name)} · {name}", **binding)
    label, binding = "Other methods, comma-separated", bound(state, "more_methods")
    typed = st.text_input(label, placeholder=METHODS_EXAMPLE, help=METHODS_HELP, **binding)
    lower_case = {name.lower() for name in chosen}
    others = [name for name in typed.split(",") if name.strip().lower() not in lower_case]
    try:
        with waiting("Looking up the methods …") as on_progress:
            return named_methods(current_server(), network.name, [*chosen, *others], on_progress)
    except CrosspoolError as error:
        st.error(as_it_is(str(error)), icon=":material/error:")
        return None


def _choose_protocol(labelled: LabelledSet) -> tuple[int, int]:
    """The number of splits, and the number of training images of all classes together."""
    classes, images = len(labelled.dataset.classes), len(set(labelled.image_keys))
    most, state = max(images // classes - 1, 1), visit_state(ComparisonState)
    binding = bound(state, "splits")
    splits = st.number_input("Random splits", 1, MOST_SPLITS, help=SPLITS_HELP, width=180, **binding)
    default = min(max(int(DEFAULT_SHARE * images / classes), 1), most)
    keep = partial(state.training_images.__setitem__, (images, classes))
    binding = bound_value(f"each-{images}-{classes}", state.training_images.get((images, classes), default), keep)
    each = st.number_input("Training images per class", 1, most, help=IMAGES_HELP, width=220, **binding)
    return int(splits), int(each) * classes


def _start(labelled: LabelledSet, network: Network, specs: list[MethodSpec], splits: int, train_size: int) -> None:
    """Begin to compare, unless there is a reason not to."""
    with errors_shown():
        named = [spec.on(architecture(network.name), FRAMING) for spec in specs]
        others = sorted({name for method in named for name in method.networks})
        with waiting("Loading the network …") as on_progress:
            backbone = load_all_in_turn(current_server(), network, others, on_progress)
        structure = backbone.architecture  # with as many classes as its weights have
        methods = tuple(spec.on(structure, FRAMING).with_parts(labelled.dataset.annotated) for spec in specs)
        for method in methods:
            method.expect_new_images()  # as the classifiers of a comparison classify them
        plan = Plan(labelled, network, methods, splits, train_size)
        plan.protocol()
        visit_state(ComparisonState).job = Job(plan, current_server())
        st.rerun()


@st.fragment(run_every=WATCH_SECONDS)
def _watch() -> None:
    """The job's progress and its results so far, and a button that cancels it."""
    job = visit_state(ComparisonState).job
    if job is None or not job.running:
        st.rerun()
    progress, methods = job.work.progress, len(job.work.plan.methods)
    count = f": {progress.done:,} of {progress.total:,}" if progress.total > 1 else ""
    tested = len(job.work.results)
    reveal("progress", f"{tested} of {plural(methods, 'method')} tested." if tested else "The training has begun.")
    left = "" if progress.seconds_left is None else f", about {duration_text(progress.seconds_left)} left"
    with st.container(key="training"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Cancel", icon=":material/stop_circle:", on_click=job.cancel, key="cancel")
            st.markdown(f"**{tested} of {plural(methods, 'method')}{left}**")
        st.progress(progress.share, text=as_it_is(f"{progress.stage}{count}"))
        if job.work.findings is not None:
            st.caption("All methods are tested; the classifiers for new images are being trained.")
            result_tables(job.work.findings)
        elif job.work.results:
            st.caption("Results so far")
            preliminary_results(job.work.results)


def _take_over_result() -> None:
    """Show a finished job's comparison, or say why there is none."""
    state = visit_state(ComparisonState)
    job = state.job
    if job is None or job.running:
        return
    if job.work.comparison is not None:
        state.take_over(job.work.comparison)
        visit_state(LabelledState).folded = True
        st.rerun()  # what the page draws before this depends on it
    if job.error:
        st.error(as_it_is(job.error), icon=":material/error:")
        st.caption("Your images and choices are unchanged, and what was computed is kept.")
    else:
        st.info(CANCELLED, icon=":material/stop_circle:")
    if job.work.results:
        st.caption("Results before that")
        preliminary_results(job.work.results)


def comparison_section(labelled: LabelledSet | None) -> None:
    """The choices, the button that starts a comparison, and its result."""
    job = visit_state(ComparisonState).job
    is_running = job is not None and job.running
    with st.container(border=True):
        with st.container(horizontal=True, gap="medium"):
            network = _choose_network()
            splits, train_size = _choose_protocol(labelled) if labelled else (0, 0)
        if network.weights == UNTRAINED:
            st.warning("Untrained network: random weights.", icon=":material/casino:")
        specs = _choose_methods(network, labelled)
        icon, is_disabled = ":material/play_arrow:", labelled is None or not specs or is_running
        is_pressed = st.button("Train and compare", type="primary", icon=icon, disabled=is_disabled, key="train")
        if is_running:
            _watch()
    if is_pressed and labelled is not None and specs:
        _start(labelled, network, specs, splits, train_size)
    if is_running:
        return
    _take_over_result()
    comparison = visit_state(ComparisonState).comparison
    if comparison is not None:
        with st.container(key="outcome"):
            outcome_section(comparison, labelled)
