"""Every module's tests share a server of their own."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _served(module_server):
    """What asks for the current server gets the module's."""
