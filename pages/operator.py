"""The state of the server, for its operator, and only where there is a key."""

from crosspool.ui.serving.operator import operator_page

operator_page()
