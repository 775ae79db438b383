"""Eq. 1, step by step, with the numbers of the chosen image."""

from crosspool.ui.equation.worked_example import worked_example_page

worked_example_page()
