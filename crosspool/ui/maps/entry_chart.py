"""The strongest entries of a patch or of a block of P as a chart, and what it shares with other charts."""

import re

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from crosspool.layer_pairs import LayerPair

CHART_ENTRIES = 48
BAR_COLOUR = "#13837a"
MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def show_chart(figure: go.Figure, key: str, alt: str) -> None:
    """Draw a chart without Plotly's buttons, which would cover it on touch screens."""
    st.plotly_chart(figure, key=key, config={"displayModeBar": False, "scrollZoom": False}, alt=alt)


def show_strongest_entries(vector: np.ndarray, pair: LayerPair, title: str, key: str) -> None:
    """The CHART_ENTRIES entries of a vector of length D_t*m*n that are largest in magnitude, in falling order."""
    order = np.argsort(-np.abs(vector), kind="stable")[:CHART_ENTRIES]
    names = [entry_name(int(index), pair) for index in order]
    figure = go.Figure(entry_bars(vector[order], names, BAR_COLOUR))
    figure.update_xaxes(**entry_axis(names, pair))
    figure.update_yaxes(title_text=re.sub(r"_(\w+)", r"<sub>\1</sub>", title))
    figure.update_layout(height=300, margin=MARGIN, bargap=0.15, showlegend=False)
    show_chart(figure, key, f"Bar chart of the strongest of {len(vector):,} entries of {title}")


def entry_name(index: int, pair: LayerPair) -> str:
    """The lower channel, and for larger patches the cell in the patch, of entry `index` of a block P_k."""
    m, n = pair.kernel_size
    channel, cell = divmod(index, m * n)
    return f"{channel}" if m * n == 1 else f"{channel} ({cell // n}, {cell % n})"


def entry_bars(values: np.ndarray, names: list[str], colour: str) -> go.Bar:
    """A bar for each entry, which names it under the pointer."""
    hover = "lower channel %{customdata}<br>%{y:.4g}<extra></extra>"
    return go.Bar(x=np.arange(len(names)), y=values, customdata=names, marker_color=colour, hovertemplate=hover)


def entry_axis(names: list[str], pair: LayerPair) -> dict[str, object]:
    """A horizontal axis on which every fourth entry is named."""
    title = "lower channel" if pair.kernel_size == (1, 1) else "lower channel (row, column of the patch)"
    ticks = {"tickmode": "array", "tickvals": list(range(0, len(names), 4)), "ticktext": names[::4], "tickangle": -45}
    return {**ticks, "title_text": title}
