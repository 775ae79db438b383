"""What the page "Why this class?" shows: the question, the selected channel and cell, and the unticked channels."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray

from crosspool.backbones.probabilities import class_probabilities
from crosspool.contributions import Contributions
from crosspool.drawing.rendering import Look
from crosspool.grids import Size, largest_cells
from crosspool.pooled_parts import Vector
from crosspool.text import class_titles
from crosspool.ui.contributions.explaining import Explained, ExplainedClassifier, Question
from crosspool.ui.contributions.wording import cell_of_other_grid
from crosspool.ui.maps.selection import current_look
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import VisitPart, about_images, bound, plain, visit_state
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import as_it_is, signed

LEFT_OUT_SHARE = 0.05  # of the channels, to begin with


@dataclass
class ContributionChoices(VisitPart):
    """The choices that a visit remembers besides the question, which is in the link.

    `contributor` is the selected channel (-1 for the strongest), `cell` the selected position. `studied` is the image
    and the classifier that these belong to. `given_rival` is the class that was set against a wrong answer, None once
    another was chosen by hand.
    """

    contributor: int = plain(-1)
    cell: Cell | None = plain(None)
    unticked: frozenset[int] = plain(frozenset())
    studied: tuple[str, Hashable] | None = about_images(None)
    given_rival: str | None = about_images("")
    compared_with: str = about_images("")
    ranked: int = plain(8)
    drop_count: int = plain(0)
    drop_seed: int = plain(0)

    def choose_channel(self, channel: int, *, stay: bool = False) -> None:
        """Select this channel, at its strongest cell, or at the cell that is selected already if `stay`."""
        self.contributor = channel
        if not stay:
            self.cell = None

    def choose_cell(self, cell: Cell) -> None:
        """Select this cell of the grid of all positions."""
        self.cell = cell

    def tick(self, channel: int, counted: bool) -> None:
        """Count a channel, or leave it out."""
        self.unticked = self.unticked - {channel} if counted else self.unticked | {channel}

    def tick_all(self) -> None:
        """Count all channels."""
        self.unticked = frozenset()


@dataclass(frozen=True)
class GridCell:
    """A cell of the grid of all positions, of `size` (rows, columns)."""

    cell: Cell
    size: Size


@dataclass(frozen=True)
class ContributionState:
    """What one run of the page shows, its look, and the visit's choices; `selected` is None without positions."""

    image: SourceImage
    classifier: ExplainedClassifier
    explained: Explained
    question: Question
    contributions: Contributions
    channel: int
    selected: GridCell | None
    look: Look
    choices: ContributionChoices

    @property
    def classes(self) -> tuple[str, ...]:
        return self.classifier.model.classes

    @cached_property
    def titles(self) -> dict[str, str]:
        """The classes in words, by their names."""
        return class_titles(self.classes)

    @property
    def titled_question(self) -> Question:
        """The question in words."""
        positive, against = (self.titles.get(name, "") for name in self.question)
        return positive, against

    @cached_property
    def probabilities(self) -> Vector | None:
        """The classes' probabilities, of a network's own classes: a trained machine knows none."""
        if self.classifier.is_trained:
            return None
        return np.asarray(class_probabilities(torch.from_numpy(self.explained.scores)[None])[0])

    @cached_property
    def names(self) -> list[str]:
        """The names of the channels."""
        return self.contributions.names

    @property
    def wording(self) -> str:
        """The question in a few words of Markdown."""
        positive, against = map(as_it_is, self.titled_question)
        return f"{positive} against {against}" if against else positive

    def weights(self, channel: int) -> NDArray[np.float64]:
        """A channel's weighting map, (H, W), where positions are known."""
        part, k = self.contributions.channel(channel)
        assert part.maps is not None
        return np.asarray(part.maps[k])

    def evidence(self, channel: int) -> NDArray[np.float64]:
        """A channel's evidence, (H, W), where positions are known."""
        part, k = self.contributions.channel(channel)
        assert part.evidence is not None
        return np.asarray(part.evidence[k])


def contribution_state(image: SourceImage, classifier: ExplainedClassifier, explained: Explained) -> ContributionState:
    """What the page shows of the image now. Draws the choice of the question."""
    choices, question = visit_state(ContributionChoices), _choose_question(explained, classifier)
    contributions = explained.contributions(question)
    channel = choices.contributor
    if not 0 <= channel < len(contributions.channels):  # until one is selected, the strongest for the class
        channel = int(contributions.channels.argmax())
    cell, look = _selected_cell(contributions, channel), current_look(signed=False)
    return ContributionState(image, classifier, explained, question, contributions, channel, cell, look, choices)


def _choose_question(explained: Explained, classifier: ExplainedClassifier) -> Question:
    """Any class against any other, or against none; the one with the highest score first.

    A wrong answer is set against the image's label, until another rival, or none, is chosen.
    """
    classes, order = classifier.model.classes, np.argsort(-explained.scores, kind="stable")
    titles_of = class_titles(classes)
    texts = {classes[k]: f"{titles_of[classes[k]]} · {signed(explained.scores[k])}" for k in order}
    link, best = visit_state(LinkState), classes[order[0]]
    if link.positive not in texts or link.positive == best:
        link.positive = ""
    left, right = st.columns(2, gap="medium")
    with left:
        titles = {"" if name == best else name: text for name, text in texts.items()}
        hint, binding = "The classes, highest score first; type to search.", bound(link, "positive", among=titles)
        st.selectbox("Why this class?", list(titles), format_func=titles.__getitem__, help=hint, **binding)
    positive, state = link.positive or best, visit_state(ContributionChoices)
    rivals = {name: text for name, text in texts.items() if name != positive}
    if link.against not in rivals:
        link.against = ""
    is_wrong = bool(classifier.labels) and best not in classifier.labels
    if is_wrong and state.given_rival is not None and not link.against and classifier.labels[0] in rivals:
        link.against = state.given_rival = classifier.labels[0]
    with right:
        titles = {"": "no other class"} | rivals
        hint = "With another class, the lead over that class is split, just as a score is."
        binding = bound(link, "against", among=titles, then=_keep_rival)
        st.selectbox("Compared with", list(titles), format_func=titles.__getitem__, help=hint, **binding)
    return positive, link.against


def _keep_rival() -> None:
    """Let a rival that was chosen by hand stay, for this image and the next."""
    visit_state(ContributionChoices).given_rival = None


# --- the channel and the cell


def reset_for(image: SourceImage, classifier: ExplainedClassifier, channels: int) -> None:
    """For another image or classifier, forget the channel, the cell and which channels are unticked.

    And the rival, where it was given as the last image's label.
    """
    studied = (image.key, classifier.identity)
    state, link = visit_state(ContributionChoices), visit_state(LinkState)
    if state.studied == studied:
        return
    state.studied = studied
    if state.given_rival and link.against == state.given_rival:
        link.against = ""
    state.given_rival = ""
    state.tick_all()
    state.choose_channel(-1)
    if not 0 < state.drop_count <= channels:
        state.drop_count = max(1, round(LEFT_OUT_SHARE * channels))


def _selected_cell(contributions: Contributions, channel: int) -> GridCell | None:
    """The selected cell; until one is selected, the one with most evidence, or that where the channel is strongest.

    Where the channel is equally strong at several cells, it is the one of these with most evidence.
    """
    positions, (part, k) = contributions.positions, contributions.channel(channel)
    if positions is None or part.evidence is None:
        return None
    rows, columns = size = positions.shape
    choices = visit_state(ContributionChoices)
    cell = choices.cell
    if cell is not None and cell[0] < rows and cell[1] < columns:
        return GridCell(cell, (rows, columns))
    if choices.contributor < 0:
        row, column = divmod(int(positions.argmax()), columns)
        return GridCell((row, column), (rows, columns))
    evidence = part.evidence[k]
    strongest = [cell_of_other_grid(each, evidence.shape, size) for each in largest_cells(evidence)]
    return GridCell(max(strongest, key=lambda each: positions[each]), (rows, columns))
