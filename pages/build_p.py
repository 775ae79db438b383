"""Build the feature: one block of P position by position, with all numbers, and what follows from Eq. 1."""

from crosspool.ui.equation.build_p import build_p_page

build_p_page()
