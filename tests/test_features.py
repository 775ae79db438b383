"""The cache of arrays and the records in it: arrays come back, damage is noticed, and keys never mix them up."""

import multiprocessing
import os
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from crosspool.backbones import UNTRAINED, Backbone, load
from crosspool.cache import DAY, ArrayCache, default_cache
from crosspool.datasets import Dataset, Sample
from crosspool.errors import ImageError, SettingError
from crosspool.features import Features
from crosspool.framing import Source, image_views
from crosspool.records import compute_record
from tests.cache_entries import write_all
from tests.images import dataset_of, noise, png, tints
from tests.networks import sample, small_network, spec_for

PAIR = (Source("relu", 128, "whole", "squash"), Source("relu_1", 128, "whole", "squash"))
TILES = Source("relu_1", 256, "tiles", "squash")
JITTER = Source("mean", 128, "jitter", "squash")
CROPPED = Source("relu_1", 128, "whole", "crop")
EVERYTHING = (*PAIR, TILES, JITTER, CROPPED)


@pytest.fixture
def runs(monkeypatch):
    """The nodes asked of the network, a tuple for each time that it ran."""
    ran = []
    outputs = Backbone.outputs

    def counted(self, framed, names):
        ran.append(names)
        return outputs(self, framed, names)

    monkeypatch.setattr(Backbone, "outputs", counted)
    return ran


@pytest.fixture
def features_of(tiny, tmp_path):
    """Features of a data set, by a cache that has nothing in memory."""

    def make(dataset, sources=PAIR, backbone=tiny, folder=tmp_path, **more):
        return Features(dataset, backbone, sources, ArrayCache(folder), **more)

    return make


def entries(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def equal(record, other):
    assert record.keys() == other.keys()
    for source, array in record.items():
        np.testing.assert_array_equal(array, other[source])
        assert array.dtype == other[source].dtype == np.float32


# --- computing


def test_a_record_is_what_the_network_yields(tiny):
    record = compute_record(tiny, sample(), EVERYTHING)
    assert list(record) != []
    assert {source: array.shape for source, array in record.items()} == {
        PAIR[0]: (1, 4, 8, 8),
        PAIR[1]: (1, 5, 8, 8),
        TILES: (4, 5, 8, 8),
        JITTER: (10, 5),
        CROPPED: (1, 5, 8, 8),
    }
    for source, array in record.items():
        framed = image_views(sample(), tiny.spec.preprocessing, source.size, source.views, source.framing)
        (alone,) = tiny.outputs(framed, (source.node,))
        np.testing.assert_allclose(array, alone.numpy(), rtol=1e-5, atol=1e-6)
        assert array.flags.c_contiguous


def test_the_network_runs_once_for_each_size_and_kind_of_view(tiny, runs):
    compute_record(tiny, sample(), [JITTER, PAIR[1], CROPPED, TILES, PAIR[0]])
    assert len(runs) == 4
    assert sorted(map(len, runs)) == [1, 1, 1, 2]


def test_without_sources_nothing_runs(tiny, runs):
    assert compute_record(tiny, sample(), []) == {}
    assert runs == []


# --- arrays in a folder


ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
KEY = "ab" + 62 * "0"


@pytest.mark.parametrize(
    "array",
    [ARRAY, ARRAY.transpose(2, 0, 1), ARRAY[:, ::2], np.zeros((0, 3), np.float32), np.asfortranarray(ARRAY[0])],
    ids=["plain", "transposed", "strided", "empty", "by columns"],
)
def test_arrays_come_back_as_they_were(tmp_path, array):
    ArrayCache(tmp_path).put(KEY, array)
    cached = ArrayCache(tmp_path).get(KEY)
    assert cached is not None
    assert cached.shape == array.shape
    np.testing.assert_array_equal(cached, array)


def test_a_cache_with_a_limit_lets_the_oldest_entries_go(tmp_path):
    """Random numbers hardly shrink: 16 entries of about 4,000 bytes where there is room for 10."""
    cache, numbers = ArrayCache(tmp_path, limit=40_000), np.random.default_rng(0)
    keys = [f"{number:02x}{'0' * 62}" for number in range(16)]
    for age, key in enumerate(keys):
        cache.put(key, numbers.normal(size=1000).astype(np.float32))
        os.utime(next(tmp_path.glob(f"*/{key}.z")), ns=(age, age))
        assert sum(path.stat().st_size for path in tmp_path.glob("*/*.z")) <= 40_000 * 17 / 16
        assert cache.get(key) is not None
    left = [key in cache for key in keys]
    assert left == sorted(left)  # the newest stay
    assert 7 <= sum(left) <= 10


def test_an_entry_that_is_used_does_not_go_before_newer_ones_that_are_not(tmp_path):
    cache, numbers, now = ArrayCache(tmp_path, limit=40_000), np.random.default_rng(0), time.time()
    keys = [f"{number:02x}{'0' * 62}" for number in range(16)]
    for place, key in enumerate(keys):
        cache.put(key, numbers.normal(size=1000).astype(np.float32))
        written = now - 2 * DAY + place
        os.utime(next(tmp_path.glob(f"*/{key}.z")), (written, written))
        assert cache.get(keys[0]) is not None
    assert keys[1] not in cache


def test_reading_writes_once_a_day_at_most(tmp_path):
    cache, now = ArrayCache(tmp_path), int(time.time())
    cache.put(KEY, ARRAY)
    (entry,) = entries(tmp_path)
    for age, is_marked in ((DAY // 2, False), (2 * DAY, True)):
        os.utime(entry, (now - age, now - age))
        assert cache.get(KEY) is not None
        assert (entry.stat().st_mtime >= now) == is_marked


def test_an_absent_entry_is_none(tmp_path):
    cache = ArrayCache(tmp_path / "not made yet")
    assert KEY not in cache
    assert cache.get(KEY) is None
    assert not (tmp_path / "not made yet").exists()  # asking leaves nothing behind


def test_zeros_take_little_space(tmp_path):
    ArrayCache(tmp_path).put(KEY, np.zeros((256, 100, 100), np.float32))
    (entry,) = entries(tmp_path)
    assert entry.stat().st_size < 100_000


def flipped(data):
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


DAMAGES = {
    "cut short": lambda data: data[:-3],
    "a byte flipped": flipped,
    "empty": lambda data: b"",
    "garbage": lambda data: b"no array at all" * 50,
    "another file": lambda data: png(noise(0)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_counts_as_absent(tmp_path, damage):
    ArrayCache(tmp_path).put(KEY, ARRAY)
    (entry,) = entries(tmp_path)
    entry.write_bytes(DAMAGES[damage](entry.read_bytes()))
    assert ArrayCache(tmp_path).get(KEY) is None


def test_every_flipped_byte_is_noticed(tmp_path):
    ArrayCache(tmp_path).put(KEY, ARRAY)
    (entry,) = entries(tmp_path)
    data = entry.read_bytes()
    for place in range(len(data)):
        entry.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        cached = ArrayCache(tmp_path).get(KEY)
        assert cached is None or np.array_equal(cached, ARRAY)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch, error):
    def interrupted(*args):
        raise error

    monkeypatch.setattr("crosspool.whole_files.os.replace", interrupted)
    cache = ArrayCache(tmp_path)
    expected = KeyboardInterrupt if error is KeyboardInterrupt else SettingError
    with pytest.raises(expected):
        cache.put(KEY, ARRAY)
    assert entries(tmp_path) == []
    assert KEY not in cache


def test_a_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_bytes(b"in the way")
    cache = ArrayCache(tmp_path / "file")
    with pytest.raises(SettingError, match=r"Cannot read the cache folder .*file \(.*\); choose another one"):
        cache.get(KEY)
    with pytest.raises(SettingError, match=r"Cannot write to the cache folder .*file \(.*\); make room, or choose"):
        cache.put(KEY, ARRAY)
    assert KEY not in cache


def value_of(folder, number):
    """The number that an entry is full of, or None where there is no entry."""
    cached = ArrayCache(folder).get(f"{number:064x}")
    assert cached is None or np.ptp(cached) == 0
    return None if cached is None else cached[0, 0]


@pytest.mark.parametrize("kind", [threading.Thread, multiprocessing.get_context("spawn").Process])
def test_many_may_write_at_the_same_time(tmp_path, kind):
    """Another thread or process, while this one writes the same forty entries and reads them."""
    writer = kind(target=write_all, args=(tmp_path, 20))
    writer.start()
    while writer.is_alive():
        write_all(tmp_path, 0)
        assert [value_of(tmp_path, i) for i in range(40)] == list(range(40))
    writer.join()
    assert getattr(writer, "exitcode", 0) == 0
    assert len(entries(tmp_path)) == 40  # and no partial files
    assert [value_of(tmp_path, i) for i in range(40)] == list(range(40))


def test_the_default_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("CROSSPOOL_CACHE")
    assert default_cache().name == "crosspool"


# --- features of a data set


def test_records_are_those_computed_bit_for_bit(tiny, features_of):
    dataset = tints()
    features_of(dataset, EVERYTHING).compute()
    features = features_of(dataset, EVERYTHING)
    for index in range(len(dataset)):
        image = dataset.samples[index].decode(dataset.samples[index].read())
        equal(dict(features.record(index, EVERYTHING)), compute_record(tiny, image, EVERYTHING))


def test_nothing_is_computed_twice(features_of, runs, monkeypatch):
    dataset = tints()
    counts: list[int] = []
    assert features_of(dataset, EVERYTHING).compute(counts.append) == {}
    assert counts == list(range(1, 10))
    assert len(runs) == 9 * 4
    monkeypatch.setattr(Sample, "decode", lambda self, data: pytest.fail("an image is decoded"))
    again = features_of(dataset, EVERYTHING)
    assert again.compute() == {}
    for index in range(9):
        again.record(index, EVERYTHING)
    assert len(runs) == 9 * 4


def test_only_passes_that_yield_something_missing_are_computed(features_of, runs):
    dataset = tints()
    features_of(dataset, PAIR).compute()
    runs.clear()
    features_of(dataset, (*PAIR, JITTER)).compute()
    assert runs == [(JITTER.node,)] * 9
    runs.clear()
    features_of(dataset, (*PAIR, JITTER, TILES)).compute()
    assert runs == [(TILES.node,)] * 9


def test_a_pass_yields_all_that_is_asked_of_it(features_of, runs):
    """Whatever is there of it already: so few different parts of the network are run."""
    dataset = tints()
    features_of(dataset, PAIR[:1]).compute()
    runs.clear()
    features_of(dataset, PAIR).compute()
    assert runs == [(PAIR[0].node, PAIR[1].node)] * 9


def test_missing_records_are_computed(features_of, runs):
    dataset = tints()
    features = features_of(dataset)
    first = features.record(2, PAIR)
    assert len(runs) == 1
    equal(dict(features_of(dataset).record(2, PAIR)), dict(first))
    assert len(runs) == 1


def test_equal_images_share_their_entries(features_of, runs):
    """By their bytes, whatever they are called and wherever they lie."""
    data = png(noise(0))
    dataset = dataset_of([data, png(noise(1)), data], np.array([0, 1, 0]))
    features = features_of(dataset, at_once=False)  # two equal ones at once may both be computed
    features.compute()
    assert len(runs) == 2
    assert features.image_key(0) == features.image_key(2) != features.image_key(1)
    renamed = Dataset("other", ("a",), (Sample("another name", lambda: data),), np.array([0]))
    features_of(renamed).compute()
    assert len(runs) == 2


def changed_byte():
    data = png(noise(0))
    return dataset_of([data + b"\0"], np.array([0]))  # the same pixels, but other bytes


def with_box(box):
    return Dataset("boxed", ("a",), (Sample("an image", lambda: png(noise(0)), box),), np.array([0]))


@pytest.mark.parametrize("other", [changed_byte, lambda: with_box((2, 2, 20, 18)), lambda: with_box((0, 0, 24, 20))])
def test_other_bytes_and_other_boxes_are_other_images(features_of, runs, other):
    features_of(dataset_of([png(noise(0))], np.array([0]))).compute()
    features_of(other()).compute()
    assert len(runs) == 2
    features_of(other()).compute()
    assert len(runs) == 2


def other_weights():
    backbone = load(spec_for(small_network), UNTRAINED, "cpu")
    backbone.model.get_parameter("last.bias").data[0] += 1
    return backbone


def other_preprocessing():
    spec = spec_for(small_network)
    return load(replace(spec, preprocessing=replace(spec.preprocessing, mean=(0.1, 0.1, 0.1))), UNTRAINED, "cpu")


def with_bfloat16():
    return replace(load(spec_for(small_network), UNTRAINED, "cpu"), engine="bfloat16")


OTHERS = {
    "weights": other_weights,
    "preprocessing": other_preprocessing,
    "name": lambda: load(spec_for(small_network, name="other"), UNTRAINED, "cpu"),
    "engine": with_bfloat16,
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_another_network_has_entries_of_its_own(features_of, runs, make):
    dataset = dataset_of([png(noise(0))], np.array([0]))
    features_of(dataset).compute()
    features_of(dataset, backbone=make()).compute()
    assert len(runs) == 2


@pytest.mark.parametrize(
    "change", [{"size": 256}, {"framing": "crop"}, {"views": "augmented"}, {"node": "second"}], ids=str
)
def test_another_source_has_an_entry_of_its_own(features_of, runs, change):
    dataset = dataset_of([png(noise(0))], np.array([0]))
    features_of(dataset, PAIR[:1]).compute()
    features_of(dataset, [replace(PAIR[0], **change)]).compute()
    assert len(runs) == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entries_are_computed_again(tmp_path, features_of, runs, damage):
    dataset = dataset_of([png(noise(0))], np.array([0]))
    features = features_of(dataset)
    expected = dict(features.record(0, PAIR))
    for entry in entries(tmp_path):
        entry.write_bytes(DAMAGES[damage](entry.read_bytes()))
    equal(dict(features_of(dataset).record(0, PAIR)), expected)
    assert len(runs) == 2
    equal(dict(features_of(dataset).record(0, PAIR)), expected)  # and they are whole again
    assert len(runs) == 2


def test_a_changed_image_does_not_replace_the_old_entry(tmp_path, features_of):
    files = [png(noise(0))]
    dataset = dataset_of([lambda: files[0]], np.array([0]))
    features = features_of(dataset)
    features.image_key(0)
    files[0] = png(noise(1))
    new = dict(features.record(0, PAIR))
    files[0] = png(noise(0))
    old = dict(features_of(dataset).record(0, PAIR))
    assert not np.array_equal(old[PAIR[1]], new[PAIR[1]])
    equal(old, dict(features_of(dataset, folder=tmp_path / "fresh").record(0, PAIR)))


def absent():
    raise FileNotFoundError(2, "No such file or directory")


def test_samples_that_cannot_be_read_are_reported(features_of, runs):
    cut = png(noise(0))[:60]
    outside = Sample("outside", lambda: png(noise(3)), (30, 30, 40, 40))
    dataset = dataset_of([png(noise(1)), b"no image", absent, cut, b"", png(noise(2))], np.arange(6) % 3)
    dataset = Dataset("mixed", dataset.classes, (*dataset.samples, outside), np.arange(7) % 3)
    counts: list[int] = []
    failed = features_of(dataset).compute(counts.append)
    assert counts == list(range(1, 8))
    assert len(runs) == 2
    assert {index: sentence.split(" (")[0] for index, sentence in failed.items()} == {
        1: "image 1 is not an image that can be read here; save it as JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP.",
        2: "image 2 cannot be read",
        3: "image 3 is damaged or cut short and cannot be decoded",
        4: "image 4 is empty",
        6: "outside has its box",
    }
    with pytest.raises(ImageError, match=r"image 2 cannot be read \(No such file or directory\); check the file"):
        features_of(dataset).record(2, PAIR)


def test_a_cache_that_cannot_be_used_stops_the_work(tmp_path, features_of):
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(SettingError, match="Cannot write to the cache folder"):
        features_of(tints(), folder=tmp_path / "file").compute()
    with pytest.raises(SettingError, match="Cannot read the cache folder"):
        features_of(tints(), folder=tmp_path / "file").record(0, PAIR)


# --- records as a sequence


def test_records_of_some_samples_are_read_when_asked_for(features_of, runs):
    read: list[int] = []
    files = [png(noise(i)) for i in range(5)]

    def read_file(i):
        read.append(i)
        return files[i]

    dataset = dataset_of([partial(read_file, i) for i in range(5)], np.arange(5) % 3)
    features = features_of(dataset)
    some = features.records_of(np.array([4, 1, 3]), PAIR[:1])
    assert len(some) == 3
    assert (read, runs) == ([], [])
    assert list(some[1]) == [PAIR[0]]
    assert set(read) == {1}
    later = some[1:]
    assert len(later) == 2
    equal(dict(later[1]), dict(features.record(3, PAIR[:1])))
    equal(dict(some[-1]), dict(later[-1]))
    assert set(read) == {1, 3}
    with pytest.raises(IndexError):
        later[2]
    assert [list(record) for record in some] == [[PAIR[0]]] * 3  # iteration ends


def test_boxes_of_one_file_are_one_photograph_and_several_images(features_of):
    data = png(noise(0))
    whole = Sample("whole", lambda: data)
    samples = (whole, replace(whole, box=(0, 0, 16, 16)), Sample("other", lambda: png(noise(1))))
    features = features_of(Dataset("boxes", ("one",), samples, np.zeros(3, int)))
    assert features.file_key(0) == features.file_key(1) != features.file_key(2)
    assert len({features.image_key(i) for i in range(3)}) == 3


def test_an_image_with_an_identity_is_drawn_only_to_be_computed(features_of, runs):
    made = []

    def draw():
        made.append(1)
        return png(noise(0))

    dataset = Dataset("drawn", ("one",), (Sample("drawn", draw, identity="drawing 1"),), np.zeros(1, int))
    assert features_of(dataset).compute() == {}
    again = features_of(dataset)
    again.compute()
    again.record(0, PAIR)
    assert len(made) == len(runs) == 1
    other = Dataset("drawn", ("one",), (Sample("drawn", draw, identity="drawing 2"),), np.zeros(1, int))
    assert features_of(other).file_key(0) != again.file_key(0)


def test_a_file_is_read_once_to_be_computed(features_of):
    """Its key and its image are of the same bytes; what was read before is read again, as it may have changed."""
    read: list[int] = []

    def read_file():
        read.append(1)
        return png(noise(0))

    dataset = dataset_of([read_file], np.zeros(1, int))
    features = features_of(dataset)
    features.compute()
    assert len(read) == 1
    features.compute()
    assert len(read) == 1
    fresh = features_of(dataset, [TILES])
    fresh.image_key(0)
    fresh.compute()
    assert len(read) == 3


# --- batches, as on a GPU


def test_batches_yield_what_single_samples_do(features_of, tmp_path):
    """Of any number of samples, also where some cannot be read and others lack nothing."""
    good = [png(noise(i)) for i in range(5)]
    dataset = dataset_of([good[0], b"no image", *good[1:], good[2]], np.arange(7) % 3)
    alone = features_of(dataset, EVERYTHING, folder=tmp_path / "alone", at_once=False)
    expected_problems = alone.compute()
    for batch in (2, 3, 100):
        together = features_of(dataset, EVERYTHING, folder=tmp_path / str(batch), batch=batch)
        together.record(3, PAIR)
        assert together.compute() == expected_problems
        for index in {*range(7)} - {1}:
            expected = alone.record(index, EVERYTHING)
            for source, array in together.record(index, EVERYTHING).items():
                np.testing.assert_allclose(array, expected[source], rtol=1e-5, atol=1e-6)


def test_a_batch_goes_through_the_network_together(features_of, runs, monkeypatch):
    sizes = []
    outputs = Backbone.outputs

    def counted(self, framed, names):
        sizes.append(len(framed))
        return outputs(self, framed, names)

    monkeypatch.setattr(Backbone, "outputs", counted)
    features_of(tints(), [TILES], batch=4).compute()
    assert sizes == [16, 16, 4]
