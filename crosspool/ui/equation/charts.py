"""Blocks of P, and how they come about, as charts."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from crosspool.layer_pairs import LayerPair
from crosspool.ui.equation.agreement import Finding
from crosspool.ui.equation.building import Construction
from crosspool.ui.maps.entry_chart import BAR_COLOUR, MARGIN, entry_axis, entry_name
from crosspool.ui.widgets.text import number

PATCH_COLOUR, PRODUCT_COLOUR, REST_COLOUR = "#64748b", "#c2570c", "rgba(19, 131, 122, 0.25)"


def growing_block(built: Construction, step: int, channel: int, pair: LayerPair) -> go.Figure:
    """Patch, product, sum so far and finished block at one step, one below the other with the same entries.

    The axes span what they will span at any step, so that nothing but the bars moves.
    """
    row, column = built.position_at(step)
    position, count = built.order[step - 1], len(built.order)
    names = [entry_name(int(index), pair) for index in built.entries]
    figure = make_subplots(
        rows=4,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.075,
        subplot_titles=(
            f"patch x<sub>i</sub> at row {row}, column {column}",
            f"× weight {number(built.weights[row, column])} = product a<sub>i</sub>x<sub>i</sub>",
            f"all products so far: {step:,} of {count:,}",
            f"the finished block P<sub>{channel}</sub>",
        ),
    )
    block = built.sums[-1]
    for place, values, colour in (
        (1, built.features[position], PATCH_COLOUR),
        (2, built.products[position], PRODUCT_COLOUR),
        (3, block, REST_COLOUR),
        (3, built.sums[step - 1], BAR_COLOUR),
        (4, block, BAR_COLOUR),
    ):
        hover = "lower channel %{customdata}<br>%{y:.4g}<extra></extra>"
        bars = go.Bar(x=list(range(len(names))), y=values, customdata=names, marker_color=colour, hovertemplate=hover)
        figure.add_trace(bars, row=place, col=1)
    for place, all_values in enumerate((built.features, built.products, built.sums, built.sums), start=1):
        low, high = min(0.0, float(all_values.min())), max(0.0, float(all_values.max()))
        room = 0.04 * (high - low) or 1.0
        figure.update_yaxes(range=[low - room * (low < 0), high + room], nticks=4, row=place, col=1)
    figure.update_xaxes(**entry_axis(names, pair), row=4, col=1)
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    figure.update_layout(height=560, margin={**MARGIN, "t": 24}, bargap=0.15, barmode="overlay", showlegend=False)
    return figure


def blocks_in_a_row(sizes: np.ndarray, channel: int, length: int) -> go.Figure:
    """Where block `channel`, of `length` numbers, stands in P: the size ||P_k|| of every block, in their order."""
    channels = np.arange(len(sizes))
    figure = go.Figure()
    for drawn, colour, width in ((channels, BAR_COLOUR, 1.0), (channels[[channel]], PRODUCT_COLOUR, None)):
        figure.add_bar(
            x=drawn,
            y=sizes[drawn],
            width=width or max(1.0, len(sizes) / 160),
            marker={"color": colour, "line_width": 0},
            customdata=np.stack([drawn * length, (drawn + 1) * length - 1], axis=1),
            hovertemplate="block %{x}: numbers %{customdata[0]:,} to %{customdata[1]:,} of P<br>"
            "size %{y:.4g}<extra></extra>",
        )
    figure.add_annotation(
        x=channel, y=float(sizes[channel]), text=f"P<sub>{channel}</sub>", ay=-22, ax=0, arrowcolor=PRODUCT_COLOUR
    )
    figure.update_xaxes(title_text="map k", range=[-0.5, len(sizes) - 0.5])
    figure.update_yaxes(title_text="size ‖P<sub>k</sub>‖", range=[0, 1.3 * (float(sizes.max()) or 1.0)], nticks=4)
    figure.update_layout(height=200, margin=MARGIN, bargap=0, barmode="overlay", showlegend=False)
    return figure


def agreement_chart(finding: Finding) -> go.Figure:
    """What came out against what was compared with it: equal pairs lie on the diagonal."""
    low = min(0.0, float(finding.expected.min()), float(finding.outcome.min()))
    high = max(0.0, float(finding.expected.max()), float(finding.outcome.max())) or 1.0
    figure = go.Figure(go.Scatter(x=[low, high], y=[low, high], mode="lines", line={"color": REST_COLOUR, "width": 2}))
    figure.add_scatter(
        x=finding.expected,
        y=finding.outcome,
        mode="markers",
        marker={"color": BAR_COLOUR, "size": 6, "opacity": 0.6},
        hovertemplate="%{x:.6g} and %{y:.6g}<extra></extra>",
    )
    figure.update_xaxes(title_text="first side", nticks=5)
    figure.update_yaxes(title_text="second side", nticks=5)
    figure.update_layout(height=320, margin=MARGIN, showlegend=False, hovermode="closest")
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
    figure.update_layout(height=280, margin=MARGIN, bargap=0.1, showlegend=False)
    return figure
