"""Writes to a cache, in a module that another process imports without torch."""

import numpy as np

from crosspool.cache import ArrayCache


def write_all(folder, first):
    """Write forty entries, each full of its number, from the first on."""
    for i in range(first, first + 40):
        ArrayCache(folder).put(f"{i % 40:064x}", np.full((50, 50), i % 40, np.float32))
