"""The frame around every page: its settings, the menu and the styles."""

import streamlit as st

from crosspool.installation import app_folder
from crosspool.ui.runtime.accounts import page_charged_to
from crosspool.ui.runtime.server import current_server
from crosspool.ui.serving.document import WITHOUT_SIDE_BAR
from crosspool.ui.visit.exports import release_files
from crosspool.ui.visit.resuming import note_holdings, resume_visit, show_loss
from crosspool.ui.visit.state import current_visit
from crosspool.ui.widgets.current_tab import mark_current_tab
from crosspool.ui.widgets.glossary import explain_terms

ASSETS = app_folder() / "assets"


def show_page() -> None:
    """Run the page that the address asks for, below the menu."""
    server = current_server()
    resume_visit()
    release_files()
    st.set_page_config(page_title="crosspool", page_icon=str(ASSETS / "icon.png"), layout="wide")
    explain_terms()
    in_menu = [
        st.Page("pages/lesson.py", title="Guided lesson", icon=":material/school:"),
        st.Page("pages/weighting_maps.py", title="Maps", icon=":material/grid_view:", default=True),
        st.Page("pages/side_by_side.py", title="Side by side", icon=":material/compare:"),
        st.Page("pages/build_p.py", title="Build the feature", icon=":material/stacked_bar_chart:"),
        st.Page("pages/contributions.py", title="Why this class?", icon=":material/balance:"),
        st.Page("pages/train_and_compare.py", title="Train & compare", icon=":material/model_training:"),
    ]
    if server.collection is not None:
        in_menu.append(st.Page("pages/collection.py", title="Collection", icon=":material/photo_album:"))
    others = [
        st.Page("pages/teachers.py", title="For teachers", visibility="hidden"),
        st.Page("pages/what_am_i_looking_at.py", title="Build the feature", visibility="hidden"),
        st.Page("pages/channel.py", title="About one map", visibility="hidden"),
    ]
    if server.operator_key:
        others.append(st.Page("pages/operator.py", title="Operator", visibility="hidden"))
    page = st.navigation([*in_menu, *others], position="top")
    st.set_page_config(page_title=f"{page.title} · crosspool")
    has_side_bar = page.url_path not in WITHOUT_SIDE_BAR
    if has_side_bar:
        st.sidebar.container()  # takes its room at once, so that the side bar does not push the page aside later
    # A phone's menu is behind a button. Once this is there, so is the side bar: see assets/style.css.
    with st.container(key="phone-pages", horizontal=True):
        for each in in_menu:
            st.page_link(each, width="content")
        mark_current_tab(in_menu.index(page) if page in in_menu else -1, has_side_bar=has_side_bar)
    with server.log.timed("page_ran", kind=page.url_path), page_charged_to(current_visit().visitor):
        show_loss()
        page.run()
    note_holdings()
