"""Files of a store appear whole, and once, in a folder and in an object store."""

import os

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from crosspool.errors import SettingError
from crosspool.shards.place import Place
from crosspool.whole_files import TEMPORARY_PREFIX


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "new.jpg").touch()
    with pytest.raises(SettingError, match=r"new\.jpg is a file, not a folder; choose another --out"):
        Place(str(tmp_path / "new.jpg")).prepare()


class Refusing(MemoryFileSystem):
    """Elsewhere, where every look is refused by an error of its own kind."""

    protocol = "refusing"

    def _refuse(self, *args, **options):
        raise LookupError("Unable to locate credentials")

    ls = exists = cat_file = put_file = _refuse


@pytest.mark.parametrize(
    "use",
    [
        lambda place: place.names(),
        lambda place: place.has("plan"),
        lambda place: place.read("plan"),
        lambda place: place.write_once("plan", b"first"),
    ],
)
def test_whatever_a_file_system_raises_is_one_sentence(use):
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    with pytest.raises(
        SettingError, match=r"refusing://store cannot be used \(Unable to locate credentials\); make room"
    ):
        use(Place("refusing://store"))


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path):
    """An empty place of either kind."""
    if request.param == "folder":
        place = Place(str(tmp_path / "store"))
    else:
        fsspec.filesystem("memory").store.clear()
        place = Place("memory://store")
    place.prepare()
    return place


def test_what_is_written_is_there(place):
    assert place.names() == set()
    with place.new_file("shard") as path:
        path.write_bytes(b"rows")
        assert not place.has("shard")
    assert (place.read("shard"), place.names(), place.has("shard")) == (b"rows", {"shard"}, True)


def test_what_is_not_there_says_so(place):
    with pytest.raises(FileNotFoundError):
        place.read("shard")


def test_nothing_appears_where_writing_fails(place):
    def fail():
        with place.new_file("shard") as path:
            path.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert place.names() == set()
    assert place.folder is None or os.listdir(place.folder) == []


def test_a_second_writer_of_the_same_shard_changes_nothing(place):
    for _ in range(2):
        with place.new_file("shard") as path:
            path.write_bytes(b"rows")
    assert place.read("shard") == b"rows"


def test_a_plan_is_written_once(place):
    place.write_once("plan", b"first")
    with pytest.raises(FileExistsError):
        place.write_once("plan", b"second")
    assert place.read("plan") == b"first"
    assert place.names() == {"plan"}


def test_a_plan_is_written_once_where_the_disk_knows_no_links(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    place = Place(str(tmp_path))
    place.write_once("plan", b"first")
    with pytest.raises(FileExistsError):
        place.write_once("plan", b"second")
    assert place.read("plan") == b"first"


def test_a_full_disk_is_one_sentence(tmp_path):
    place = Place(str(tmp_path))
    with pytest.raises(SettingError, match=r"No space left on device.*make room"), place.new_file("shard"):
        raise OSError(28, os.strerror(28))
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_opened_is_one_sentence():
    with pytest.raises(SettingError, match="nowhere://bucket cannot be opened"):
        Place("nowhere://bucket").names()


def test_what_killed_writers_left_long_ago_is_removed(tmp_path):
    old, young = (tmp_path / f"{TEMPORARY_PREFIX}{age}.parquet" for age in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    Place(str(tmp_path)).prepare()
    assert (old.exists(), young.exists()) == (False, True)
