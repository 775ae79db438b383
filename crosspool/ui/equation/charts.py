"""Blocks of P as formulas and charts."""

import numpy as np

from crosspool.ui.equation.experiments import Finding
from crosspool.ui.runtime.maps import ImageMaps
from crosspool.ui.widgets.chart import bar_chart, point_chart
from crosspool.ui.widgets.text import number

EQUATION_1 = r"P_k \;=\; \sum_i a_{i,k}\, x_i \qquad \text{(Eq. 1)}"


def blocks_formula(count: int) -> str:
    """P as its `count` blocks in LaTeX. Blocks have the numbers of their maps, which count from 0, as rows do."""
    return rf"P \;=\; [\,P_0;\; P_1;\; \dots;\; P_{{{count - 1}}}\,]"


def show_blocks(maps: ImageMaps, channel: int, key: str) -> None:
    """Where block `channel` stands in P: the size ||P_k|| of every block, in their order."""
    sizes, length = maps.block_sizes(), maps.pair.patch_length
    labels = [
        f"block {k}: numbers {k * length:,} to {(k + 1) * length - 1:,} of P, size {number(size, 4)}"
        for k, size in enumerate(sizes.tolist())
    ]
    alt = f"Bar chart of the size of all {len(sizes):,} blocks in the order in which they stand in P"
    titles = "map k", "size ‖P_k‖"
    bar_chart(sizes, labels, key=key, alt=alt, titles=titles, marked=(channel, f"P_{channel}"))


def show_agreement(finding: Finding) -> None:
    """The outcome against what was expected: equal pairs lie on the diagonal."""
    pairs = zip(finding.expected.tolist(), finding.outcome.tolist(), strict=True)
    labels = [f"{number(first, 6)} and {number(second, 6)}" for first, second in pairs]
    alt = f"Both sides compared entry by entry: {finding.claim}"
    titles = "first side", "second side"
    point_chart(finding.expected, finding.outcome, labels, key="agreement", alt=alt, titles=titles)


def show_energy(shares: np.ndarray) -> None:
    """Each channel's share of the energy of P, the largest first; channels without energy are left out."""
    order = np.argsort(-shares, kind="stable")
    order = order[shares[order] > 0]
    labels = [f"map {k}: {share:.2%} of the energy" for k, share in zip(order, shares[order], strict=True)]
    alt = "Bar chart of the share of the energy of P that each block carries, the largest first"
    titles = "maps, the strongest first", "share of energy"
    bar_chart(shares[order], labels, key="energy", alt=alt, titles=titles, first=1, percent=True)
