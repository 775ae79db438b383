"""What a study of faithfulness found and how: its result with the network and the command."""

import shlex
from dataclasses import dataclass

from crosspool.faithfulness.curves import Curves
from crosspool.faithfulness.study import StudyResult


@dataclass(frozen=True)
class FaithfulnessFindings:
    """An answer, and what it does not say of how it came about."""

    answer: StudyResult
    backbone: str
    network: str
    """The backbone's name for people."""
    weights: str
    command: tuple[str, ...]
    """The command that gives these findings again."""

    @property
    def command_line(self) -> str:
        return shlex.join(self.command)


def curves_of(answer: StudyResult) -> dict[str, Curves]:
    """All curves by what was done."""
    curves_by_step = {
        "channels taken away": answer.channels,
        "positions left out": answer.deletion,
        "positions put in": answer.insertion,
        "pixels hidden": answer.pixel_deletion,
        "pixels shown": answer.pixel_insertion,
    }
    return {name: curves for name, curves in curves_by_step.items() if curves is not None}
