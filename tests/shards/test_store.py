"""A store as it is read: its rows come back in their order, and those that could not be read have no vector."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crosspool.backbones import UNTRAINED, load
from crosspool.encoding import pack_ternary
from crosspool.errors import DatasetError, ModelError
from crosspool.shards.plan import IMAGES
from crosspool.shards.store import Store
from tests.images import noise, png
from tests.networks import small_network, spec_for
from tests.shards.stores import extracted, listing_of, name_of, written

VECTORS = np.arange(20, dtype=np.float32).reshape(5, 4)


def vectors_of(store):
    places, vectors = zip(*store.blocks(), strict=True)
    return np.concatenate(places).tolist(), np.concatenate(vectors)


def test_rows_come_back_in_their_order(tmp_path):
    store = written(tmp_path, VECTORS, list("abcde"), unread=(1, 4))
    places, vectors = vectors_of(store)
    assert places == [0, 2, 3]
    np.testing.assert_array_equal(vectors, VECTORS[[0, 2, 3]])
    assert store.paths == [name_of(number) for number in range(5)]
    assert store.labels == list("abcde")
    assert store.is_read.tolist() == [True, False, True, True, False]
    assert len(store.problems()) == 2
    assert store.codes()[0].shape == (5, 1)
    assert not store.codes()[0][[1, 4]].any()


def test_packed_vectors_stay_packed(tmp_path):
    packed = pack_ternary(np.array([[1, 0, -1, 1], [0, 0, 0, -1]], np.int8))
    np.testing.assert_array_equal(vectors_of(written(tmp_path, packed, method="cl@128/ternary"))[1], packed)


def test_an_image_that_cannot_be_read_is_a_row(tmp_path):
    """In a store that a network makes."""
    backbone = replace(load(spec_for(small_network), UNTRAINED, "cpu"), engine="torch")
    files = {"a": png(noise(1)), "b": b"no image", "c": png(noise(2))}
    store = extracted(tmp_path, listing_of(files), backbone, "gem")
    assert store.is_read.tolist() == [True, False, True]
    assert vectors_of(store)[1].shape == (2, 5)


def test_no_store_and_half_a_store(tmp_path):
    with pytest.raises(ModelError, match="was not found"):
        Store.opened(str(tmp_path / "nothing"))
    written(tmp_path, VECTORS)
    (tmp_path / "shard-00001.parquet").unlink()
    with pytest.raises(DatasetError, match=r"lacks 1 of 3 shards; run the same crosspool extract again"):
        Store.opened(str(tmp_path))


@pytest.mark.parametrize("source", ["a/shard-00000.parquet", "b/shard-00001.parquet"])
def test_a_shard_of_another_place_or_plan_is_named(tmp_path, source):
    """Whatever is read of it; here the other plan has the same images and another seed."""
    store = written(tmp_path / "a", VECTORS)
    written(tmp_path / "b", VECTORS, seed=1)
    (tmp_path / "a" / "shard-00001.parquet").write_bytes((tmp_path / source).read_bytes())
    for read in (
        lambda: store.paths,
        store.codes,
        lambda: vectors_of(store),
        lambda: store.rows(np.array([2]), "path"),
    ):
        with pytest.raises(ModelError, match=r"shard-00001.parquet of .* is damaged \(it is of another plan, or anoth"):
            read()


def test_plans_of_other_names_are_of_the_same_bytes(tmp_path):
    """What a plan says for people decides nothing."""
    one, two = (written(tmp_path / name, VECTORS, name=name).source(1) for name in ("a", "b"))
    assert Path(one).read_bytes() == Path(two).read_bytes()


@pytest.mark.parametrize("data", [b"PAR1", b""])
def test_a_damaged_list_of_images_is_named(tmp_path, data):
    store = written(tmp_path, VECTORS)
    (tmp_path / IMAGES).write_bytes(data)
    for read in (lambda: store.paths, lambda: store.order):
        with pytest.raises(ModelError, match=r"images.parquet of .* is missing or damaged"):
            read()


def test_a_list_of_other_images_is_named(tmp_path):
    store = written(tmp_path / "a", VECTORS)
    (tmp_path / "a" / IMAGES).write_bytes((written(tmp_path / "b", VECTORS[:4]).place.folder / IMAGES).read_bytes())
    with pytest.raises(ModelError, match=r"images.parquet of .* \(it has other images than the shards\); delete it"):
        _ = store.paths


def test_a_damaged_shard_is_named(tmp_path):
    store = written(tmp_path, VECTORS)
    (tmp_path / "shard-00001.parquet").write_bytes(b"PAR1 of another kind")
    for read in (store.codes, lambda: vectors_of(store)):
        with pytest.raises(ModelError, match=r"shard-00001.parquet of .* is damaged .*; delete it"):
            read()
