"""Methods compared on labelled images: which tells the classes apart best, how surely, and at what cost."""

import streamlit as st

from crosspool.ui.comparison.stored import stored_section
from crosspool.ui.visit.choose_labelled import LabelledState, choose_labelled
from crosspool.ui.visit.state import visit_state


def main() -> None:
    """The page."""
    st.title("Train & compare", anchor=False)
    notes = st.container()
    st.markdown(
        "Does cross-layer pooling tell your classes apart better than the fully-connected layer? The same linear "
        "classifier is trained on each, and tested on images that it has not seen."
    )
    if not visit_state(LabelledState).folded:
        stored_section()
    labelled = choose_labelled()
    # A server's first visitor waits some seconds for torchvision and scikit-learn, and has something to look at.
    from crosspool.ui.comparison.controls import comparison_section
    from crosspool.ui.maps.page import start_from_link

    with notes:
        start_from_link(carried=())
    comparison_section(labelled)


main()
