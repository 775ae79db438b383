"""What is kept of images: the identities of rows, and stores whose bytes do not depend on how they came about."""

import hashlib
from dataclasses import replace
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

from crosspool.backbones import UNTRAINED, load
from crosspool.datasets import Sample
from crosspool.errors import ImageError, ModelError, SettingError
from crosspool.images import load_image
from crosspool.methods import parse_method
from crosspool.pooling import cross_layer_pool
from crosspool.records import compute_record
from crosspool.shards.codes import Sketch, as_numbers
from crosspool.shards.extraction import Extractor, counted, sample_of, task_of
from crosspool.shards.listing import Listing
from crosspool.shards.place import Place
from crosspool.shards.plan import LEARNED, agree_on, plan_of
from crosspool.shards.reading import reader
from crosspool.shards.rows import column_array
from crosspool.shards.store import Store
from tests.images import png, tinted
from tests.networks import small_network, spec_for

COUNT = 7


@pytest.fixture(scope="module")
def tiny():
    return replace(load(spec_for(small_network), UNTRAINED, "cpu"), engine="torch")


def gone():
    raise ImageError("image 3 cannot be read (gone); check the file.")


def listed(broken=(), missing=()):
    """A listing of seven images; some are no images, and some are not there."""
    files = [b"no image" if i in broken else png(tinted(i, i % 3)) for i in range(COUNT)]
    reads = [gone if i in missing else partial(bytes, data) for i, data in enumerate(files)]
    samples = tuple(Sample(f"image {i}", read) for i, read in enumerate(reads))
    labels = tuple(("red", "green", "blue")[i % 3] for i in range(COUNT))
    return Listing("tints", samples, labels, (None,) * COUNT, "Seven images.", ())


def extracted(tiny, folder, method="cl", listing=None, shard=3, numbers=None):
    """The store of a method, its shards computed in the order of these numbers."""
    listing = listing or listed()
    place = Place(str(folder))
    place.prepare()
    plan = plan_of(listing, parse_method(method, tiny.architecture), tiny, shard, seed=0)
    plan = agree_on(plan, listing, place)
    for number in numbers or range(plan.shards):
        extractor = Extractor(plan, place, tiny)  # a new one each time, as if by another worker
        if not extractor.recall():
            list(extractor.work(sample_of(plan, listing)))
        assert sum(extractor.work(task_of(plan, listing, number))) == len(plan.places(number))
    return Store(place, plan)


def vectors_of(store):
    return np.concatenate([vectors for _, vectors in store.blocks()])


def checksums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["cl", "cl/ternary", "global", "gem", "cl+global", "cl-f", "bilinear", "compact"])
def test_vectors_are_those_of_the_method(tiny, tmp_path, name):
    method = parse_method(name, tiny.architecture)
    store = extracted(tiny, tmp_path, name)
    records = [
        compute_record(tiny, load_image(sample.read(), name=sample.name), method.sources) for sample in listed().samples
    ]
    np.testing.assert_array_equal(vectors_of(store), method.encoder(0).fit(records).transform(records))


def test_principal_components_are_learned_once_from_a_sample_and_kept(tiny, tmp_path):
    store = extracted(tiny, tmp_path, "cl/pca2")
    method = parse_method("cl/pca2", tiny.architecture)
    records = [compute_record(tiny, load_image(sample.read(), name=""), method.sources) for sample in listed().samples]
    np.testing.assert_array_equal(vectors_of(store), method.encoder(0).fit(records).transform(records))


def test_a_row_tells_what_was_read(tiny, tmp_path):
    store = extracted(tiny, tmp_path, "cl")
    table = store.columns("path", "label", "sha256", "thumbnail")
    for number, (sample, row) in enumerate(zip(listed().samples, table.to_pylist(), strict=True)):
        assert (row["path"], row["label"]) == (f"image {number}", ("red", "green", "blue")[number % 3])
        assert row["sha256"] == hashlib.sha256(sample.read()).digest()
        assert max(Image.open(BytesIO(row["thumbnail"])).size) <= store.plan.thumbnail


def test_peaks_and_energies_are_those_of_the_maps_and_of_p(tiny, tmp_path):
    store = extracted(tiny, tmp_path, "cl")
    pair = tiny.architecture.default_pair
    table = store.columns("peak", "cell", "energy")
    peak, cell, energy = (
        column_array(table[name], kind)[0] for name, kind in (("peak", "<f2"), ("cell", "<u2"), ("energy", "<f2"))
    )
    for number, sample in enumerate(listed().samples):
        maps = tiny.activations([load_image(sample.read(), name="")], pair, framing="squash")
        flat = maps.upper[0].flatten(1)
        np.testing.assert_allclose(peak[number], flat.max(1).values, rtol=1e-3)
        np.testing.assert_allclose(flat[range(5), cell[number].astype(int)], flat.max(1).values)
        pooled = cross_layer_pool(maps.lower, maps.upper, **pair.geometry)[0]
        np.testing.assert_allclose(energy[number], pooled.norm(dim=1) / flat.shape[1], rtol=1e-3, atol=6e-8)  # its step


def test_of_a_method_without_p_the_energy_is_that_of_its_map(tiny, tmp_path):
    store = extracted(tiny, tmp_path, "gem")
    energy, _ = column_array(store.columns("energy")["energy"], "<f2")
    source = parse_method("gem", tiny.architecture).sources[0]
    record = compute_record(tiny, load_image(listed().samples[4].read(), name=""), [source])
    flat = record[source][0].reshape(5, -1)
    np.testing.assert_allclose(energy[4], np.linalg.norm(flat, axis=1) / flat.shape[1], rtol=1e-3)


def test_what_is_larger_than_half_precision_holds_is_the_largest(tiny, tmp_path):
    """Not infinite: peaks are sorted, and means are taken of energies."""
    network = small_network()
    network.second.weight.data *= 1e7
    store = extracted(replace(load(spec_for(lambda: network), UNTRAINED, "cpu"), engine="torch"), tmp_path, "cl")
    table = store.columns("peak", "energy")
    peak, energy = (column_array(table[name], "<f2")[0] for name in ("peak", "energy"))
    assert peak.max() == energy.max() == 65504


def test_maps_of_more_cells_than_16_bits_count_are_refused(tiny, tmp_path, monkeypatch):
    """The small network's maps have 8 × 8 cells at 128 pixels."""
    monkeypatch.setattr("crosspool.shards.describing.MOST_CELLS", 64)
    extracted(tiny, tmp_path / "fits", "cl")
    monkeypatch.setattr("crosspool.shards.describing.MOST_CELLS", 63)
    with pytest.raises(SettingError, match="have 8 × 8 cells, more than a store keeps"):
        extracted(tiny, tmp_path / "does not", "cl")


def test_codes_are_those_of_the_vectors(tiny, tmp_path):
    store = extracted(tiny, tmp_path, "cl/ternary")
    values = as_numbers(vectors_of(store), 180)
    sketch = Sketch.learned(values, 180, store.plan.bits, store.plan.seed)
    assert (store.codes()[0] == np.concatenate([sketch.codes(value[None]) for value in values])).all()


@pytest.mark.parametrize("name", ["cl/pca2/ternary", "gem"])
def test_the_bytes_do_not_depend_on_the_order_of_the_shards(tiny, tmp_path, name):
    for folder, numbers in (("one", [0, 1, 2]), ("two", [2, 0, 1]), ("three", [1, 1, 2, 0])):
        extracted(tiny, tmp_path / folder, name, numbers=numbers)
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two") == checksums(tmp_path / "three")


def test_a_shard_and_what_was_learned_can_be_deleted_and_come_back(tiny, tmp_path):
    extracted(tiny, tmp_path, "cl/pca2")
    before = checksums(tmp_path)
    for name in ("shard-00001.parquet", LEARNED):
        (tmp_path / name).unlink()
        extracted(tiny, tmp_path, "cl/pca2", numbers=[1])
        assert checksums(tmp_path) == before


def test_of_two_drivers_that_learn_at_once_the_first_counts(tiny, tmp_path):
    """Whichever images the other one could read meanwhile."""
    whole = extracted(tiny, tmp_path / "whole", "cl/pca2")
    place = Place(str(tmp_path / "two"))
    place.prepare()
    agree_on(whole.plan, listed(), place)
    drivers = [Extractor(whole.plan, place, tiny) for _ in range(2)]
    for driver, listing in zip(drivers, (listed(), listed(missing=[3])), strict=True):
        list(driver.work(sample_of(whole.plan, listing)))
    for number, driver in enumerate([*drivers, drivers[0]]):
        list(driver.work(task_of(whole.plan, listed(), number)))
    assert checksums(tmp_path / "two") == checksums(tmp_path / "whole")


def test_shards_are_not_mixed_with_what_other_images_taught(tiny, tmp_path):
    extracted(tiny, tmp_path, "cl/pca2", numbers=[0])
    (tmp_path / LEARNED).unlink()
    with pytest.raises(SettingError, match=r"from what shard-00000\.parquet was computed with \(image 3"):
        extracted(tiny, tmp_path, "cl/pca2", listed(missing=[3]), numbers=[1])
    assert not (tmp_path / LEARNED).exists()


def test_a_shard_computed_with_something_else_learned_is_named(tiny, tmp_path):
    extracted(tiny, tmp_path / "one", "cl/pca2", listed(missing=[3]))
    store = extracted(tiny, tmp_path / "two", "cl/pca2")
    name = "shard-00001.parquet"
    (tmp_path / "two" / name).write_bytes((tmp_path / "one" / name).read_bytes())
    with pytest.raises(ModelError, match=rf"{name} of .* was computed with another {LEARNED}"):
        store.codes()


def test_the_others_are_as_they_were_beside_an_image_that_cannot_be_read(tiny, tmp_path):
    whole = extracted(tiny, tmp_path / "whole", "gem")
    holey = extracted(tiny, tmp_path / "holey", "gem", listed(broken=[1], missing=[3]))
    assert holey.is_read.tolist() == [number not in (1, 3) for number in range(COUNT)]
    np.testing.assert_array_equal(vectors_of(holey), vectors_of(whole)[holey.is_read])
    assert np.concatenate([places for places, _ in holey.blocks()]).tolist() == [0, 2, 4, 5, 6]
    broken, missing = holey.problems()
    assert broken.startswith("image 1 ")
    assert missing == "image 3 cannot be read (gone); check the file."
    checksum = holey.columns("sha256")["sha256"].to_pylist()
    assert (checksum[1], checksum[3]) == (hashlib.sha256(b"no image").digest(), None)


def test_a_machine_that_lacks_a_package_leaves_no_shard(tiny, tmp_path):
    """Not one of images that cannot be read, which would count as done."""
    plan, place = extracted(tiny, tmp_path).plan, Place(str(tmp_path))
    (tmp_path / plan.shard_name(0)).unlink()
    elsewhere = tuple(replace(each, read=reader("nowhere://a.png", each.name)) for each in listed().samples)
    task = task_of(plan, replace(listed(), samples=elsewhere), 0)
    with pytest.raises(SettingError, match="install what it needs"):
        list(Extractor(plan, place, tiny).work(task))
    assert not place.has(plan.shard_name(0))


def test_a_set_of_no_images_is_refused(tiny, tmp_path):
    with pytest.raises(
        SettingError,
        match=r"None of the images that are learned from can be read; the first: image 0 is not an image",
    ):
        extracted(tiny, tmp_path, "gem", listed(broken=range(COUNT)))


def test_nothing_stays_of_a_shard_that_is_left_in_the_middle(tiny, tmp_path):
    store = extracted(tiny, tmp_path, "gem", numbers=[0])
    extractor = Extractor(store.plan, store.place, tiny)
    steps = extractor.extract(task_of(store.plan, listed(), 1))
    next(steps)
    steps.close()
    assert not [name for name in store.place.names() if name not in {"plan.json", "images.parquet", LEARNED,
                                                                    "shard-00000.parquet"}]  # fmt: skip


@pytest.mark.parametrize("data", [b"", b"no tensors", b"\xff" * 100])
def test_what_was_learned_is_refused_where_it_is_damaged(tiny, tmp_path, data):
    store = extracted(tiny, tmp_path, "cl/pca2", numbers=[0])
    (tmp_path / LEARNED).write_bytes(data)
    with pytest.raises(ModelError, match=r"learned\.safetensors is damaged .*; delete it, and run the command again"):
        Extractor(store.plan, store.place, tiny).recall()


def test_a_worker_s_work_takes_one_thread(tiny, tmp_path, monkeypatch):
    """Of NumPy's libraries as well, whose idle threads keep cores from other workers; afterwards as before."""
    extracted(tiny, tmp_path)
    threads, above = list[list[int]](), Sketch.above

    def noted(*given):
        threads.append(_threads())
        return above(*given)

    monkeypatch.setattr(Sketch, "above", noted)
    listing = listed()
    plan = plan_of(listing, parse_method("cl", tiny.architecture), tiny, 3, seed=0)
    extractor = Extractor(plan, Place(str(tmp_path)), tiny)
    with threadpool_limits(2):
        before = _threads()
        assert 2 in before
        for work in (sample_of(plan, listing), task_of(plan, listing, 0)):
            threads.clear()
            assert sum(extractor.work(work)) >= 3
            assert threads
            assert {each for counts in threads for each in counts} == {1}
        assert _threads() == before


def _threads():
    """How many threads each numerical library takes."""
    return [library["num_threads"] for library in threadpool_info()]


def test_steps_are_counted_now_and_then_and_in_the_end(monkeypatch):
    """By a clock that goes on by 0.2 seconds with each look."""
    clock = iter(np.arange(0, 100, 0.2))
    monkeypatch.setattr("crosspool.shards.extraction.time.monotonic", lambda: float(next(clock)))
    counts = list(counted(iter([None] * 8)))
    assert counts[:2] == [3, 3]
    assert sum(counts) == 8
    assert list(counted(iter([]))) == [0]
