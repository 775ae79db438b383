"""Every module's tests share a server of their own."""

import pytest

from tests.collections import generated


@pytest.fixture(autouse=True, scope="module")
def _served(module_server):
    """The module's server is the current one."""


@pytest.fixture(scope="session")
def ready(tmp_path_factory):
    """A small collection, arranged."""
    from crosspool.shards.collection import arranged
    from crosspool.ui.runtime.collection import ArrangedStore, maps_of

    store = generated(tmp_path_factory.mktemp("generated") / "store")
    collection = arranged(store, tmp_path_factory.mktemp("arranged"))
    return ArrangedStore(collection, maps_of(store.plan, collection.channels))
