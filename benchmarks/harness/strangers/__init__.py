"""A visitor with something to lose, and a stranger who tries to get at it."""
