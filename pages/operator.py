"""What the server does: for whoever runs it, and only where there is a key."""

from crosspool.ui.serving.operator import operator_page

operator_page()
