"""What a visit remembers of Eq. 1 taken apart."""

from dataclasses import dataclass

from crosspool.ui.equation.building import Order
from crosspool.ui.equation.experiments import EXPERIMENTS
from crosspool.ui.visit.state import VisitPart, plain


@dataclass
class EquationState(VisitPart):
    """The order in which a block is built, the experiment that is tried, and how often it was shuffled again."""

    walk_order: Order = plain("rows")
    experiment: str = plain(next(iter(EXPERIMENTS)))
    shuffles: int = plain(0)
