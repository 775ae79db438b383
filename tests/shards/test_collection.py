"""A store arranged by channels, classes and likeness, against slow references."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from crosspool.errors import SettingError
from crosspool.shards.collection import (
    Collection,
    arranged,
    highest,
    told_apart,
)
from crosspool.shards.place import Place
from crosspool.shards.plan import LEARNED, PLAN
from crosspool.shards.rows import Row, Shape, ShardWriter
from crosspool.shards.store import Store
from tests.images import noise, png
from tests.shards.stores import origin_in, plan_by_hand

CHANNELS, IMAGES = 3, 7
PEAKS = np.arange(IMAGES * CHANNELS).reshape(IMAGES, CHANNELS) % 5
ENERGIES = 2 * PEAKS + np.arange(IMAGES)[:, None] % 3  # which tell some equal peaks apart
UNREAD = 4
PICTURES = [png(noise(seed)) for seed in (0, 1, 2, 3, 4, 5, 1)]
LABELS = ("jay", "jay", "owl", None, "owl", "owl", "jay")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Seven images in shards of two; one cannot be read, one has no label, and two are nearly the same."""
    return written(tmp_path_factory.mktemp("store"))


def written(folder, unread=UNREAD, **settings):
    """The store, in a folder."""
    plan, place = plan_by_hand(IMAGES, **settings), Place(str(folder))
    place.prepare()
    place.write_once(PLAN, plan.model_dump_json().encode())
    place.write_once(LEARNED, save({}))
    fill(plan, place, range(plan.shards), unread)
    return Store.opened(place.address)


def fill(plan, place, numbers, unread=UNREAD):
    """Write some shards of the store."""
    codes = np.random.default_rng(0).integers(0, 2**63, (IMAGES, 1), np.uint64)
    codes[6] = codes[1]
    for number in numbers:
        origin = origin_in(place, plan, number)
        with (
            place.new_file(plan.shard_name(number)) as path,
            ShardWriter(path, Shape(4, 8, CHANNELS), origin) as writer,
        ):
            for each in plan.places(number):
                about = f"{each}.jpg", LABELS[each], None
                read = {
                    "sha256": bytes([each]) * 32, "vector": np.zeros(1, np.float32), "code": codes[each],
                    "peak": PEAKS[each].astype(np.float16), "energy": ENERGIES[each].astype(np.float16),
                    "cell": np.full(CHANNELS, each, np.uint16), "thumbnail": PICTURES[each],
                }  # fmt: skip
                writer.append(Row(*about, "broken") if each == unread else Row(*about, **read))


@pytest.fixture(scope="module")
def collection(store, tmp_path_factory):
    seen: list[int] = []
    made = arranged(store, tmp_path_factory.mktemp("cache"), seen.append)
    assert seen[-1] == IMAGES
    return made


def test_what_is_known_of_images(collection):
    assert collection.classes == ["jay", "owl"]
    assert collection.targets.tolist() == [0, 0, 1, -1, 1, 1, 0]
    assert np.flatnonzero(~collection.is_read).tolist() == [UNREAD]
    assert [collection.thumbnail(place) for place in (0, UNREAD, 6)] == [PICTURES[0], b"", PICTURES[6]]


@pytest.mark.parametrize("channel", range(CHANNELS))
@pytest.mark.parametrize("among", [None, [True, False, True, True, True, False, True]])
def test_the_strongest_images_of_a_channel(collection, channel, among):
    """Those of equal peaks by their energy, and then in their order; none of zero, or that was not read."""
    counted = [place for place in range(IMAGES) if place != UNREAD and (among is None or among[place])]
    expected = sorted(
        (each for each in counted if PEAKS[each, channel]),
        key=lambda each: (-PEAKS[each, channel], -ENERGIES[each, channel], each),
    )
    found = collection.strongest(channel, None if among is None else np.array(among))
    assert found.tolist() == expected
    assert collection.strongest(channel, None if among is None else np.array(among), 2).tolist() == expected[:2]
    assert [collection.peak(channel, place) for place in found] == [(PEAKS[each, channel], each) for each in expected]


def test_the_nearest_images_begin_with_the_image_itself(collection):
    for place in (1, 6):
        assert collection.nearest(place)[:2].tolist() == [place, 7 - place]
    assert UNREAD not in collection.nearest(0)
    assert len(collection.nearest(0)) == IMAGES - 1
    assert collection.nearest(1, collection.targets == 1).tolist() in ([2, 5], [5, 2])


def test_near_copies_and_outliers(collection):
    assert [group.tolist() for group in collection.copies] == [[1, 6]]
    assert collection.likeness[[1, 6]].tolist() == [1, 1]
    assert not set(collection.outliers(count=4)) & {1, 6, UNREAD}


def test_an_arrangement_is_made_once(store, tmp_path, monkeypatch):
    first = arranged(store, tmp_path)
    monkeypatch.setattr("crosspool.shards.collection._arrange", None)
    assert arranged(store, tmp_path) == first
    with pytest.raises(TypeError):  # it would be made
        arranged(written(tmp_path / "other", seed=1), tmp_path)


def test_images_that_could_be_read_later_are_arranged_again(store, tmp_path):
    """Their shard was deleted, and computed again."""
    assert arranged(store, tmp_path).thumbnail(UNREAD) == b""
    later = arranged(written(tmp_path / "store", unread=None), tmp_path)
    assert later.is_read.all()
    assert later.thumbnail(UNREAD) == PICTURES[4]


def test_of_two_that_arrange_at_once_the_first_to_end_keeps_its_files(store, tmp_path):
    """Whoever looks into it has them mapped into memory."""
    files: dict[Path, int] = {}

    def arrange_meanwhile(done):
        if not files:
            folder = arranged(store, tmp_path).folder
            files.update({path: path.stat().st_mtime_ns for path in folder.iterdir()})

    collection = arranged(store, tmp_path, arrange_meanwhile)
    assert {path: path.stat().st_mtime_ns for path in collection.folder.iterdir()} == files


def test_nothing_stays_of_an_arrangement_that_failed(store, tmp_path):
    def fail(done):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        arranged(store, tmp_path, fail)
    assert list((tmp_path / "collections").iterdir()) == []


def test_where_it_cannot_be_kept_one_sentence_says_so(store, tmp_path):
    (tmp_path / "collections").write_bytes(b"")
    with pytest.raises(SettingError, match=r"cannot be arranged in .*; make room, or choose another folder"):
        arranged(store, tmp_path)


def test_a_store_without_maps_has_no_channels(tmp_path):
    plan, place = plan_by_hand(1), Place(str(tmp_path / "store"))
    place.prepare()
    place.write_once(PLAN, plan.model_dump_json().encode())
    place.write_once(LEARNED, save({}))
    origin = origin_in(place, plan, 0)
    with place.new_file(plan.shard_name(0)) as path, ShardWriter(path, Shape(4, 8, 0), origin) as writer:
        writer.append(Row("a.jpg", None, None, vector=np.zeros(1, np.float32), code=np.zeros(1, np.uint64)))
    collection = arranged(Store.opened(place.address), tmp_path)
    assert isinstance(collection, Collection)
    assert collection.channels == 0


@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_the_highest_values_are_those_of_a_sort(count):
    values = np.random.default_rng(count).integers(0, 4, 8).astype(np.float32)
    expected = sorted(range(8), key=lambda place: (-values[place], place))[:count]
    assert highest(values, count).tolist() == expected
    assert highest(values, count, above=1).tolist() == [place for place in expected if values[place] > 1]


@pytest.mark.parametrize("count", [1, 2, 4, 7, 9])
def test_of_equal_values_those_highest_by_another_number_are_first(count):
    values, then = np.array([6.0, 2, 6, 6, 0, 2, 6]), np.array([1, 5, 3, 1, 9, 8, 2], np.float16)
    expected = [2, 6, 0, 3, 5, 1, 4][:count]
    assert highest(values, count, then=then).tolist() == expected
    assert highest(values, count, above=0, then=then).tolist() == [place for place in expected if place != 4]


@pytest.mark.parametrize("block", [1, 64])
def test_channels_that_tell_classes_apart(monkeypatch, block):
    """Against the sums of squares of an analysis of variance, by hand; images of no class do not count."""
    monkeypatch.setattr("crosspool.shards.collection.CHANNEL_BLOCK", block)
    energy = np.array([[1, 1, 3, 3, 9], [1, 3, 1, 3, 9], [5, 5, 5, 5, 9], [1, 2, 3, 4, 9]], np.float16)
    means, telling = told_apart(energy, np.array([0, 0, 1, 1, -1]), 3)
    assert means.tolist() == [[1, 2, 5, 1.5], [3, 2, 5, 3.5], [0, 0, 0, 0]]
    assert telling.tolist() == pytest.approx([1, 0, 0, (4 - 0.5) / (5 + 0.5)])


def test_classes_of_one_image_tell_no_channel():
    energy = np.random.default_rng(0).gamma(2, 1, (5, 50)).astype(np.float16)
    targets = np.concatenate([np.arange(30) % 3, np.arange(3, 23)])
    _, telling = told_apart(energy, targets, 23)
    _, without = told_apart(energy[:, targets < 3], targets[targets < 3], 3)
    assert telling.tolist() == pytest.approx(without.tolist())
    assert not told_apart(energy, np.arange(len(targets)), len(targets))[1].any()


def test_noise_tells_small_classes_no_better_than_chance():
    energy = np.random.default_rng(0).gamma(2, 1, (200, 400)).astype(np.float16)
    _, telling = told_apart(energy, np.arange(400) // 2, 200)
    assert telling.mean() < 0.1  # without the correction it is 0.5
