"""A visitor with data to protect, and a stranger who tries to get at it."""
