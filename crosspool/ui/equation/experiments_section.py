"""The experiments on Eq. 1: what is expected, and what came out."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from crosspool.errors import CrosspoolError
from crosspool.ui.equation.case import equation_case
from crosspool.ui.equation.charts import show_agreement
from crosspool.ui.equation.experiments import DOUBLE, EXPERIMENTS, SINGLE, Experiment, Finding
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import VisitPart, bound, plain, visit_state
from crosspool.ui.visit.waiting import errors_shown, waiting
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import number

Question = tuple[MapRequest, str, Cell, int]  # the maps, the experiment, the position, and the seed
Answer = tuple[int, list[Finding]]  # on how many maps the experiment was made, and what came out

EXPERIMENT_RESULTS = CacheKind[Question, Answer](
    "experiments",
    lambda answer: sum(finding.expected.nbytes + finding.outcome.nbytes for finding in answer[1]),
    lambda question: question[0].image,
)


@dataclass
class EquationState(VisitPart):
    """The chosen experiment, and how often it was shuffled again."""

    experiment: str = plain(next(iter(EXPERIMENTS)))
    shuffles: int = plain(0)


@st.fragment
@errors_shown()
def experiments_section(image: SourceImage, request: MapRequest, position: Cell) -> None:
    """Choose what to try, read what is expected, see what came out. A run of its own, which gets the maps anew."""
    choice, result = st.columns([1, 2.4], gap="large")
    state, titles = visit_state(EquationState), {name: experiment.title for name, experiment in EXPERIMENTS.items()}
    with choice:
        st.radio("Experiment", list(titles), format_func=titles.__getitem__, **bound(state, "experiment", among=titles))
        name, experiment = state.experiment, EXPERIMENTS[state.experiment]
        if experiment.shuffles and st.button("Shuffle again", icon=":material/shuffle:"):
            state.shuffles += 1
    with result:
        expected, outcome = st.container(), st.empty()
        # The last outcome goes first: a browser may paint between two of the server's messages.
        outcome.info("Computing …", icon=":material/hourglass_top:")
        expected.markdown(f"**Expected.** {experiment.expects}")
        expected.latex(experiment.formula)
        # A new value of what the experiment does not depend on must not start it again.
        cell, seed = position if name == "one_hot" else (0, 0), state.shuffles if experiment.shuffles else 0
        try:
            maps, maps_tried, findings = _tried(image, (request, name, cell, seed))
        except CrosspoolError:
            outcome.empty()
            raise
        with outcome.container():
            if name == "gradient":
                st.markdown(_non_linearity(maps))
            _show_result(maps, experiment, maps_tried, findings)


def _tried(image: SourceImage, question: Question) -> tuple[ImageMaps, int, list[Finding]]:
    """The maps, on how many of them the experiment was made, and what came out. Raises CrosspoolError."""
    server = current_server()
    with waiting("Running the experiment …") as on_progress:
        seconds = server.settings.wait_seconds
        maps = image_maps(server, question[0], lambda: image.image, on_progress, seconds=seconds)
        return maps, *_run(question, maps, on_progress)


def _run(question: Question, maps: ImageMaps, on_progress: OnProgress) -> Answer:
    """The result of an experiment on these maps, from the cache or in turn. Raises CrosspoolError."""
    server, (request, name, position, seed) = current_server(), question

    def run() -> Answer:
        backbone = server.networks.backbone(request.backbone, request.weights)
        case = equation_case(maps, backbone, request.size, request.border, signed=request.signed)
        return len(case.channels), EXPERIMENTS[name].run(case, position, seed)

    return server.cache.get_or_compute(
        EXPERIMENT_RESULTS, question, run, server.compute, on_progress, seconds=server.settings.wait_seconds
    )


def _show_result(maps: ImageMaps, experiment: Experiment, maps_tried: int, findings: list[Finding]) -> None:
    """The verdict, all comparisons as a table, and one of them as a chart."""
    if not all(finding.as_expected for finding in findings):
        st.error("Not as expected: see the comparison below that says so.", icon=":material/close:")
    elif all(finding.equal for finding in findings):
        worst = max(findings, key=lambda finding: finding.difference / (finding.largest or 1.0))
        precision = f"to within {number(worst.difference, 1)}" if worst.difference else "exactly"
        verdict = f"{experiment.agrees} {precision} (largest value {number(worst.largest, 4)})."
        st.success(verdict, icon=":material/check:")
    else:
        st.info(experiment.differs, icon=":material/info:")
    st.table(pd.DataFrame([_comparison(finding) for finding in findings]).set_index("compared"))
    which = f"all {maps_tried:,} maps"
    if maps_tried < len(maps.upper):
        which = f"the strongest {maps_tried:,} of {len(maps.upper):,} maps, as all would take too long"
    st.caption(
        f"In double precision, with {which}. Equal means: the difference is at most {number(DOUBLE)} of the largest "
        f"entry, or {number(SINGLE)} where maps in the network's single precision are compared."
    )
    charted = next((finding for finding in findings if not finding.equal), findings[-1])
    show_agreement(charted)
    st.caption(
        f"Each point is one entry on both sides: {charted.claim}. On the line they are equal. Only the "
        "entries that are largest or differ most are drawn."
    )


def _non_linearity(maps: ImageMaps) -> str:
    """What f is for this pair: the network's own non-linearity, and what the page does to turn it into weights."""
    pair = maps.pair
    if not pair.can_be_negative:
        return f"Here f is the network's own **{pair.activation}**."
    own = f"the network's own **{pair.activation}**" if pair.activation else "the **identity**, as nothing follows u"
    rest = "; the weights are signed." if maps.signed else ", and then max(0, ·), which turns it into weights."
    return f"Here f is {own}{rest}"


def _comparison(finding: Finding) -> dict[str, str]:
    verdict = "equal" if finding.agrees else "different"
    return {
        "compared": finding.claim,
        "verdict": verdict if finding.as_expected else f"{verdict}, not as expected",
        "largest difference": number(finding.difference, 2),
        "largest entry": number(finding.largest, 4),
    }
