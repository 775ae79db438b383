"""Build the feature, opened with all numbers."""

from crosspool.ui.equation.build_p import with_all_numbers_page

with_all_numbers_page()
