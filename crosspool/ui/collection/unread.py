"""The images that could not be read, each with the reason."""

from html import escape

import numpy as np
import streamlit as st

from crosspool.text import plural
from crosspool.ui.collection.view import View, turn_to
from crosspool.ui.collection.wall import page_of, pages_below
from crosspool.ui.runtime.collection import ArrangedStore, without_folders


def unread_section(ready: ArrangedStore, view: View) -> None:
    """A list of them, a page at a time."""
    columns = ready.collection.texts
    places = np.flatnonzero(~ready.collection.is_read)
    if not len(places):
        st.info("Every image could be read.", icon=":material/done_all:")
        return
    st.caption(f"{plural(len(places), 'image')} could not be read when the store was made.")
    page = page_of(places, view.page)
    turn_to(page.number)
    texts = (
        (columns["path"][place] or "", without_folders(columns["problem"][place] or ""))
        for place in page.places.tolist()
    )
    rows = "".join(f'<tr><th scope="row">{escape(path)}</th><td>{escape(problem)}</td></tr>' for path, problem in texts)
    st.html(f'<div class="unread-images"><table><tbody>{rows}</tbody></table></div>')
    pages_below(page)
