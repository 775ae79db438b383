"""What a visit remembers of training and comparing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosspool.evaluation.command import DEFAULT_SPLITS
from crosspool.ui.comparison.job import Job
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.visit.state import VisitPart, image_data, plain


@dataclass(frozen=True)
class Answers:
    """Each method's scores of an image, (L,), and whether it is labelled, so that it was left out of their training."""

    image: str
    scores: dict[str, NDArray[np.float64]]
    left_out: bool


@dataclass
class ComparisonState(VisitPart):
    """What is compared and how, the job under way, and the last comparison with the files made of it.

    `methods` are the chosen ones of each network, `training_images` the chosen number per class for each (images,
    classes). `image_group` and `image_page` say which labelled images are shown as cards.
    """

    training_network: tuple[str, str] | None = plain(None)
    methods: dict[str, list[str]] = plain({})
    more_methods: str = plain("")
    splits: int = plain(DEFAULT_SPLITS)
    training_images: dict[tuple[int, int], int] = plain({})
    job: Job | None = image_data(None)
    comparison: Comparison | None = image_data(None, trained=True)
    made_files: dict[str, bytes] = image_data({})
    answers: Answers | None = image_data(None)
    drawn_birds: int = plain(0)
    image_group: str = plain("differ")
    image_page: int = plain(1)

    def take_over(self, comparison: Comparison) -> None:
        """Keep a job's comparison in place of the earlier one and the files made of that."""
        self.job, self.comparison = None, comparison
        self.made_files, self.answers = {}, None
        self.image_group = "differ"
        self.first_page()

    def first_page(self) -> None:
        """Go back to the first page of cards."""
        self.image_page = 1
