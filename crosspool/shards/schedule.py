"""Which shard is computed next, whoever computes it; and what is done about those that fail."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

from crosspool.datasets import Sample
from crosspool.errors import SettingError
from crosspool.shards.extraction import Job, Task, sample_of, task_of
from crosspool.shards.listing import Listing
from crosspool.shards.plan import LEARNED

ATTEMPTS = 3  # at a shard, by workers that end in the middle of it
LOSSES = 30  # of a shard's workers, with the machines that they are on
LEARNING = -1  # the number of what is done before any shard

Work = Task | tuple[Sample, ...]
"""A shard, or the images that are learned from."""


class Schedule:
    """What is still to be done of a plan.

    Shards come in an order of their own, so that two drivers of the same store seldom compute the same. Of the plan's
    images `done` were done before, and `sampled` are still to be learned from; `advance` is told the number of a shard,
    or LEARNING, and how many more of its images are done, a negative number where it has to be begun again.
    """

    def __init__(self, job: Job, listing: Listing, advance: Callable[[int, int], None]) -> None:
        self.job, self._listing, self._advance = job, listing, advance
        there = job.place.names()
        self._open = job.plan.missing(there)
        random.SystemRandom().shuffle(self._open)
        self._learning = [] if LEARNED in there else [LEARNING]
        self._under_way: Counter[int] = Counter()  # the images that are done of each
        self._failures: Counter[tuple[int, bool]] = Counter()  # by number, and whether it was to blame
        self.done = job.plan.images - sum(len(job.plan.places(number)) for number in self._open)
        self.sampled = len(self.sample) if self._learning else 0

    @property
    def sample(self) -> Sequence[Sample]:
        return sample_of(self.job.plan, self._listing)

    @property
    def is_done(self) -> bool:
        return not self._open and not self._learning and not self._under_way

    def next(self) -> tuple[int, Work] | None:
        """The next work with its number; None where nothing can be begun now."""
        if self._learning:
            return self._begun(self._learning.pop(), tuple(self.sample))
        while self._open and LEARNING not in self._under_way:
            number = self._open.pop()
            if not self.job.place.has(self.job.plan.shard_name(number)):
                return self._begun(number, task_of(self.job.plan, self._listing, number))
            self._advance(number, len(self.job.plan.places(number)))  # another driver was faster
        return None

    def _begun(self, number: int, work: Work) -> tuple[int, Work]:
        self._under_way[number] = 0
        return number, work

    def count(self, number: int, images: int) -> None:
        """So many more images of what is under way are done."""
        self._under_way[number] += images
        self._advance(number, images)

    def finish(self, number: int) -> None:
        """What was under way is done."""
        del self._under_way[number]

    def fail(self, number: int, reason: str, *, is_to_blame: bool = True) -> None:
        """Begin something again later. Raises SettingError after too many failures, more where it is not to blame."""
        self._advance(number, -self._under_way.pop(number))
        self._failures[number, is_to_blame] += 1
        most = ATTEMPTS if is_to_blame else LOSSES
        if self._failures[number, is_to_blame] >= most:
            what = "Learning" if number == LEARNING else f"Shard {number}"
            raise SettingError(
                f"{what} failed {most} times, the last time because of this: {reason}; the shards that are done stay, "
                "and the same command goes on from them."
            )
        (self._learning if number == LEARNING else self._open).append(number)
