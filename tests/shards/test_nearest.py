"""The nearest images: by all vectors they are those of a slow search, and candidates are those of the nearest codes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspool.encoding import pack_ternary
from crosspool.errors import ModelError
from crosspool.shards import nearest
from crosspool.shards.codes import Sketch, as_numbers, likenesses
from crosspool.shards.nearest import Index, Query, nearest_codes
from crosspool.shards.store import Store
from tests.shards.stores import checksum_of, written

COUNT, LENGTH = 23, 40
TERNARY = {"method": "cl@128/ternary"}
SKETCH = Sketch(np.eye(LENGTH, dtype=np.float32), np.zeros(64, np.float32), 0)  # that of stores by hand


def vectors_of(seed, is_packed=False):
    values = np.random.default_rng(seed).standard_normal((COUNT, LENGTH))
    if is_packed:
        return pack_ternary(np.rint(values).clip(-1, 1).astype(np.int8))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def numbers_of(seed, is_packed):
    values = np.random.default_rng(seed).standard_normal((COUNT, LENGTH))
    values = np.rint(values).clip(-1, 1) if is_packed else values
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def query_of(vectors, place):
    return Query(vectors[place], SKETCH.above(as_numbers(vectors[[place]], LENGTH))[0], checksum_of(place))


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
    found = Index(store).nearest(Query(vectors[query], np.zeros(64, np.float32), bytes(32)), top, None)
    np.testing.assert_allclose(found.cosines, expected[order], atol=1e-6)
    np.testing.assert_array_equal(found.places, readable[order])
    assert found.ranked == len(readable)


def test_enough_candidates_give_the_same(made):
    store, vectors, _ = made
    for place in (0, 7, 22):
        few, every = (Index(store).nearest(query_of(vectors, place), 4, number) for number in (COUNT, None))
        np.testing.assert_array_equal(few.places, every.places)
        np.testing.assert_array_equal(few.cosines, every.cosines)


def test_candidates_are_those_of_the_nearest_codes(made):
    store, vectors, numbers = made
    query = query_of(vectors, 8)
    alike = likenesses(store.codes()[0], query.above)
    alike[[3, 20]] = -np.inf
    chosen = np.sort(np.argsort(-alike, kind="stable")[:6])
    found = Index(store).nearest(query, 6, 6)
    np.testing.assert_array_equal(np.sort(found.places), chosen)
    np.testing.assert_allclose(found.cosines, np.sort(numbers[chosen] @ numbers[8])[::-1], atol=1e-6)
    assert found.ranked == 6
    assert Index(store).nearest(query, 9, 2).ranked == 9  # at least as many as are wanted


def test_codes_are_preselected_bit_by_bit(monkeypatch):
    """By hand: planes that count more decide among those of as many equal bits, but not among all."""
    above = np.array([1, 1, 1, 9] + 60 * [1], np.float32)
    every = (1 << 64) - 1
    codes = np.array([every - 0b1000, every - 0b0111, every - 0b0001], np.uint64)[:, None]
    assert nearest_codes(codes, above, 3).tolist() == [2, 1, 0]
    monkeypatch.setattr(nearest, "PRESELECTED", 1)
    assert nearest_codes(codes, above, 2).tolist() == [2, 0]


def test_equal_images_come_in_the_order_of_their_names(tmp_path):
    vectors = vectors_of(1)
    vectors[[2, 9, 17]] = vectors[21]
    store = written(tmp_path, vectors, shard=4)
    for candidates in (10, None):
        found = Index(store).nearest(query_of(vectors, 21), 4, candidates)
        assert found.places.tolist() == [2, 9, 17, 21]
        assert found.copies.tolist() == [21]  # the others are other files


def test_the_queries_own_file_is_found_beyond_the_first(tmp_path):
    vectors = vectors_of(1)
    vectors[:5] = vectors[9]
    store = written(tmp_path, vectors)
    assert Index(store).nearest(query_of(vectors, 9), 1).copies.tolist() == [9]


def test_a_store_of_nothing_readable(tmp_path):
    vectors = vectors_of(0)
    store = written(tmp_path, vectors, unread=range(COUNT))
    for candidates in (10, None):
        found = Index(store).nearest(query_of(vectors, 0), 3, candidates)
        assert (len(found.places), found.ranked) == (0, 0)


@pytest.mark.parametrize("candidates", [10, None])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-20], lambda data: data[40:]])
def test_a_damaged_shard_is_named(tmp_path, candidates, damage):
    vectors = vectors_of(0)
    store = written(tmp_path, vectors, shard=10)
    query = query_of(vectors, 0)
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
    found = Index(store).nearest(query_of(vectors, 13), 1, 1)
    assert found.places.tolist() == [13]
    assert read == [(1, 2, 2)]
    assert store.rows(np.array([22, 3, 2]), "path")["path"].to_pylist() == ["image 022", "image 003", "image 002"]


def test_a_store_in_memory_is_read_in_parts():
    """As one on S3 is: through fsspec."""
    vectors = vectors_of(0)
    store = written("memory://stores/nearest", vectors, shard=10)
    found = Index(store).nearest(query_of(vectors, 6), 2, None)
    assert found.places[0] == 6
    np.testing.assert_array_equal(Index(store).nearest(query_of(vectors, 6), 2, COUNT).places, found.places)
