"""A search in a store: what is found, and that a similarity is the sum of its parts."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from crosspool.backbones import UNTRAINED, load
from crosspool.encoding import unpack_ternary
from crosspool.errors import DatasetError, ImageError, ModelError, SettingError
from crosspool.images import load_image
from crosspool.records import compute_record
from crosspool.shards import search
from crosspool.shards.codes import Sketch
from crosspool.shards.extraction import Extractor, Job, task_of
from crosspool.shards.plan import LEARNED
from crosspool.shards.search import Searcher
from tests.images import png, tinted
from tests.networks import small_network, spec_for
from tests.shards.stores import extracted, listing_of

FILES = {f"{'rgb'[number % 3]}/{number}.png": png(tinted(number, number % 3)) for number in range(7)}
LABELS = [name[0] for name in sorted(FILES)]
WITH_POSITIONS = ["cl", "cl/ternary", "cl/pca3/blocks", "cl/pca3/ternary", "gem", "global", "cl+global/ternary"]
CHANNELS_ALONE = ["jitter", "bilinear", "cl+jitter"]


def lively_network():
    """A small network in which no map is zero everywhere."""
    network = small_network()
    network.first.bias.data += 0.5
    network.second.bias.data += 0.5
    return network


@cache
def backbone():
    return replace(load(spec_for(lively_network), UNTRAINED, "cpu"), engine="torch")


def searcher_of(store):
    return Searcher(store, Extractor(store.plan, store.place, backbone()))


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A file that no store has."""
    path = tmp_path_factory.mktemp("photo") / "new.png"
    path.write_bytes(png(tinted(100, 1)))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Stores of the same images by method, each extracted once; one of the images cannot be read."""

    @cache
    def make(method):
        files = {**FILES, "g/broken.png": b"\x89PNG\r\n\x1a\n, and then nothing"}
        labels = [name[0] for name in sorted(files)]
        return extracted(tmp_path_factory.mktemp("store"), listing_of(files, labels), backbone(), method, shard=3)

    return make


@pytest.mark.parametrize("method", WITH_POSITIONS + CHANNELS_ALONE)
def test_the_parts_add_up_to_the_similarity(made, photo, method):
    """By channel and, where positions are known, by cell."""
    found = searcher_of(made(method)).search(photo, 4)
    assert len(found.neighbours) == 4
    assert found.neighbours[0].similarity > 0.1
    for neighbour in found.neighbours:
        why = found.why(neighbour)
        assert why.check.holds
        assert why.channels.sum() == pytest.approx(neighbour.similarity, abs=1e-12)
        if method in CHANNELS_ALONE:
            assert why.positions is None
        else:
            assert why.positions.sum() == pytest.approx(neighbour.similarity, abs=1e-9)


@pytest.mark.parametrize("method", ["cl", "cl/ternary", "cl/pca3"])
def test_a_channels_part_is_the_product_of_its_blocks(made, photo, method):
    found = searcher_of(made(method)).search(photo, 3)
    for neighbour in found.neighbours:
        vectors = np.stack([found.query.vector, neighbour.vector])
        if vectors.dtype == np.uint8:
            vectors = unpack_ternary(vectors, 5 * 36)
        first, second = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).reshape(2, 5, -1)
        np.testing.assert_allclose(found.why(neighbour).channels, (first * second).sum(axis=1), atol=1e-6)


def test_where_likeness_lies_is_the_map_times_the_neighbour(made, photo):
    """For a plain sum of a map: each cell adds its activations' product with the neighbour's vector."""
    searcher = searcher_of(made("sum/power1"))
    found = searcher.search(photo, 2)
    (source,) = searcher.extractor.method.sources
    (map_,) = compute_record(backbone(), load_image(photo), (source,))[source].astype(float)
    for neighbour in found.neighbours:
        expected = np.tensordot(neighbour.vector, map_, 1) / np.linalg.norm(map_.sum(axis=(1, 2)))
        np.testing.assert_allclose(found.why(neighbour).positions, expected, atol=1e-6)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("method", ["cl/ternary", "gem"])
def test_an_image_of_the_store_finds_itself_first(made, tmp_path, method, exact):
    copy = tmp_path / "another name.png"
    copy.write_bytes(FILES["b/2.png"])
    found = searcher_of(made(method)).search(copy, 10, exact=exact)
    assert found.copies == ("b/2.png",)
    assert (found.neighbours[0].path, found.neighbours[0].label) == ("b/2.png", "b")
    assert found.neighbours[0].similarity == pytest.approx(1, abs=1e-6)
    assert load_image(found.neighbours[0].thumbnail).size == load_image(FILES["b/2.png"]).size
    assert sorted(neighbour.path for neighbour in found.neighbours) == sorted(FILES)  # not the one that is broken
    assert (found.ranked, found.is_exact) == (len(FILES), True)


def test_another_file_is_no_copy(made, photo):
    assert searcher_of(made("gem")).search(photo).copies == ()


def test_few_candidates_are_not_all(made, photo, monkeypatch):
    monkeypatch.setattr(search, "CANDIDATES", 3)
    searcher = searcher_of(made("cl"))
    few, exact = searcher.search(photo, 2), searcher.search(photo, 2, exact=True)
    assert (few.ranked, few.is_exact, exact.ranked, exact.is_exact) == (3, False, 7, True)
    assert few.neighbours[0].similarity <= exact.neighbours[0].similarity


def test_torchs_threads_are_as_before(made, photo):
    torch.set_num_threads(2)
    searcher_of(made("gem")).search(photo)
    assert torch.get_num_threads() == 2


# --- what cannot be searched


def test_nothing_readable(tmp_path, made, photo):
    store = made("gem")
    broken = extracted(tmp_path, listing_of({"a": FILES["r/0.png"], "b": b"nothing"}), backbone(), "gem", shard=1)
    (tmp_path / "shard-00000.parquet").unlink()
    later = task_of(broken.plan, listing_of({"a": b"no longer", "b": b"nothing"}), 0)
    list(Extractor(broken.plan, broken.place, backbone()).extract(later))
    with pytest.raises(DatasetError, match=r"^No image in .* could be read; extract others\.$"):
        searcher_of(broken).search(photo)
    assert store.is_read.any()


def test_a_query_that_is_no_image(made, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear reader")
    with pytest.raises(ImageError, match=r"letter\.txt is not an image"):
        searcher_of(made("gem")).search(tmp_path / "letter.txt")
    with pytest.raises(ImageError, match=r"nowhere\.png was not found"):
        searcher_of(made("gem")).search(tmp_path / "nowhere.png")


def test_codes_of_another_version_are_noticed(made, photo, monkeypatch):
    """Where the same seed gives other planes; all vectors can be compared nevertheless."""
    searcher, above = searcher_of(made("gem")), Sketch.above
    monkeypatch.setattr(Sketch, "above", lambda self, vectors: -above(self, vectors))
    with pytest.raises(ModelError, match=r"short codes in .* search with --exact, or extract the store again\.$"):
        searcher.search(photo)
    assert len(searcher.search(photo, 2, exact=True).neighbours) == 2


def test_a_store_without_what_was_learned(tmp_path, photo):
    store = extracted(tmp_path, listing_of({"a": FILES["r/0.png"]}), backbone(), "gem")
    (tmp_path / LEARNED).unlink()
    with pytest.raises(SettingError, match=rf"lacks {LEARNED}; run the same crosspool extract again"):
        searcher_of(store).search(photo)


def test_the_network_must_be_that_of_the_store(made, monkeypatch):
    monkeypatch.setattr("crosspool.shards.extraction.load_backbone", lambda *_, **__: backbone())
    store = made("gem")
    Job(store.plan, store.place, None).extractor()
    plan = store.plan.model_copy(update={"fingerprint": "of others"})
    with pytest.raises(SettingError, match="not those of the plan; give the same --weights"):
        Job(plan, store.place, None).extractor()
