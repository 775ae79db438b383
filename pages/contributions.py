"""Why this class: a score split by channel, by position and by both."""

from crosspool.ui.contributions.page import contributions_page

contributions_page()
