"""The result of a comparison in one sentence: which method is best, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from crosspool.evaluation.findings import MEASURES, AccuracyFindings, reads_true_parts
from crosspool.evaluation.report import Choice, Paired
from crosspool.methods.wording import (
    CROSS_LAYER_KIND,
    FULLY_CONNECTED_KIND,
    learns_parts,
    method_in_words,
    rivals,
)
from crosspool.text import percent, shown_ends, signed_percent

KINDS = (CROSS_LAYER_KIND, FULLY_CONNECTED_KIND)
# Of methods in words, by how these begin; the others have none.
ARTICLES = {
    "the": ("fully-connected", "sum", "max", "generalised", "mean", "square", "Fisher", "vector"),
    "a": ("part-based", "fine-tuned"),
}


@dataclass(frozen=True)
class Difference:
    """How far one method is ahead of another on the same splits; the ends of its 95 % interval, or None."""

    method: str
    baseline: str
    value: float
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, pair: Paired) -> "Difference":
        return cls(pair.method, pair.baseline, pair.difference, None if pair.interval is None else pair.interval.ends)

    @classmethod
    def of_json(cls, pair: Mapping[str, Any]) -> "Difference":
        ends = pair["interval"]
        return cls(pair["method"], pair["baseline"], pair["difference"], None if ends is None else tuple(ends))

    @property
    def is_clear(self) -> bool:
        """Whether the interval has a width and does not include zero."""
        return self.interval is not None and self.interval[0] < self.interval[1] and not (
            self.interval[0] <= 0 <= self.interval[1]
        )  # fmt: skip


@dataclass(frozen=True)
class Contestant:
    """What stands for a kind of methods: one of them, or a choice among several within the training images.

    `name` is what differences call it, `method` the method, or the one that was chosen most often.
    """

    name: str
    method: str
    share: float
    candidates: int = 1

    @classmethod
    def of(cls, choice: Choice) -> "Contestant":
        result = choice.result
        share = next(iter(result.measures.values())).value
        return cls(result.name, choice.favourite, share, len(choice.candidates))


@dataclass(frozen=True)
class Outcome:
    """What a verdict is based on: `shares` are the methods' values of the measure, from 0 to 1.

    `chosen` are the choices among several methods of a kind.
    """

    measure: str
    shares: Mapping[str, float]
    differences: Sequence[Difference]
    chosen: Mapping[str, Contestant] = field(default_factory=dict)

    @classmethod
    def of(cls, findings: AccuracyFindings) -> "Outcome":
        """The outcome of an evaluation."""
        report = findings.report
        shares = {result.name: result.measures[report.measure].value for result in report.methods}
        differences = [Difference.of(pair) for pair in (*report.paired, *report.chosen_paired)]
        return cls(
            report.measure, shares, differences, {choice.kind: Contestant.of(choice) for choice in report.choices}
        )

    @classmethod
    def of_json(cls, results: Mapping[str, Any]) -> "Outcome":
        """The outcome in the JSON of an evaluation."""
        measure = results["measure"]
        shares = {method["name"]: method[measure] for method in results["methods"]}
        differences = [Difference.of_json(pair) for pair in (*results["paired"], *results["chosen_paired"])]
        chosen = {
            choice["kind"]: Contestant(
                choice["name"], next(iter(choice["picks"])), choice[measure], len(choice["candidates"])
            )
            for choice in results["choices"]
        }
        return cls(measure, shares, differences, chosen)

    @property
    def verdict(self) -> str:
        """The best cross-layer method beside the best fully-connected one, or else the best two, in a few sentences.

        Of several of a kind, the one that was chosen within the training images stands for it. A method that takes no
        part in this and is better than both is named, too.
        """
        best, other = self._contest()
        words = f"{_capitalised(_with_article(best))}, {self._value(best.share, 'is right for {} of 100 images')}"
        if other is None:
            return f"{words}."
        sentences = f"{words}; {_with_article(other)}, {self._value(other.share, 'for {}')}. "
        sentences += self._certainty(best, other)
        contesting = set(chain.from_iterable(self._rivals.values()))
        others = [name for name in self.shares if self._are_both_there and name not in contesting]
        first = max(others, key=self.shares.__getitem__, default=None)
        worth = self._worth_of_parts
        if first is not None and self.shares[first] > best.share and not (worth and learns_parts(first)):
            leader = Contestant(first, first, self.shares[first])
            sentences += f" Better than both: {_with_article(leader)}, {self._value(leader.share, 'right for {}')}."
        return " ".join(filter(None, [sentences, worth]))

    @property
    def _worth_of_parts(self) -> str:
        """How far the best method that learns from annotated parts is ahead of pooling that needs none, if it is."""
        of_parts = [name for name in self.shares if learns_parts(name)]
        detecting = [name for name in of_parts if not reads_true_parts(name)]
        first = max(detecting or of_parts, key=self.shares.__getitem__, default=None)
        pooled = self._leader(CROSS_LAYER_KIND)
        if first is None or pooled is None or self.shares[first] <= pooled.share:
            return ""
        found = Contestant(first, first, self.shares[first])
        bound = " Its boxes of test images are the true ones: an upper bound." if reads_true_parts(first) else ""
        right = self._value(found.share, "right for {}")
        subject = f"With annotated parts, {_with_article(found)}, {right}, is ahead of cross-layer pooling"
        return f"{subject}{self._lead(found, pooled)}; cross-layer pooling needs no annotation.{bound}"

    def _lead(self, best: Contestant, other: Contestant) -> str:
        """How far one is ahead of another, and how sure that is, as the end of a clause."""
        pair, sign = self._difference(best, other)
        if pair is None or pair.interval is None:
            return ", but how sure that is was not tested"
        points, ends = signed_percent(sign * pair.value).lstrip("+"), _ends(pair.interval, sign)
        certainty = "more than chance explains" if pair.is_clear else "which is not a clear difference"
        return f" by {points} points, {certainty} ({ends})"

    @property
    def _rivals(self) -> dict[str, list[str]]:
        """The methods of the kinds that are set against each other."""
        return rivals(self.shares)

    @property
    def _are_both_there(self) -> bool:
        return self._rivals.keys() == set(KINDS)

    def _contest(self) -> tuple[Contestant, Contestant | None]:
        ranking = [
            Contestant(name, name, share) for name, share in sorted(self.shares.items(), key=lambda each: -each[1])
        ]
        if self._are_both_there:
            leaders = filter(None, map(self._leader, KINDS))
            best, other = sorted(leaders, key=lambda each: -each.share)
            return best, other
        return ranking[0], ranking[1] if len(ranking) > 1 else None

    def _leader(self, kind: str) -> Contestant | None:
        """What stands for a kind: what was chosen of several, or else the method with the highest share, if any."""
        names = self._rivals.get(kind, [])
        first = max(names, key=self.shares.__getitem__, default=None)
        return self.chosen.get(kind) or (None if first is None else Contestant(first, first, self.shares[first]))

    def _value(self, share: float, of_accuracy: str) -> str:
        if self.measure == "accuracy":
            return of_accuracy.format(f"{100 * share:.0f}")
        return f"{MEASURES[self.measure]} {percent(share)} %"

    def _difference(self, one: Contestant, other: Contestant) -> tuple[Difference | None, int]:
        """The difference of two, by the names of what stands for them or of their methods, and its sign."""
        for ours, theirs in ((one.name, other.name), (one.method, other.method)):
            for each in self.differences:
                if (each.method, each.baseline) == (ours, theirs):
                    return each, 1
                if (each.method, each.baseline) == (theirs, ours):
                    return each, -1
        return None, 1

    def _certainty(self, best: Contestant, other: Contestant) -> str:
        pair, sign = self._difference(best, other)
        if pair is None or pair.interval is None:
            return "How sure that is was not tested."
        points, ends = signed_percent(sign * pair.value), _ends(pair.interval, sign)
        if pair.is_clear:
            return f"The difference of {points.lstrip('+')} points is more than chance explains ({ends})."
        return f"There is no clear difference: {points} points ({ends})."


def _ends(interval: tuple[float, float], sign: int) -> str:
    low, high = sorted(sign * end for end in interval)
    return f"95 % interval {' to '.join(shown_ends(low, high, signed_percent))}"


def _with_article(contestant: Contestant) -> str:
    """A method in words, as the subject of a sentence."""
    words = method_in_words(contestant.method)
    article = next((article for article, beginnings in ARTICLES.items() if words.startswith(beginnings)), "")
    subject = f"{article} {words}".lstrip()
    return subject if contestant.candidates == 1 else f"{subject} (chosen from {contestant.candidates})"


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
