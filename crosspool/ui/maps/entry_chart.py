"""The strongest entries of a patch or of a block of P as a chart."""

import numpy as np

from crosspool.layer_pairs import LayerPair
from crosspool.ui.widgets.chart import bar_chart
from crosspool.ui.widgets.text import number

CHART_ENTRIES = 48
NAMED = 4  # every fourth bar has its name below it


def show_strongest_entries(vector: np.ndarray, pair: LayerPair, title: str, key: str) -> None:
    """The CHART_ENTRIES entries of a vector of length D_t*m*n that are largest in magnitude, in falling order."""
    order = np.argsort(-np.abs(vector), kind="stable")[:CHART_ENTRIES]
    names = [entry_name(int(index), pair) for index in order]
    labels = [f"lower channel {name}: {number(entry, 4)}" for name, entry in zip(names, vector[order], strict=True)]
    of_patch = "" if pair.kernel_size == (1, 1) else " (row, column of the patch)"
    alt = f"Bar chart of the strongest of {len(vector):,} entries of {title}"
    ticks = dict(list(enumerate(names))[::NAMED])
    bar_chart(vector[order], labels, key=key, alt=alt, titles=(f"lower channel{of_patch}", title), ticks=ticks)


def entry_name(index: int, pair: LayerPair) -> str:
    """The lower channel, and for larger patches the cell in the patch, of entry `index` of a block P_k."""
    m, n = pair.kernel_size
    channel, cell = divmod(index, m * n)
    return f"{channel}" if m * n == 1 else f"{channel} ({cell // n}, {cell % n})"
