"""What the page Contributions looks at: the question, the selected channel and cell, and what is unticked."""

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from crosspool.contributions import Contributions
from crosspool.grids import Size
from crosspool.ui.contributions.explaining import Explained, ExplainedClassifier, Question
from crosspool.ui.contributions.wording import cell_of_other_grid
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import VisitPart, about_images, bound, plain, visit_state
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import as_it_is, signed

LEFT_OUT_SHARE = 0.05  # of the channels, to begin with


@dataclass
class ContributionChoices(VisitPart):
    """What a visit remembers of the page beside the question, which is in the link.

    `contributor` is the selected channel (-1 for the strongest), `cell` where it is looked at. `studied` is
    the image and the classifier that these are for. `given_rival` is the class that was set against a wrong answer,
    None once another was chosen by hand.
    """

    contributor: int = plain(-1)
    cell: Cell | None = plain(None)
    unticked: frozenset[int] = plain(frozenset())
    studied: tuple[str, int] | None = about_images(None)
    given_rival: str | None = about_images("")
    compared_with: str = about_images("")
    ranked: int = plain(8)
    drop_count: int = plain(0)
    drop_seed: int = plain(0)


@dataclass(frozen=True)
class GridCell:
    """A cell of the grid of all positions, of `size` (rows, columns)."""

    cell: Cell
    size: Size


@dataclass(frozen=True)
class ContributionState:
    """What one run of the page looks at; `selected` is None where positions are not known."""

    picture: SourceImage
    subject: ExplainedClassifier
    explained: Explained
    question: Question
    contributions: Contributions
    channel: int
    selected: GridCell | None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.subject.classifier.classes

    @cached_property
    def names(self) -> list[str]:
        """What the channels are called."""
        return self.contributions.names

    @property
    def wording(self) -> str:
        """The question in a few words of Markdown."""
        positive, against = (as_it_is(name) for name in self.question)
        return f"{positive} against {against}" if against else positive

    def weights(self, channel: int) -> NDArray[np.float64]:
        """A channel's weighting map, (H, W), where positions are known."""
        part, k = self.contributions.channel(channel)
        return np.asarray(cast("NDArray[np.float64]", part.maps)[k])

    def evidence(self, channel: int) -> NDArray[np.float64]:
        """A channel's evidence, (H, W), where positions are known."""
        part, k = self.contributions.channel(channel)
        return np.asarray(cast("NDArray[np.float64]", part.evidence)[k])


def contribution_state(picture: SourceImage, subject: ExplainedClassifier, explained: Explained) -> ContributionState:
    """What is to be seen of the image now. Draws the choice of the question."""
    question = choose_question(explained, subject)
    contributions = explained.contributions(question)
    channel = _selected_channel(contributions)
    return ContributionState(
        picture, subject, explained, question, contributions, channel, _selected_cell(contributions, channel)
    )


def choose_question(explained: Explained, subject: ExplainedClassifier) -> Question:
    """Any class against any other, or against none; the one with the highest score first.

    A wrong answer is set against the image's label, until another rival, or none, is chosen.
    """
    classes, order = subject.classifier.classes, np.argsort(-explained.scores, kind="stable")
    texts = {classes[k]: f"{classes[k]} · {signed(explained.scores[k])}" for k in order}
    link, best = visit_state(LinkState), classes[order[0]]
    if link.positive not in texts or link.positive == best:
        link.positive = ""
    left, right = st.columns(2, gap="medium")
    with left:
        st.selectbox(
            "Why this class?",
            ["", *list(texts)[1:]],
            format_func=lambda name: texts[name or best],
            help="The classes, highest score first; type to search.",
            **bound(link, "positive"),
        )
    positive, state = link.positive or best, visit_state(ContributionChoices)
    rivals = [name for name in texts if name != positive]
    if link.against not in rivals:
        link.against = ""
    wrong = bool(subject.labels) and best not in subject.labels
    if wrong and state.given_rival is not None and not link.against and subject.labels[0] in rivals:
        link.against = state.given_rival = subject.labels[0]
    with right:
        st.selectbox(
            "Compared with",
            ["", *rivals],
            format_func=lambda name: texts[name] if name else "no other class",
            **bound(link, "against", then=_keep_rival),
            help="With another class, the lead over that class is split, just as a score is.",
        )
    return positive, link.against


def _keep_rival() -> None:
    """What was chosen by hand stays, for this image and the next."""
    visit_state(ContributionChoices).given_rival = None


# --- the channel and the cell


def choose_channel(channel: int, *, stay: bool = False) -> None:
    """Select this channel, at its strongest cell, or at the cell that is selected already if `stay`."""
    state = visit_state(ContributionChoices)
    state.contributor = channel
    if not stay:
        state.cell = None


def choose_contribution_cell(cell: Cell) -> None:
    """Select this cell of the grid of all positions."""
    visit_state(ContributionChoices).cell = cell


def reset_for(picture: SourceImage, subject: ExplainedClassifier, channels: int) -> None:
    """When another image, or another classifier, is looked at: forget the channel, the cell and what is unticked.

    And the rival, where it was given as the last image's label.
    """
    studied = (picture.key, id(subject.classifier))
    state, link = visit_state(ContributionChoices), visit_state(LinkState)
    if state.studied == studied:
        return
    state.studied = studied
    if state.given_rival and link.against == state.given_rival:
        link.against = ""
    state.given_rival = ""
    tick_all_channels()
    choose_channel(-1)
    if not 0 < state.drop_count <= channels:
        state.drop_count = max(1, round(LEFT_OUT_SHARE * channels))


def _selected_channel(contributions: Contributions) -> int:
    """The selected channel, or until one is selected the strongest for the class."""
    channel = visit_state(ContributionChoices).contributor
    return channel if 0 <= channel < len(contributions.channels) else int(contributions.channels.argmax())


def _selected_cell(contributions: Contributions, channel: int) -> GridCell | None:
    """The selected cell, or the one where the channel is strongest."""
    positions, (part, k) = contributions.positions, contributions.channel(channel)
    if positions is None or part.evidence is None:
        return None
    rows, columns = size = positions.shape
    cell = visit_state(ContributionChoices).cell
    if cell is not None and cell[0] < rows and cell[1] < columns:
        return GridCell(cell, (rows, columns))
    evidence = part.evidence[k]
    row, column = np.unravel_index(np.abs(evidence).argmax(), evidence.shape)
    return GridCell(cell_of_other_grid((int(row), int(column)), evidence.shape, size), (rows, columns))


# --- what is unticked


def left_out() -> frozenset[int]:
    """The channels that are unticked."""
    return visit_state(ContributionChoices).unticked


def tick_channel(channel: int, counted: bool) -> None:
    visit_state(ContributionChoices).unticked = left_out() - {channel} if counted else left_out() | {channel}


def tick_all_channels() -> None:
    visit_state(ContributionChoices).unticked = frozenset()
