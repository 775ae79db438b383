"""Build P by hand, and try what follows from Eq. 1."""

from crosspool.ui.equation.build_p import build_p_page

build_p_page()
