"""The app. Start it with `make app`: imported it is the server, run it is one visitor's page in its frame."""

import os
from pathlib import Path

import streamlit as st

# Before torch is imported: threads that wait by spinning take the cores from everybody else, the server included.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ASSETS = Path(__file__).parent / "assets"
WITHOUT_SIDE_BAR = ("lesson", "train_and_compare", "operator")


def frame() -> None:
    """Page settings, the list of pages, and the one that the address asks for."""
    from crosspool.ui.runtime.log import timed
    from crosspool.ui.runtime.settings import settings

    st.set_page_config(page_title="crosspool", page_icon=str(ASSETS / "icon.png"), layout="wide")
    st.html(ASSETS / "style.css")
    pages = [
        st.Page("pages/weighting_maps.py", title="Weighting maps", icon=":material/grid_view:", default=True),
        st.Page("pages/contributions.py", title="Contributions", icon=":material/balance:"),
        st.Page("pages/build_p.py", title="Build P", icon=":material/stacked_bar_chart:"),
        st.Page("pages/what_am_i_looking_at.py", title="What am I looking at?", icon=":material/school:"),
        st.Page("pages/lesson.py", title="Guided lesson", icon=":material/menu_book:"),
        st.Page("pages/train_and_compare.py", title="Train & compare", icon=":material/model_training:"),
    ]
    if settings().operator_key:
        pages.append(st.Page("pages/operator.py", title="Operator", visibility="hidden"))
    page = st.navigation(pages, position="top")
    if page.url_path not in WITHOUT_SIDE_BAR:
        st.sidebar.container()  # takes the side bar's room at once, lest it push aside what is shown before it
    with timed("page_ran", kind=page.url_path):
        page.run()


if __name__ == "__main__":
    frame()
elif __name__ == "app":
    from crosspool.ui.runtime.settings import stop_if_wrong

    stop_if_wrong()  # before what reads them as it is imported
    from crosspool.ui.serving.server import server_parts

    app = st.App(__file__, **server_parts())
