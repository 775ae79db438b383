"""What the lesson asks, and the right answers, computed from the numbers of the photo at hand."""

from dataclasses import dataclass

import numpy as np

from crosspool.ui.equation.building import carriers_of_half
from crosspool.ui.widgets.cell_image import Cell

NEGLIGIBLE = 0.05  # of the largest weight: what counts for nothing
STRONG = 0.5  # of the largest weight
NEARLY_EQUAL, SIMILAR = 0.99, 0.8  # cosines
CHANGED = 0.01  # of a vector's length
NEARLY_FEWEST = 1.1  # times the fewest cells: maps that nobody can tell apart by eye


@dataclass(frozen=True)
class Question:
    """A question with answers to choose from, {id: text}; `right` is the id of the right one."""

    text: str
    options: dict[str, str]
    right: str


def strong_cells(weights: np.ndarray) -> int:
    """In how many cells a map is at least half as strong as at its peak."""
    return int((weights >= STRONG * weights.max()).sum()) if weights.max() > 0 else 0


def is_selective(cells: int, fewest: int) -> bool:
    """Whether a map that is strong in so many cells is as good an answer as the one with the fewest."""
    return cells <= NEARLY_FEWEST * fewest


def is_strong(weights: np.ndarray, cell: Cell) -> bool:
    """Whether a map is at least half as strong in a cell as at its peak."""
    return bool(weights[cell] >= STRONG * weights.max())


def is_negligible(weights: np.ndarray, cell: Cell) -> bool:
    """Whether a cell counts for next to nothing; in a map that is strong everywhere, whether none counts less."""
    return bool(weights[cell] <= max(weights.min(), NEGLIGIBLE * weights.max()))


def positions_for_half(weights: np.ndarray) -> int:
    """How many positions, the heaviest first, make up half of a map's weight."""
    return carriers_of_half(np.abs(weights.ravel()) / (np.abs(weights).sum() or 1.0))


def how_many(text: str, count: int, total: int) -> Question:
    """How many of `total` it is: up to a tenth of them, up to a quarter, or more."""
    tenth, quarter = total // 10, total // 4
    options = {
        "tenth": f"At most a tenth: up to {tenth:,}",
        "quarter": f"Up to a quarter: {tenth + 1:,} to {quarter:,}",
        "more": f"More: {quarter + 1:,} or above",
    }
    return Question(text, options, "tenth" if count <= tenth else "quarter" if count <= quarter else "more")


def how_similar(cosine: float) -> Question:
    """How much a finer map, averaged down, is like the coarse one."""
    options = {
        "equal": f"Practically the same: a cosine above {NEARLY_EQUAL}",
        "similar": f"Similar: {SIMILAR} to {NEARLY_EQUAL}",
        "different": f"Clearly different: below {SIMILAR}",
    }
    right = "equal" if cosine > NEARLY_EQUAL else "similar" if cosine >= SIMILAR else "different"
    return Question(
        "Average the finer map down to the coarse grid. How much will it be like the coarse map?", options, right
    )


def what_mirroring_changes(change: float) -> Question:
    """What changes where a map is mirrored and the patches stay; `change` is that of the block."""
    options = {
        "average": "The map's average",
        "block": "Its block of P",
        "both": "Both",
        "neither": "Neither",
    }
    text = "Mirror the map left to right, and leave the patches where they are. What changes?"
    return Question(text, options, "block" if change > CHANGED else "neither")


def what_moving_changes(change: float) -> Question:
    """What becomes of a block where weights and patches move together; `change` is that of the block."""
    options = {
        "same": "It stays the same: P says what was there, not where",
        "changes": "It changes: P says where things are",
        "zero": "It becomes zero: the map no longer fits",
    }
    text = "Shuffle all cells of the photo's layers, patches and weights together. What becomes of the block?"
    return Question(text, options, "same" if change <= CHANGED else "changes")
