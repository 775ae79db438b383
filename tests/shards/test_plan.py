"""The plan of a store is written once, and another one at its place is refused, naming what differs."""

from dataclasses import replace

import pytest

from crosspool.backbones import UNTRAINED, load
from crosspool.errors import ImageError, ModelError, SettingError
from crosspool.methods import parse_method
from crosspool.shards import plan as plans
from crosspool.shards.listing import Listing
from crosspool.shards.place import Place
from crosspool.shards.plan import IMAGES, LEARNED, PLAN, agree_on, plan_of, read_plan
from crosspool.strict_json import json_text
from tests.images import tints
from tests.networks import small_network, spec_for


@pytest.fixture(scope="module")
def tiny():
    return replace(load(spec_for(small_network), UNTRAINED, "cpu"), engine="torch")


@pytest.fixture(scope="module")
def listing():
    samples = tints(each=4).samples
    return Listing("tints", samples, ("red",) * 12, (None,) * 12, "Twelve images.", ())


def planned(tiny, listing, method="cl", shard=5, seed=0):
    return plan_of(listing, parse_method(method, tiny.architecture), tiny, shard, seed)


def test_other_files_by_the_same_names_are_another_plan(tiny, listing, tmp_path):
    others = tuple(replace(sample, read=lambda: b"another file") for sample in listing.samples)
    place = Place(str(tmp_path))
    agree_on(planned(tiny, listing), listing, place)
    other = replace(listing, samples=others)
    with pytest.raises(SettingError, match=f"another plan: the files of images, such as {listing.samples[0].name}"):
        agree_on(planned(tiny, other), other, place)


def test_a_file_that_cannot_be_read_now_is_not_compared(tiny, listing, tmp_path):
    def busy():
        raise ImageError("The server is busy.")

    plan, place = planned(tiny, listing), Place(str(tmp_path))
    agree_on(plan, listing, place)
    other = replace(listing, samples=tuple(replace(sample, read=busy) for sample in listing.samples))
    assert agree_on(planned(tiny, other), other, place) == plan


def test_shards_cover_all_images_once(tiny, listing):
    plan = planned(tiny, listing)
    assert [list(plan.places(number)) for number in range(plan.shards)] == [
        [0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11],
    ]  # fmt: skip
    assert [plan.shard_name(number) for number in (0, 2)] == ["shard-00000.parquet", "shard-00002.parquet"]
    assert plan.missing({"shard-00001.parquet", PLAN}) == [0, 2]


def test_names_of_many_shards_are_in_the_order_of_their_numbers(tiny, listing):
    plan = planned(tiny, listing).model_copy(update={"images": 10**8, "shard": 10})
    assert plan.shard_name(plan.shards - 1) == "shard-9999999.parquet"
    assert plan.shard_name(7) == "shard-0000007.parquet"


def test_a_plan_is_the_same_when_it_is_read_again(tiny, listing, tmp_path):
    plan, place = planned(tiny, listing), Place(str(tmp_path))
    assert read_plan(place) is None
    for _ in range(2):
        assert agree_on(plan, listing, place) == plan
    assert read_plan(place) == plan


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"shard": 6}, r"the images of a shard \(5 there, 6 here\)\. Choose another --out"),
        ({"method": "gem", "seed": 1}, r"the method \(cl there, gem here\); the seed \(0 there, 1 here\)"),
    ],
)
def test_another_plan_at_the_same_place_is_refused(tiny, listing, tmp_path, changed, sentence):
    agree_on(planned(tiny, listing), listing, Place(str(tmp_path)))
    with pytest.raises(SettingError, match=sentence):
        agree_on(planned(tiny, listing, **changed), listing, Place(str(tmp_path)))


def test_a_store_does_not_grow(tiny, listing, tmp_path):
    fewer = replace(listing, samples=listing.samples[1:], labels=listing.labels[1:], splits=listing.splits[1:])
    place = Place(str(tmp_path))
    agree_on(planned(tiny, fewer), fewer, place)
    with pytest.raises(SettingError) as caught:
        agree_on(planned(tiny, listing), listing, place)
    assert str(caught.value) == (
        f"{tmp_path} is the store of another plan: the number of images (11 there, 12 here); the list of images, their "
        "labels or their split. A store's images cannot change: extract new ones into a store of their own, or all of "
        "them at another --out."
    )


def test_other_images_weights_and_versions_are_named(tiny, listing):
    plan = planned(tiny, listing)
    other = plan.model_copy(update={"listing": "", "fingerprint": "", "versions": {"torch": "0"}, "name": "other"})
    assert [each.split(" (")[0] for each in plan.differences(other)] == [
        "the list of images, their labels or their split", "the network's weights", "the versions",
    ]  # fmt: skip


def test_of_two_that_begin_at_once_the_second_takes_the_firsts_plan_or_is_refused(tiny, listing, tmp_path, monkeypatch):
    """The second has looked before the first wrote."""
    place, first = Place(str(tmp_path)), planned(tiny, listing)
    for other in (first, planned(tiny, listing, shard=6)):
        place.write_once(PLAN, json_text(first.model_dump()).encode())
        answers = iter([None, first])
        with monkeypatch.context() as patch:
            patch.setattr(plans, "read_plan", lambda where, answers=answers: next(answers))
            if other == first:
                assert agree_on(other, listing, place) == first
            else:
                with pytest.raises(SettingError, match="another plan"):
                    agree_on(other, listing, place)
        (tmp_path / PLAN).unlink()


def test_a_refused_plan_leaves_the_list_of_images_as_it_is(tiny, listing, tmp_path, monkeypatch):
    """Also where its process had looked before the other plan was there."""
    place, first = Place(str(tmp_path)), planned(tiny, listing)
    agree_on(first, listing, place)
    before = place.read(IMAGES)
    other = replace(listing, labels=("blue",) * 12)
    answers = iter([None, first])
    monkeypatch.setattr(plans, "read_plan", lambda where: next(answers))
    with pytest.raises(SettingError, match="another plan"):
        agree_on(planned(tiny, other), other, place)
    assert place.read(IMAGES) == before


def test_the_list_of_images_comes_back_where_it_is_gone(tiny, listing, tmp_path):
    place = Place(str(tmp_path))
    agree_on(planned(tiny, listing), listing, place)
    before = place.read(IMAGES)
    (tmp_path / IMAGES).unlink()
    agree_on(planned(tiny, listing), listing, place)
    assert place.read(IMAGES) == before


@pytest.mark.parametrize("name", ["shard-00000.parquet", IMAGES, LEARNED, "notes.txt"])
def test_nothing_is_mixed_with_files_that_have_no_plan(tiny, listing, tmp_path, name):
    (tmp_path / name).write_bytes(b"-")
    with pytest.raises(SettingError, match=rf"has {name}, but no plan\.json, so it is not a store; choose another"):
        agree_on(planned(tiny, listing), listing, Place(str(tmp_path)))
    assert not (tmp_path / PLAN).exists()


def test_hidden_files_such_as_a_temporary_one_are_no_obstacle(tiny, listing, tmp_path):
    (tmp_path / ".crosspool-0.json").write_bytes(b"-")
    agree_on(planned(tiny, listing), listing, Place(str(tmp_path)))
    assert (tmp_path / PLAN).exists()


def test_a_plan_that_is_written_between_two_looks_is_taken(tiny, listing, tmp_path, monkeypatch):
    """Together with the first shards of the process that wrote it."""
    plan, place = planned(tiny, listing), Place(str(tmp_path))

    def names_then_another_process(self):
        monkeypatch.undo()
        agree_on(plan, listing, place)
        (tmp_path / plan.shard_name(0)).write_bytes(b"-")
        return set()

    monkeypatch.setattr(Place, "names", names_then_another_process)
    assert agree_on(plan, listing, place) == plan


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:100],
        lambda data: data.replace(b'"shard": 5', b'"shard": 0'),
        lambda data: data.replace(b"crosspool store 3", b"crosspool store 4"),
    ],
)
def test_a_damaged_plan_is_one_sentence(tiny, listing, tmp_path, damage):
    place = Place(str(tmp_path))
    agree_on(planned(tiny, listing), listing, place)
    (tmp_path / PLAN).write_bytes(damage((tmp_path / PLAN).read_bytes()))
    with pytest.raises(ModelError, match="is damaged, or of another version"):
        read_plan(place)


@pytest.mark.parametrize("method", ["guided", "ft+cl", "cl+guided"])
def test_what_learns_from_classes_is_refused(tiny, listing, method):
    with pytest.raises(SettingError, match="learns from classes or annotated parts"):
        planned(tiny, listing, method)


def test_the_engine_is_the_same_everywhere(tiny, listing):
    """Not the one that happens to be faster."""
    assert planned(tiny, listing).engine == "torch"
    assert planned(replace(tiny, engine="auto"), listing).engine == "onnxruntime"
