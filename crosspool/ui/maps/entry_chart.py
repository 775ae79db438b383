"""The strongest entries of a patch or of a block of P, as a chart."""

import numpy as np
import plotly.graph_objects as go

from crosspool.layer_pairs import LayerPair

CHART_ENTRIES = 48


CHART_CONFIG = {"displayModeBar": False, "scrollZoom": False}  # on touch screens the buttons would cover the chart


BAR_COLOUR = "#13837a"


MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def entry_name(index: int, pair: LayerPair) -> str:
    """Which lower channel, and which place of the patch, entry `index` of a block P_k belongs to."""
    m, n = pair.kernel_size
    channel, place = divmod(index, m * n)
    return f"{channel}" if m * n == 1 else f"{channel} ({place // n}, {place % n})"


def strongest_entries(block: np.ndarray, pair: LayerPair, title: str) -> go.Figure:
    """The `SHOWN` entries of a vector of length D_t*m*n that are largest in magnitude, in falling order."""
    order = np.argsort(-np.abs(block), kind="stable")[:CHART_ENTRIES]
    names = [entry_name(int(index), pair) for index in order]
    figure = go.Figure(
        go.Bar(
            x=list(range(len(order))),
            y=block[order],
            customdata=names,
            marker_color=BAR_COLOUR,
            hovertemplate="lower channel %{customdata}<br>%{y:.4g}<extra></extra>",
        )
    )
    figure.update_xaxes(**entry_axis(names, pair))
    figure.update_yaxes(title_text=title)
    figure.update_layout(height=300, margin=MARGIN, bargap=0.15, showlegend=False)
    return figure


def entry_axis(names: list[str], pair: LayerPair) -> dict[str, object]:
    return {
        "tickmode": "array",
        "tickvals": list(range(0, len(names), 4)),
        "ticktext": names[::4],
        "title_text": "lower channel" if pair.kernel_size == (1, 1) else "lower channel (row, column of the patch)",
        "tickangle": -45,
    }
