"""The nearest images: by all vectors they are those of a slow search, and candidates are those of the nearest codes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspool.encoding import pack_ternary
from crosspool.errors import ModelError
from crosspool.shards.codes import distances
from crosspool.shards.nearest import Index, Query
from crosspool.shards.store import Store
from tests.shards.stores import checksum_of, written

COUNT, LENGTH = 23, 40
TERNARY = {"method": "cl@128/ternary"}


def vectors_of(seed, is_packed=False):
    values = np.random.default_rng(seed).standard_normal((COUNT, LENGTH))
    if is_packed:
        return pack_ternary(np.rint(values).clip(-1, 1).astype(np.int8))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def numbers_of(seed, is_packed):
    values = np.random.default_rng(seed).standard_normal((COUNT, LENGTH))
    values = np.rint(values).clip(-1, 1) if is_packed else values
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def query_of(store, vectors, place):
    return Query(vectors[place], store.codes()[place], checksum_of(place))


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "ternary"])
def made(request, tmp_path_factory):
    """A store of shards of five images, two of which cannot be read, and what is in it."""
    settings = TERNARY if request.param else {}
    folder, vectors = tmp_path_factory.mktemp("store"), vectors_of(0, request.param)
    store = written(folder, vectors, shard=5, unread=(3, 20), **settings)
    return store, vectors, numbers_of(0, request.param)


@settings(max_examples=30)
@given(query=st.integers(0, COUNT - 1), top=st.integers(1, 30))
def test_all_vectors_compared_is_the_slow_search(made, query, top):
    store, vectors, numbers = made
    readable = np.delete(np.arange(COUNT), [3, 20])
    expected = numbers[readable] @ numbers[query]
    order = np.argsort(-np.round(expected, 9), kind="stable")[:top]
    found = Index(store).nearest(Query(vectors[query], np.zeros(1, np.uint64), bytes(32)), top, None)
    np.testing.assert_allclose(found.cosines, expected[order], atol=1e-6)
    np.testing.assert_array_equal(found.places, readable[order])
    assert found.ranked == len(readable)


def test_enough_candidates_give_the_same(made):
    store, vectors, _ = made
    for place in (0, 7, 22):
        few, every = (Index(store).nearest(query_of(store, vectors, place), 4, number) for number in (COUNT, None))
        np.testing.assert_array_equal(few.places, every.places)
        np.testing.assert_array_equal(few.cosines, every.cosines)


def test_candidates_are_those_of_the_nearest_codes(made):
    store, vectors, numbers = made
    query = query_of(store, vectors, 8)
    away = distances(store.codes(), query.code).astype(int)
    away[[3, 20]] = 1000
    chosen = np.sort(np.argsort(away, kind="stable")[:6])
    found = Index(store).nearest(query, 6, 6)
    np.testing.assert_array_equal(np.sort(found.places), chosen)
    np.testing.assert_allclose(found.cosines, np.sort(numbers[chosen] @ numbers[8])[::-1], atol=1e-6)
    assert found.ranked == 6
    assert Index(store).nearest(query, 9, 2).ranked == 9  # at least as many as are wanted


def test_equal_images_come_in_the_order_of_their_names(tmp_path):
    vectors = vectors_of(1)
    vectors[[2, 9, 17]] = vectors[21]
    store = written(tmp_path, vectors, shard=4)
    for candidates in (10, None):
        found = Index(store).nearest(query_of(store, vectors, 21), 4, candidates)
        assert found.places.tolist() == [2, 9, 17, 21]
        assert found.copies.tolist() == [21]  # the others are other files


def test_the_queries_own_file_is_found_beyond_the_first(tmp_path):
    vectors = vectors_of(1)
    vectors[:5] = vectors[9]
    store = written(tmp_path, vectors)
    assert Index(store).nearest(query_of(store, vectors, 9), 1).copies.tolist() == [9]


def test_a_store_of_nothing_readable(tmp_path):
    vectors = vectors_of(0)
    store = written(tmp_path, vectors, unread=range(COUNT))
    for candidates in (10, None):
        found = Index(store).nearest(query_of(store, vectors, 0), 3, candidates)
        assert (len(found.places), found.ranked) == (0, 0)


@pytest.mark.parametrize("candidates", [10, None])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-20], lambda data: data[40:]])
def test_a_damaged_shard_is_named(tmp_path, candidates, damage):
    vectors = vectors_of(0)
    store = written(tmp_path, vectors, shard=10)
    query = query_of(store, vectors, 0)
    shard = tmp_path / "shard-00001.parquet"
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(ModelError, match=r"shard-00001.parquet of .* is damaged .*; delete it, and run the same"):
        Index(store).nearest(query, 3, candidates)


def test_only_the_needed_groups_are_read(tmp_path, monkeypatch):
    """Row groups of two rows here, of which those are read that have a candidate."""
    monkeypatch.setattr("crosspool.shards.rows.GROUP_BYTES", 2 * 4 * LENGTH)
    vectors = vectors_of(0)
    store, read = written(tmp_path, vectors, shard=10), []
    groups = Store.groups

    def counted(self, number, names, rows=None):
        for first, table in groups(self, number, names, rows):
            read.append((number, first, len(table)))
            yield first, table

    monkeypatch.setattr(Store, "groups", counted)
    found = Index(store).nearest(query_of(store, vectors, 13), 1, 1)
    assert found.places.tolist() == [13]
    assert read == [(1, 2, 2)]
    assert store.rows(np.array([22, 3, 2]), "path")["path"].to_pylist() == ["image 022", "image 003", "image 002"]


def test_a_store_in_memory_is_read_in_parts():
    """As one on S3 is: through fsspec."""
    vectors = vectors_of(0)
    store = written("memory://stores/nearest", vectors, shard=10)
    found = Index(store).nearest(query_of(store, vectors, 6), 2, None)
    assert found.places[0] == 6
    np.testing.assert_array_equal(Index(store).nearest(query_of(store, vectors, 6), 2, COUNT).places, found.places)
