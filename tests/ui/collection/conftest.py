"""A small generated collection: 130 images of three classes, of which two could not be read."""

import pytest

from benchmarks.harness.generated_store import generated_store
from crosspool.shards.collection import arranged
from crosspool.ui.runtime.collection import ArrangedStore, maps_of

IMAGES, UNREAD = 130, (3, 77)


@pytest.fixture(scope="session")
def ready(tmp_path_factory):
    store = generated_store(str(tmp_path_factory.mktemp("generated") / "store"), IMAGES, classes=3, unread=UNREAD)
    collection = arranged(store, tmp_path_factory.mktemp("arranged"))
    return ArrangedStore(collection, maps_of(store.plan, collection.channels))
