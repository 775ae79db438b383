"""Experiments on Eq. 1 on the page Build P: what is expected, and what came out."""

import pandas as pd
import streamlit as st

from crosspool.errors import CrosspoolError
from crosspool.ui.equation.agreement import DOUBLE, SINGLE, Finding
from crosspool.ui.equation.case import equation_case
from crosspool.ui.equation.charts import agreement_chart
from crosspool.ui.equation.experiments import EXPERIMENTS, Experiment
from crosspool.ui.equation.state import EquationState
from crosspool.ui.maps.entry_chart import CHART_CONFIG
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.state import bound, visit_state
from crosspool.ui.visit.waiting import show_error, waiting
from crosspool.ui.widgets.cell_image import Cell

Question = tuple[MapRequest, str, tuple[int, int], int]  # the maps, the experiment, the position, and the seed
Tried = tuple[int, list[Finding]]  # on how many maps the experiment was made, and what came out


EXPERIMENT_RESULTS = CacheKind[Question, Tried](
    "experiments",
    lambda result: sum(finding.expected.nbytes + finding.outcome.nbytes for finding in result[1]),
    lambda question: question[0].image,
)


def tried_in_turn(question: Question, maps: ImageMaps, on_progress: OnProgress) -> Tried:
    """What an experiment shows on these maps; `on_progress` is the semaphore's. Raises CrosspoolError."""
    server, (request, key, position, seed) = current_server(), question

    def run() -> Tried:
        backbone = server.networks.backbone(request.backbone, request.weights)
        subject = equation_case(maps, backbone, request.size, request.border, signed=request.signed)
        return len(subject.channels), EXPERIMENTS[key].run(subject, position, seed)

    return server.cache.get_or_compute(
        EXPERIMENT_RESULTS, question, run, server.compute, on_progress, seconds=server.settings.wait_seconds
    )


def experiments_section(maps: ImageMaps, request: MapRequest, position: Cell) -> None:
    """Section 2: choose what to try, read what is expected, see what came out."""
    st.header("2 · What follows from Eq. 1: try it on this image", anchor=False)
    choice, result = st.columns([1, 2.4], gap="large")
    with choice:
        state = visit_state(EquationState)
        st.radio(
            "Experiment",
            list(EXPERIMENTS),
            format_func=lambda name: EXPERIMENTS[name].title,
            **bound(state, "experiment"),
        )
        key, seed = state.experiment, state.shuffles
        chosen = EXPERIMENTS[key]
        if chosen.shuffles:
            st.button("Shuffle again", icon=":material/shuffle:", on_click=_shuffle_again)
    with result:
        st.markdown(f"**Expected.** {chosen.expects}")
        st.latex(chosen.formula)
        if key == "gradient":
            st.markdown(_non_linearity(maps, request))
        # What an experiment does not depend on must not make it run again while the position is dragged.
        question = (request, key, position if key == "one_hot" else (0, 0), seed if chosen.shuffles else 0)
        try:
            with waiting("Running the experiment …") as on_progress:
                maps_tried, findings = tried_in_turn(question, maps, on_progress)
        except CrosspoolError as error:
            show_error(error)
            return
        _verdict(findings, chosen)
        st.table(_comparisons(findings))
        which = f"all {maps_tried:,} maps"
        if maps_tried < len(maps.upper):
            which = f"the strongest {maps_tried:,} of {len(maps.upper):,} maps, as all would take too long"
        st.caption(
            f"In double precision, with {which}. Equal means: the difference is at most {DOUBLE:g} of the largest "
            f"entry, or {SINGLE:g} where maps in the network's single precision are compared."
        )
        drawn_finding = next((finding for finding in findings if not finding.equal), findings[-1])
        st.plotly_chart(
            agreement_chart(drawn_finding),
            key="agreement",
            config=CHART_CONFIG,
            alt=f"Both sides compared entry by entry: {drawn_finding.claim}",
        )
        st.caption(
            f"Each point is one entry on both sides: {drawn_finding.claim}. On the line they are equal. Only the "
            "entries that are largest or differ most are drawn."
        )


def _shuffle_again() -> None:
    visit_state(EquationState).shuffles += 1


def _non_linearity(maps: ImageMaps, request: MapRequest) -> str:
    """What f is for this pair: the network's own non-linearity, and what the page does to make weights of it."""
    pair = maps.pair
    if not pair.can_be_negative:
        return f"Here f is the network's own **{pair.activation}**."
    own = f"the network's own **{pair.activation}**" if pair.activation else "the **identity**, as nothing follows u"
    return f"Here f is {own}" + (
        "; the weights are signed." if request.signed else ", and then max(0, ·), which turns it into weights."
    )


def _verdict(findings: list[Finding], experiment: Experiment) -> None:
    if not all(finding.as_expected for finding in findings):
        st.error("Not as expected: see the comparison below that says so.", icon=":material/close:")
    elif all(finding.equal for finding in findings):
        worst = max(findings, key=lambda finding: finding.difference / (finding.largest or 1.0))
        st.success(
            f"{experiment.agrees} {_how_closely(worst)} (largest value {worst.largest:.4g}).",
            icon=":material/check:",
        )
    else:
        st.info(experiment.differs, icon=":material/info:")


def _how_closely(finding: Finding) -> str:
    return f"to within {finding.difference:.1g}" if finding.difference else "exactly"


def _comparisons(findings: list[Finding]) -> pd.DataFrame:
    rows = [
        [
            finding.claim,
            ("equal" if finding.agrees else "different") + ("" if finding.as_expected else ", not as expected"),
            f"{finding.difference:.2g}",
            f"{finding.largest:.4g}",
        ]
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=["compared", "verdict", "largest difference", "largest entry"]).set_index(
        "compared"
    )
