"""Choosing what is compared, starting it, and watching it."""

from functools import partial

import streamlit as st

from crosspool.backbones import UNTRAINED, architecture
from crosspool.errors import CrosspoolError
from crosspool.framing import Framing
from crosspool.methods import MethodSpec, parse_method_specs
from crosspool.ui.comparison.job import Job
from crosspool.ui.comparison.menu import default_methods, method_menu, network_menu
from crosspool.ui.comparison.outcome import outcome_section, preliminary_results, result_tables
from crosspool.ui.comparison.plan import Plan
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.runtime.networks import Network
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.labelled import LabelledSet
from crosspool.ui.visit.state import bound, bound_value, visit_state
from crosspool.ui.visit.waiting import show_error
from crosspool.ui.widgets.text import as_it_is

FRAMING: Framing = "squash"  # the whole image: nothing of the object is cut off
MOST_SPLITS = 100
DEFAULT_SHARE = 0.75  # of a class's images, to train on
WATCH_SECONDS = 1.0


def _choose_network() -> Network:
    """The network; those whose weights are not here are offered untrained."""
    menu, state = network_menu(), visit_state(ComparisonState)
    if state.training_network not in menu:
        state.training_network = next(iter(menu))
    name, weights = st.selectbox(
        "Network",
        list(menu),
        format_func=menu.__getitem__,
        help="Networks whose weights are on this machine, and every network untrained. On the command line, crosspool "
        "fetch NAME downloads weights.",
        width=360,
        **bound(state, "training_network"),
    )
    return current_server().networks.named(name, weights)


def _choose_methods(network: Network) -> list[MethodSpec] | None:
    """What is compared; None, with the reason shown, where it cannot be understood."""
    structure = architecture(network.name)
    menu, state = method_menu(structure), visit_state(ComparisonState)
    chosen = st.multiselect(
        "Methods",
        list(menu),
        format_func=lambda name: f"{name} · {menu[name]}",
        **bound_value(
            f"methods-{network.name}",
            state.methods.get(network.name, default_methods(structure)),
            partial(state.methods.__setitem__, network.name),
        ),
    )
    typed = st.text_input(
        "Other methods, comma-separated",
        placeholder="NAME:PAIR@SIZE/OPTION, such as cl-c/pca64, sum@448/lower",
        help="The same names as on the command line; the README lists them.",
        **bound(state, "more_methods"),
    )
    known = {name.lower() for name in chosen}
    more = [name.strip() for name in typed.split(",") if name.strip() and name.strip().lower() not in known]
    try:
        specs = parse_method_specs(",".join([*chosen, *more]))
        for spec in specs:
            spec.on(structure, FRAMING)  # raises for what the network cannot give
    except CrosspoolError as error:
        st.error(as_it_is(str(error)), icon=":material/error:")
        return None
    return specs


def _choose_protocol(labelled: LabelledSet) -> tuple[int, int]:
    """How many splits, and how many images to train on in all."""
    classes, images = len(labelled.dataset.classes), len(set(labelled.image_keys))
    most, state = max(images // classes - 1, 1), visit_state(ComparisonState)
    splits = st.number_input(
        "Random splits",
        1,
        MOST_SPLITS,
        help="Each divides the images again into some to train on and some to test on. Intervals need at least 2, "
        "and are narrower with more.",
        width=180,
        **bound(state, "splits"),
    )
    each = st.number_input(
        "Training images per class",
        1,
        most,
        help="On average: a class with more images contributes more. The other images are for testing.",
        width=220,
        **bound_value(
            f"each-{images}-{classes}",
            state.training_images.get((images, classes), min(max(int(DEFAULT_SHARE * images / classes), 1), most)),
            partial(state.training_images.__setitem__, (images, classes)),
        ),
    )
    return int(splits), int(each) * classes


def _start(labelled: LabelledSet, network: Network, methods: list[MethodSpec], splits: int, train_size: int) -> None:
    """Begin to compare, unless there is a reason not to."""
    try:
        structure = network.backbone.architecture  # of as many classes as its weights have
        exact = tuple(method.on(structure, FRAMING) for method in methods)
        plan = Plan(labelled, network, exact, splits, train_size)
        plan.protocol()
        visit_state(ComparisonState).job = Job(plan, current_server())
    except CrosspoolError as error:
        show_error(error)
    else:
        st.rerun()


@st.fragment(run_every=WATCH_SECONDS)
def _watch() -> None:
    """How far the job is, what it has found so far, and a button that ends it."""
    job = visit_state(ComparisonState).job
    if job is None or not job.running:
        st.rerun()
    progress = job.progress
    counted = f": {progress.done:,} of {progress.total:,}" if progress.total > 1 else ""
    left = "" if progress.seconds_left is None else f" · about {progress.seconds_left:.0f} s left"
    with st.container(key="training"):
        st.progress(progress.share, text=as_it_is(f"{progress.stage}{counted}{left}"))
        st.button("Cancel", icon=":material/stop_circle:", on_click=job.cancel, key="cancel")
        if job.findings is not None:
            st.caption("All methods are tested; the classifiers for new images are being trained.")
            result_tables(job.findings)
        elif job.results:
            st.caption("Results so far")
            preliminary_results(job.results)


def _ended() -> None:
    """Take over what a job found, or say why it found nothing."""
    job = visit_state(ComparisonState).job
    if job is None or job.running:
        return
    if job.comparison is not None:
        visit_state(ComparisonState).take_over(job.comparison)
    elif job.error:
        st.error(as_it_is(job.error), icon=":material/error:")
        st.caption("Your images and choices are unchanged, and what was computed is kept.")
    else:
        st.info(
            "Cancelled. Your images and choices are unchanged, and what was computed is kept: training again continues "
            "from there.",
            icon=":material/stop_circle:",
        )
    if job.results and visit_state(ComparisonState).job is not None:
        st.caption("Results before that")
        preliminary_results(job.results)


def comparison_section(labelled: LabelledSet | None) -> None:
    """The choices, the button, and what came of it."""
    job = visit_state(ComparisonState).job
    is_running = job is not None and job.running
    with st.container(border=True):
        with st.container(horizontal=True, gap="medium"):
            network = _choose_network()
            splits, train_size = _choose_protocol(labelled) if labelled else (0, 0)
        if network.weights == UNTRAINED:
            st.warning("Untrained network: random weights.", icon=":material/casino:")
        methods = _choose_methods(network)
        wanted = st.button(
            "Train and compare",
            type="primary",
            icon=":material/play_arrow:",
            disabled=labelled is None or not methods or is_running,
            key="train",
        )
    if wanted and labelled is not None and methods:
        _start(labelled, network, methods, splits, train_size)
    if is_running:
        _watch()
        return
    _ended()
    comparison = visit_state(ComparisonState).comparison
    if comparison is not None:
        outcome_section(comparison, labelled)
