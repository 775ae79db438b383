"""A pooled block, or a single patch, as a chart of its strongest entries."""

import numpy as np
import plotly.graph_objects as go

from crosspool.layer_pairs import LayerPair

SHOWN = 48
BAR_COLOUR = "#13837a"


def entry_name(index: int, pair: LayerPair) -> str:
    """Which lower channel, and which place of the patch, entry `index` of a block P_k belongs to."""
    m, n = pair.kernel_size
    channel, place = divmod(index, m * n)
    return f"{channel}" if m * n == 1 else f"{channel} ({place // n}, {place % n})"


def strongest_entries(block: np.ndarray, pair: LayerPair, title: str) -> go.Figure:
    """The `SHOWN` entries of a vector of length D_t*m*n that are largest in magnitude, in falling order."""
    order = np.argsort(-np.abs(block), kind="stable")[:SHOWN]
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
    figure.update_xaxes(
        tickmode="array",
        tickvals=list(range(0, len(order), 4)),
        ticktext=names[::4],
        title_text="lower channel" if pair.kernel_size == (1, 1) else "lower channel (row, column of the patch)",
        tickangle=-45,
    )
    figure.update_yaxes(title_text=title)
    figure.update_layout(height=300, margin={"l": 8, "r": 8, "t": 8, "b": 8}, bargap=0.15, showlegend=False)
    return figure


def energy_by_channel(shares: np.ndarray) -> go.Figure:
    """Each channel's share of the energy of P, the largest first; the ones that carry nothing are left out."""
    order = np.argsort(-shares, kind="stable")
    order = order[shares[order] > 0]
    figure = go.Figure(
        go.Bar(
            x=list(range(1, len(order) + 1)),
            y=shares[order],
            customdata=order,
            marker_color=BAR_COLOUR,
            hovertemplate="map %{customdata}<br>%{y:.2%} of the energy<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="maps, the strongest first")
    figure.update_yaxes(title_text="share of energy", tickformat=".0%")
    figure.update_layout(height=280, margin={"l": 8, "r": 8, "t": 8, "b": 8}, bargap=0.1, showlegend=False)
    return figure
