"""Every module's tests share a server of their own."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _served(module_server):
    """The module's server is the current one."""
