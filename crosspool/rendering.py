"""The former address of `crosspool.drawing.rendering`, which saved scripts still import."""

from crosspool.drawing.rendering import *  # noqa: F403
