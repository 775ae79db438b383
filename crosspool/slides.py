"""The former address of `crosspool.drawing.slides`, which saved scripts still import."""

from crosspool.drawing.slides import *  # noqa: F403
