import io
import pickle
import stat
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspool.datasets import archives
from crosspool.datasets.archives import ZipLimits, class_folders_in_memory, zipped_class_folders
from crosspool.errors import DatasetError, ImageError
from tests.dataset_trees import IMAGE, encoded, labelled, names, parts

TWO = {"cat/1.png": IMAGE, "dog/1.png": IMAGE}
ROOMY = ZipLimits()
CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"


def packed(members, method=zipfile.ZIP_DEFLATED):
    """The bytes of a ZIP; a member is named by a string, or by a ZipInfo that says more."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def opened(tmp_path, members=None, data=None, limits=ROOMY):
    path = tmp_path / "set.zip"
    path.write_bytes(packed(members) if data is None else data)
    return zipped_class_folders(path, limits)


def patched(data, signature, offset, value, member=0):
    """The ZIP with some bytes of one member's header changed."""
    start = -1
    for _ in range(member + 1):
        start = data.index(signature, start + 1)
    return data[: start + offset] + value + data[start + offset + len(value) :]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("wrap", ["", "my birds/", "a/b/"])
def test_class_folders_are_read_in_place(tmp_path, wrap, method):
    red, blue = encoded((255, 0, 0)), encoded((0, 0, 255))
    data = packed({f"{wrap}dog/deep/1.png": red, f"{wrap}cat/1.png": blue}, method)
    dataset = opened(tmp_path, data=data)
    assert dataset.name == "set"
    assert labelled(dataset) == {f"{wrap}cat/1.png": "cat", f"{wrap}dog/deep/1.png": "dog"}
    assert [sample.read() for sample in dataset.samples] == [blue, red]
    assert dataset.problems == ()
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


def test_leftovers_of_a_mac_and_notes_are_ignored(tmp_path):
    extra = dict.fromkeys(["__MACOSX/cat/._1.png", "cat/.DS_Store", "cat/._1.png", "readme.txt", "cat/Thumbs.db"], "x")
    dataset = opened(tmp_path, {"cat/": "", "empty/": "", **TWO, **extra})
    assert names(dataset) == ["cat/1.png", "dog/1.png"]
    assert dataset.problems == ("1 class folder has no images: empty.",)


def test_train_and_test_inside_a_wrapping_folder(tmp_path):
    members = dict.fromkeys(["set/train/cat/1.png", "set/train/dog/1.png", "set/test/cat/2.png"], IMAGE)
    assert parts(opened(tmp_path, members))[1] == ["set/test/cat/2.png"]


def test_names_of_all_kinds(tmp_path):
    members = {"chat é/1 ♥.png": IMAGE, "猫/1.png": IMAGE}
    data = packed(members)
    unflagged = data.replace(struct.pack("<H", archives._UTF8), b"\0\0")  # as some programs write UTF-8
    assert unflagged != data
    for version in (data, unflagged):
        dataset = opened(tmp_path, data=version)
        assert dataset.classes == ("chat é", "猫")
        assert all(sample.read() == IMAGE for sample in dataset.samples)


def test_names_in_an_old_code_page(tmp_path):
    data = packed({"chat A/1.png": IMAGE, "b/1.png": IMAGE}).replace(b"chat A", b"chat \x82")
    assert opened(tmp_path, data=data).classes == ("b", "chat é")


def test_backslashes_separate_folders_as_windows_has_them(tmp_path):
    data = packed({"set/cat/1.png": IMAGE, "set/dog/1.png": IMAGE}).replace(b"set/", b"set\\")
    assert opened(tmp_path, data=data).classes == ("cat", "dog")


def test_a_name_that_comes_twice_counts_once(tmp_path):
    new = encoded((1, 2, 3))
    data = packed({**TWO, "cat/2.png": new}).replace(b"cat/2.png", b"cat/1.png")
    dataset = opened(tmp_path, data=data)
    assert len(dataset) == 2
    assert dataset.samples[0].read() == new


def test_a_zip_after_other_bytes_is_read(tmp_path):
    dataset = opened(tmp_path, data=b"#!/bin/sh\n" * 9 + packed(TWO))
    assert all(sample.read() == IMAGE for sample in dataset.samples)


def test_many_readers_at_once(tmp_path):
    members = {f"{label}/{i}.png": encoded((i, i, i)) for label in "ab" for i in range(40)}
    dataset = opened(tmp_path, members)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda sample: sample.read(), dataset.samples * 5))
    assert read == [members[sample.name] for sample in dataset.samples] * 5
    assert pickle.loads(pickle.dumps(dataset.samples[3])).read() == read[3]


# --- attacks


@pytest.mark.parametrize(
    "name", ["../up.png", "cat/../../up.png", "/etc/up.png", "C:/up.png", "..\\up.png", "C:\\u.png"]
)
def test_no_way_out_of_the_zip(tmp_path, name):
    with pytest.raises(DatasetError, match="names a file outside itself"):
        opened(tmp_path, {**TWO, name: IMAGE})


@pytest.mark.parametrize("name", ["a" * 256 + ".png", "/" + 15 * "a-long-folders-name/" + "1.png", "x" * 60_000 + "/"])
def test_no_endless_names(tmp_path, name):
    with pytest.raises(DatasetError, match="names longer than 255 characters") as caught:
        opened(tmp_path, {**TWO, name: IMAGE})
    assert name[:40] in str(caught.value)
    assert name[:41] not in str(caught.value)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_no_links_or_devices(tmp_path, kind):
    info = zipfile.ZipInfo("cat/link.png")
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    with pytest.raises(DatasetError, match=r"contains a link or a device \(cat/link.png\)"):
        opened(tmp_path, {**TWO, info: "/etc/passwd"})


def test_no_password(tmp_path):
    with pytest.raises(DatasetError, match=r"protected by a password \(cat/1.png\); create the ZIP again without one"):
        opened(tmp_path, data=patched(packed(TWO), CENTRAL, 8, b"\1\0"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_unusual_compression(tmp_path, method):
    with pytest.raises(DatasetError, match="unsupported compression"):
        opened(tmp_path, data=packed(TWO, method))


def test_a_lying_header_does_not_inflate_a_bomb(tmp_path):
    bomb = packed({"cat/1.png": bytes(50_000_000), "dog/1.png": IMAGE})
    for signature, offset in ((CENTRAL, 24), (LOCAL, 22)):
        bomb = patched(bomb, signature, offset, struct.pack("<I", 1000))
    dataset = opened(tmp_path, data=bomb)
    assert dataset.problems == ()
    archive, info, _ = dataset.samples[0].read.args
    inflated = archives._inflated(archive, info)
    assert inflated is not None
    assert len(inflated) == 1001  # not one byte more than it takes to see the lie
    with pytest.raises(ImageError, match=r"cat/1\.png is damaged in .*set.zip, or does not match its directory"):
        dataset.samples[0].read()


def test_an_honest_bomb_is_left_out(tmp_path):
    dataset = opened(tmp_path, {**TWO, "cat/bomb.png": bytes(2_000_000)})
    assert names(dataset) == ["cat/1.png", "dog/1.png"]
    assert dataset.problems == (
        "1 image is left out: larger than 64 MB, or compressed more than 200 times: cat/bomb.png.",
    )


def test_small_plain_images_may_compress_well(tmp_path):
    assert len(opened(tmp_path, {**TWO, "cat/plain.bmp": bytes(500_000)})) == 3


def test_limits_from_the_directory(tmp_path):
    large = encoded(size=(2000, 2000), kind="BMP")
    found = opened(tmp_path, {**TWO, "cat/large.bmp": large}, limits=ZipLimits(member=1000))
    assert names(found) == ["cat/1.png", "dog/1.png"]
    with pytest.raises(DatasetError, match="contains more than 0 MB of images; unpack it and name the folder"):
        opened(tmp_path, TWO, limits=ZipLimits(total=2 * len(IMAGE) - 1))
    with pytest.raises(DatasetError, match="has more than 1 members"):
        opened(tmp_path, TWO, limits=ZipLimits(members=1))
    with pytest.raises(DatasetError, match="its list of members is too long"):
        opened(tmp_path, TWO, limits=ZipLimits(directory=40))


def test_no_more_folders_than_members(tmp_path):
    assert len(opened(tmp_path, TWO, limits=ZipLimits(members=2))) == 2
    with pytest.raises(DatasetError, match="has more than 2 folders; unpack it"):
        opened(tmp_path, {"a/b/1.png": IMAGE, "a/c/1.png": IMAGE}, limits=ZipLimits(members=2))


def test_in_memory_it_is_the_same(tmp_path):
    members = {**TWO, "cat/2.png": encoded((9, 9, 9)), "inner.zip": packed(TWO)}
    inside, beside = class_folders_in_memory(packed(members), "a/set.zip"), opened(tmp_path, members)
    assert (inside.name, labelled(inside), inside.problems) == (beside.name, labelled(beside), beside.problems)
    assert [sample.read() for sample in inside.samples] == [sample.read() for sample in beside.samples]
    assert inside.problems == ("1 file is left out, as it is not an image: inner.zip.",)  # never looked into
    with pytest.raises(DatasetError, match=r"^x.zip is not a ZIP file, or is damaged"):
        class_folders_in_memory(b"no zip", "x.zip")


def test_no_endless_nesting(tmp_path):
    for depth in (16, 30_000):
        with pytest.raises(DatasetError, match="has folders more than 16 deep"):
            opened(tmp_path, {**TWO, "a/" * depth + "1.png": IMAGE})
    assert len(opened(tmp_path, {**TWO, "cat/" + "a/" * 14 + "1.png": IMAGE})) == 3


# --- damage


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"no ZIP at all", packed(TWO)[:-30], packed(TWO)[: len(IMAGE)]],
    ids=["empty", "two letters", "words", "without its end", "its beginning"],  # a ZIP's bytes have the time in them
)
def test_a_file_that_is_not_a_zip_or_is_cut_short(tmp_path, data):
    with pytest.raises(DatasetError, match="is not a ZIP file, or is damaged"):
        opened(tmp_path, data=data)


def test_a_zip_that_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match="cannot be opened"):
        zipped_class_folders(tmp_path / "nowhere.zip")


def test_a_damaged_member_is_an_image_error_and_the_others_are_fine(tmp_path):
    data = packed(TWO, zipfile.ZIP_STORED)
    dataset = opened(tmp_path, data=data.replace(IMAGE, IMAGE[:-1] + b"?", 1))
    with pytest.raises(ImageError, match=r"cat/1\.png is damaged"):
        dataset.samples[0].read()
    assert dataset.samples[1].read() == IMAGE


def test_a_zip_that_changes_or_goes_while_it_is_read(tmp_path):
    dataset = opened(tmp_path, TWO)
    (tmp_path / "set.zip").write_bytes(b"PK\3\4")
    with pytest.raises(ImageError, match="is damaged"):
        dataset.samples[0].read()
    (tmp_path / "set.zip").unlink()
    with pytest.raises(ImageError, match=r"cannot be read from .*set\.zip"):
        dataset.samples[0].read()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("TrainImages.txt", "MIT-67"),
        ("CUB_200_2011/image_class_labels.txt", "CUB-200-2011"),
        ("VOCdevkit/VOC2007/ImageSets/Main/car_test.txt", "PASCAL VOC"),
    ],
)
def test_official_lists_are_not_read_from_a_zip(tmp_path, name, title):
    with pytest.raises(DatasetError, match=f"contains {title} with its official lists; unpack it"):
        opened(tmp_path, {**TWO, name: "x"})


def test_images_without_classes(tmp_path):
    with pytest.raises(DatasetError, match="has images but no class folders"):
        opened(tmp_path, {"1.png": IMAGE})


WHOLE = packed({**TWO, "dog/2.png": encoded((9, 9, 9))})


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_is_one_of_our_errors(tmp_path_factory, changes):
    data = bytearray(WHOLE)
    for place, value in changes:
        data[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(data)
    try:
        dataset = zipped_class_folders(path)
    except DatasetError:
        return
    for sample in dataset.samples:
        with suppress(ImageError):
            sample.read()
