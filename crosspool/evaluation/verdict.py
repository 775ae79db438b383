"""The result of a comparison in one sentence: which method is best, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crosspool.evaluation.findings import MEASURES, AccuracyFindings
from crosspool.methods.wording import family, method_in_words
from crosspool.text import percent, signed_percent


@dataclass(frozen=True)
class Difference:
    """How far one method is ahead of another on the same splits; the ends of its 95 % interval, or None."""

    method: str
    baseline: str
    value: float
    interval: tuple[float, float] | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval has a width and does not include zero."""
        return self.interval is not None and self.interval[0] < self.interval[1] and not (
            self.interval[0] <= 0 <= self.interval[1]
        )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a verdict is based on: `shares` are the methods' values of the measure, from 0 to 1."""

    measure: str
    shares: Mapping[str, float]
    differences: Sequence[Difference]

    @classmethod
    def of(cls, findings: AccuracyFindings) -> "Outcome":
        """The outcome of an evaluation."""
        report = findings.report
        shares = {result.name: result.measures[report.measure].value for result in report.methods}
        differences = [
            Difference(
                pair.method, pair.baseline, pair.difference, None if pair.interval is None else pair.interval.ends
            )
            for pair in report.paired
        ]
        return cls(report.measure, shares, differences)

    @classmethod
    def of_json(cls, results: Mapping[str, Any]) -> "Outcome":
        """The outcome in the JSON of an evaluation."""
        measure = results["measure"]
        shares = {method["name"]: method[measure] for method in results["methods"]}
        differences = [
            Difference(
                pair["method"], pair["baseline"], pair["difference"], pair["interval"] and tuple(pair["interval"])
            )
            for pair in results["paired"]
        ]
        return cls(measure, shares, differences)

    @property
    def verdict(self) -> str:
        """The best cross-layer method beside the best fully-connected one, or else the best two, in a sentence or two.

        A method of another kind that is better than both is named, too.
        """
        best, other = self._contest()
        words = f"{_capitalised(_with_article(best))}, {self._value(best, 'is right for {} of 100 images')}"
        if other is None:
            return f"{words}."
        sentences = f"{words}; {_with_article(other)}, {self._value(other, 'for {}')}. {self._certainty(best, other)}"
        first = max(self.shares, key=self.shares.__getitem__)
        if self.shares[first] <= self.shares[best]:
            return sentences
        return f"{sentences} Higher than both: {_with_article(first)}, {self._value(first, 'right for {}')}."

    def _contest(self) -> tuple[str, str | None]:
        ranking = sorted(self.shares, key=lambda name: -self.shares[name])
        leaders = [
            next((name for name in ranking if family(name) == kind), None)
            for kind in ("cross-layer", "fully-connected")
        ]
        if None not in leaders:
            best, other = sorted(filter(None, leaders), key=ranking.index)
            return best, other
        return ranking[0], ranking[1] if len(ranking) > 1 else None

    def _value(self, name: str, of_accuracy: str) -> str:
        if self.measure == "accuracy":
            return of_accuracy.format(f"{100 * self.shares[name]:.0f}")
        return f"{MEASURES[self.measure]} {percent(self.shares[name])} %"

    def _certainty(self, best: str, other: str) -> str:
        pair = next((each for each in self.differences if {each.method, each.baseline} == {best, other}), None)
        if pair is None or pair.interval is None:
            return "How sure that is was not tested."
        sign = 1 if pair.method == best else -1
        low, high = sorted(100 * sign * end for end in pair.interval)
        points, ends = signed_percent(sign * pair.value), f"95 % interval {low:+.1f} to {high:+.1f}".replace("-", "−")
        if pair.is_clear:
            return f"The difference of {points.lstrip('+')} points is more than chance explains ({ends})."
        return f"There is no clear difference: {points} points ({ends})."


def _with_article(name: str) -> str:
    """A method in words, as the subject of a sentence."""
    words = method_in_words(name)
    return f"the {words}" if words.startswith(("fully-connected", "sum", "maxim")) else words


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
