"""The visitor's own image: its code is that of the same image in the store."""

from functools import partial

import numpy as np

from crosspool.backbones import load_backbone
from crosspool.datasets import Sample
from crosspool.samples import samples
from crosspool.shards.codes import distances
from crosspool.shards.collection import arranged
from crosspool.ui.collection.own_image import code_of
from crosspool.ui.runtime.collection import ArrangedStore
from tests.shards.stores import extracted, listing_of

IMAGES = 4  # of an odd number one would lie on each plane


def test_an_image_of_the_store_has_its_code(tmp_path):
    files = {photo.path.name: photo.path.read_bytes() for photo in samples()[:IMAGES]}
    store = extracted(tmp_path / "store", listing_of(files), load_backbone(), "gem@128")
    ready = ArrangedStore(arranged(store, tmp_path / "cache"), None)
    for place, name in enumerate(sorted(files)):
        far = distances(ready.collection.codes, code_of(ready, Sample(name, partial(bytes, files[name]))))
        assert far[place] <= 2  # by rounding
        assert np.delete(far, place).min() > 100
