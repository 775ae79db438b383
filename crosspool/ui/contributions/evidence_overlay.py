"""Evidence over the image, in colours that are centred at zero; and columns that hold such images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look, colour_range_of
from crosspool.ui.contributions.question import ContributionState, choose_contribution_cell
from crosspool.ui.contributions.wording import cell_of_other_grid
from crosspool.ui.maps.large_images import overlay_image
from crosspool.ui.widgets.text import signed


def columns_that_wrap(key: str, count: int) -> Sequence[DeltaGenerator]:
    with st.container(key=f"large-{key}"):
        return st.columns(count, gap="medium")


def evidence_overlay(
    view: ContributionState, evidence: np.ndarray, look: Look, *, key: str, whose: str, photo: Image.Image | None = None
) -> None:
    """Evidence over the image, in colours centred at zero; clicks select a position."""
    assert view.selected is not None
    cell, size, shape = view.selected.cell, view.selected.size, (evidence.shape[0], evidence.shape[1])
    row, column = (int(at) for at in np.unravel_index(np.abs(evidence).argmax(), shape))
    total = signed(evidence.sum())
    overlay_image(
        photo or view.explained.photo,
        evidence,
        colour_range_of(evidence, signed=True),
        replace(look, colour_map=SIGNED_COLOUR_MAP),
        position=cell_of_other_grid(cell, size, shape),
        choose=lambda chosen: choose_contribution_cell(cell_of_other_grid(chosen, shape, size)),
        alt=f"Evidence of {whose} over the image, {total} in total; the strongest, {signed(evidence[row, column])}, "
        f"is at row {row}, column {column}.",
        label=f"evidence at each position; {total} in total",
        key=key,
    )
