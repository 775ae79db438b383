"""The images that could not be read, each with the reason."""

from html import escape

import numpy as np
import streamlit as st

from crosspool.text import plural
from crosspool.ui.collection.view import IMAGES_PER_PAGE, View
from crosspool.ui.collection.wall import pages_below
from crosspool.ui.runtime.collection import ArrangedStore


def unread_section(ready: ArrangedStore, view: View) -> None:
    """A list of them, a page at a time."""
    columns = ready.collection.texts
    places = np.flatnonzero(~ready.collection.is_read)
    if not len(places):
        st.info("Every image could be read.", icon=":material/done_all:")
        return
    st.caption(f"{plural(len(places), 'image')} could not be read when the store was made.")
    first = (view.page - 1) * IMAGES_PER_PAGE
    shown = places[first : first + IMAGES_PER_PAGE].tolist()
    texts = ((escape(columns["path"][place] or ""), escape(columns["problem"][place] or "")) for place in shown)
    rows = "".join(f'<tr><th scope="row">{path}</th><td>{problem}</td></tr>' for path, problem in texts)
    st.html(f'<div class="unread-images"><table><tbody>{rows}</tbody></table></div>')
    pages_below(view, len(shown), has_more=first + IMAGES_PER_PAGE < len(places), total=len(places))
