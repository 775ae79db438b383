"""Which methods share a pass of the network, and what each takes: in passes at the network's own input size."""

from collections.abc import Iterator, Sequence

from crosspool.crops import Source
from crosspool.evaluation.run import TIMED_IMAGES
from crosspool.methods import Method
from crosspool.ui.comparison.plan import Plan

ENCODING_PASSES = 0.2  # what it takes to encode and compare an image, in passes of the network at its own size


CROPS_PER_VIEW = {"whole": 1, "tiles": 1, "jitter": 10, "augmented": 16}


NetworkPass = tuple[int, str, str]  # size, views, framing: what goes through the network at once


def pass_of(source: Source) -> NetworkPass:
    return source.size, source.views, source.framing


def sources_of(methods: Sequence[Method]) -> tuple[Source, ...]:
    return tuple(sorted({source for method in methods for source in method.sources}))


def in_order(methods: Sequence[Method]) -> Iterator[tuple[Method, dict[NetworkPass, tuple[Source, ...]]]]:
    """The quick methods first, each with the passes that it needs and no earlier one had, for all methods together."""
    earlier: set[NetworkPass] = set()
    for method in sorted(methods, key=lambda method: sum(map(_pixels, set(map(pass_of, method.sources))))):
        new = sorted(set(map(pass_of, method.sources)) - earlier)
        earlier.update(new)
        yield (
            method,
            {each: tuple(s for s in sources_of(methods) if pass_of(s) == each) for each in new},
        )


def _pixels(network_pass: NetworkPass) -> int:
    size, views, _ = network_pass
    return size**2 * CROPS_PER_VIEW[views]


def pass_cost(plan: Plan, network_pass: NetworkPass) -> float:
    return _pixels(network_pass) / plan.network.spec.preprocessing.size**2


def test_cost(plan: Plan, method: Method) -> float:
    encodings = plan.splits if method.learns else 1
    timed = sum(pass_cost(plan, network_pass) for network_pass in set(map(pass_of, method.sources))) * TIMED_IMAGES
    return ENCODING_PASSES * len(plan.labelled.dataset) * encodings + timed


def total_cost(plan: Plan) -> float:
    count = len(plan.labelled.dataset)
    total = 0.0
    for method, passes in in_order(plan.methods):
        total += count * sum(pass_cost(plan, network_pass) for network_pass in passes) + test_cost(plan, method)
    return total + ENCODING_PASSES * count * len(plan.methods)
