"""Blocks of P as formulas and charts."""

import numpy as np
import plotly.graph_objects as go

from crosspool.ui.equation.experiments import Finding
from crosspool.ui.maps.entry_chart import BAR_COLOUR, MARGIN, show_chart
from crosspool.ui.runtime.maps import ImageMaps

PRODUCT_COLOUR, REST_COLOUR = "#c2570c", "rgba(19, 131, 122, 0.25)"

EQUATION_1 = r"P_k \;=\; \sum_i a_{i,k}\, x_i \qquad \text{(Eq. 1)}"


def blocks_formula(count: int) -> str:
    """P as its `count` blocks in LaTeX. Blocks have the numbers of their maps, which count from 0, as rows do."""
    return rf"P \;=\; [\,P_0;\; P_1;\; \dots;\; P_{{{count - 1}}}\,]"


def show_blocks(maps: ImageMaps, channel: int, key: str) -> None:
    """Where block `channel` stands in P: the size ||P_k|| of every block, in their order."""
    sizes, length = np.linalg.norm(maps.pooled, axis=1), maps.pair.patch_length
    hover = "block %{x}: numbers %{customdata[0]:,} to %{customdata[1]:,} of P<br>size %{y:.4g}<extra></extra>"
    figure = go.Figure()
    for blocks, colour, width in (
        (np.arange(len(sizes)), BAR_COLOUR, 1.0),
        (np.array([channel]), PRODUCT_COLOUR, max(1.0, len(sizes) / 160)),
    ):
        ends = np.stack([blocks * length, (blocks + 1) * length - 1], axis=1)
        marker = {"color": colour, "line_width": 0}
        figure.add_bar(x=blocks, y=sizes[blocks], width=width, marker=marker, customdata=ends, hovertemplate=hover)
    label, size = f"P<sub>{channel}</sub>", float(sizes[channel])
    figure.add_annotation(x=channel, y=size, text=label, ay=-22, ax=0, arrowcolor=PRODUCT_COLOUR)
    figure.update_xaxes(title_text="map k", range=[-0.5, len(sizes) - 0.5])
    figure.update_yaxes(title_text="size ‖P<sub>k</sub>‖", range=[0, 1.3 * (float(sizes.max()) or 1.0)], nticks=4)
    figure.update_layout(height=200, margin=MARGIN, bargap=0, barmode="overlay", showlegend=False)
    show_chart(figure, key, f"Bar chart of the size of all {len(sizes):,} blocks in the order in which they stand in P")


def show_agreement(finding: Finding) -> None:
    """The outcome against what was expected: equal pairs lie on the diagonal."""
    low = min(0.0, float(finding.expected.min()), float(finding.outcome.min()))
    high = max(0.0, float(finding.expected.max()), float(finding.outcome.max())) or 1.0
    figure = go.Figure(go.Scatter(x=[low, high], y=[low, high], mode="lines", line={"color": REST_COLOUR, "width": 2}))
    marker, hover = {"color": BAR_COLOUR, "size": 6, "opacity": 0.6}, "%{x:.6g} and %{y:.6g}<extra></extra>"
    figure.add_scatter(x=finding.expected, y=finding.outcome, mode="markers", marker=marker, hovertemplate=hover)
    figure.update_xaxes(title_text="first side", nticks=5)
    figure.update_yaxes(title_text="second side", nticks=5)
    figure.update_layout(height=320, margin=MARGIN, showlegend=False, hovermode="closest")
    show_chart(figure, "agreement", f"Both sides compared entry by entry: {finding.claim}")


def show_energy(shares: np.ndarray) -> None:
    """Each channel's share of the energy of P, the largest first; channels without energy are left out."""
    order = np.argsort(-shares, kind="stable")
    order = order[shares[order] > 0]
    ranks, hover = np.arange(1, len(order) + 1), "map %{customdata}<br>%{y:.2%} of the energy<extra></extra>"
    bars = go.Bar(x=ranks, y=shares[order], customdata=order, marker_color=BAR_COLOUR, hovertemplate=hover)
    figure = go.Figure(bars)
    figure.update_xaxes(title_text="maps, the strongest first")
    figure.update_yaxes(title_text="share of energy", tickformat=".0%")
    figure.update_layout(height=280, margin=MARGIN, bargap=0.1, showlegend=False)
    alt = "Bar chart of the share of the energy of P that each block carries, the largest first"
    show_chart(figure, "energy", alt)
