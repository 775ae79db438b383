"""All channels of a layer pair as numbers."""

import streamlit as st

from crosspool.ui.maps.selection import select_channel
from crosspool.ui.runtime.maps import ImageMaps


def channel_table(maps: ImageMaps) -> None:
    """All channels as numbers; a selected row is shown at large."""
    order = maps.statistics.order("energy_share")
    rows = maps.statistics.table().iloc[order]

    def on_select() -> None:
        selected = st.session_state["table"].selection.rows
        if selected:
            select_channel(int(order[selected[0]]))

    st.dataframe(
        rows,
        hide_index=True,
        height=320,
        key="table",
        on_select=on_select,
        selection_mode="single-row",
        column_config={
            "peak": st.column_config.NumberColumn(format="%.4g"),
            "peak_row": "row of the peak",
            "peak_column": "column of the peak",
            "mean": st.column_config.NumberColumn(format="%.4g"),
            "active": "active positions",
            "sparsity": st.column_config.NumberColumn(format="percent"),
            "energy_share": st.column_config.NumberColumn("share of energy", format="percent"),
        },
    )
