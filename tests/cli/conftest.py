"""What the commands find around them in tests."""

from contextlib import contextmanager

import pytest
import torch


@contextmanager
def settled(columns, cache):
    """A terminal of this width, one cache for all tests, and torch on one core; yields what patches more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("CROSSPOOL_CACHE", str(cache))
        yield patch
    torch.set_num_threads(before)
