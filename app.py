"""The app's frame: page settings and the list of pages. Start it with `make app`."""

from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent / "assets"

st.set_page_config(page_title="crosspool", page_icon=str(ASSETS / "icon.png"), layout="wide")
st.html(ASSETS / "style.css")
st.navigation(
    [
        st.Page("pages/weighting_maps.py", title="Weighting maps", icon=":material/grid_view:", default=True),
        st.Page("pages/what_am_i_looking_at.py", title="What am I looking at?", icon=":material/school:"),
    ],
    position="top",
).run()
