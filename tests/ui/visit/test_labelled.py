"""Labelled images: FieldGuide's, a visitor's ZIP, and images that come class by class."""

import base64
import gc
import hashlib
import io
import unicodedata
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosspool.datasets.fieldguide.guide import fieldguide
from crosspool.datasets.structure import TwoReadingsError
from crosspool.errors import DatasetError
from crosspool.images import load_image
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.quota import Budget
from crosspool.ui.runtime.server import Server, current_server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit import choose_labelled, labelled, labelled_zip, uploads
from crosspool.ui.visit.choose_labelled import LabelledState
from crosspool.ui.visit.labelled import LONGEST_SIDE, Collection, PrivateCache, as_label, guide, new_bird
from tests.dataset_trees import encoded
from tests.images import noise, png

RED, BLUE = (200, 30, 30), (30, 30, 200)


def zipped(files, method=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def shades(label, count, colour):
    return {f"{label}/{n}.png": encoded(tuple(value + n for value in colour)) for n in range(count)}


# --- FieldGuide


def test_the_guide_has_the_birds_of_the_librarys_fieldguide():
    labelled_set, expected = guide(2), fieldguide(2)
    assert labelled_set.spec == "fieldguide:2"
    assert labelled_set.dataset.classes == expected.classes
    assert labelled_set.dataset.samples[5].read() == expected.samples[5].read()
    assert labelled_set.dataset.samples[5].identity == expected.samples[5].identity  # and so are its features
    assert len(set(labelled_set.image_keys)) == 24


def test_keys_of_the_guide_are_those_of_its_files():
    labelled_set = guide(2)
    for index in (0, 7):
        sample = labelled_set.dataset.samples[index]
        assert labelled_set.keys_of(sample) == {hashlib.sha256(fieldguide(2).samples[index].read()).hexdigest()}


def test_thumbnails_show_the_same_scene(monkeypatch):
    labelled_set = guide(2)
    sample = labelled_set.dataset.samples[3]
    url = labelled_set.thumbnail_of(sample)
    small = load_image(base64.b64decode(url.partition(",")[2]))
    large = load_image(sample.read()).resize(small.size)
    other = load_image(labelled_set.dataset.samples[8].read()).resize(small.size)

    def difference(first, second):
        return np.abs(np.asarray(first, float) - np.asarray(second, float)).mean()

    assert difference(small, large) < 0.3 * difference(small, other)


def test_new_birds_are_in_no_guide_and_all_differ():
    drawn = [new_bird(count) for count in range(3)]
    assert len({data for data, _ in drawn}) == len({species for _, species in drawn}) == 3
    keys = {hashlib.sha256(sample.read()).hexdigest() for sample in fieldguide(1).samples}
    assert not keys & {hashlib.sha256(data).hexdigest() for data, _ in drawn}


# --- a ZIP


def from_zip(data, name, progress=lambda done, total: None):
    return labelled_zip.from_zip(data, name, Account(), progress)


def test_a_zip_of_class_folders():
    steps = []
    files = {**shades("birds/cat", 3, RED), **shades("birds/dog", 2, BLUE)}
    collection = from_zip(zipped(files), "pets.zip", lambda *step: steps.append(step))
    assert {label: len(images) for label, images in collection.classes.items()} == {"cat": 3, "dog": 2}
    assert steps[-1] == (5, 5)
    labelled_set = collection.labelled()
    assert labelled_set.dataset.name == "pets"
    assert labelled_set.dataset.samples[0].read() == encoded(RED)  # small images stay as they are
    assert labelled_set.keys_of(labelled_set.dataset.samples[0]) == {hashlib.sha256(encoded(RED)).hexdigest()}
    assert labelled_set.spec is None


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (b"no zip at all", "pets.zip is not a ZIP file, or is damaged"),
        ({"1.png": encoded(), "2.png": encoded()}, "pets.zip has images but no class folders"),
        ({"cat/1.png": encoded(), "cat/2.png": encoded()}, "no class folders|one class only"),
        ({"notes.txt": "nothing"}, "pets.zip has no images"),
        ({"../cat/1.png": encoded(), "dog/1.png": encoded()}, "names a file outside itself"),
    ],
)
def test_an_unusable_zip_gives_one_sentence_without_the_servers_paths(files, sentence):
    with pytest.raises(DatasetError, match=sentence) as error:
        from_zip(files if isinstance(files, bytes) else zipped(files), "pets.zip")
    assert "/tmp" not in str(error.value)
    assert "crosspool-" not in str(error.value)


def test_long_class_names_stay_apart_and_a_long_file_name_is_shortened():
    long = "a" * 100
    collection = from_zip(zipped({**shades(f"{long}1", 2, RED), **shades(f"{long}2", 2, BLUE)}), "图" * 200 + ".zip")
    assert {label: len(images) for label, images in collection.classes.items()} == {f"{long}1": 2, f"{long}2": 2}
    assert collection.problems == []
    assert collection.name == "图" * 60


def test_usable_images_of_a_zip_are_kept_and_the_others_reported():
    files = {
        **shades("train/Cat", 2, RED), **shades("test/cat ", 2, BLUE), **shades("train/dog", 2, (0, 90, 0)),
        "train/dog/cut.png": encoded()[:40], "train/dog/words.txt": "x",
    }  # fmt: skip
    collection = from_zip(zipped(files), "pets.zip")
    assert {label: len(images) for label, images in collection.classes.items()} == {"Cat": 4, "dog": 2}
    problems = "\n".join(collection.problems)
    assert "1 class is spelt in two ways and taken as one: cat  is Cat." in problems
    assert "put together" not in problems
    assert "Here they are put together, and splits are random" in collection.layout
    assert any(problem.startswith("train/dog/cut.png ") for problem in collection.problems)


def test_classes_of_a_zip_side_by_side_that_differ_in_case_or_spaces_are_put_together():
    collection = from_zip(
        zipped({**shades("Cat", 2, RED), **shades("cat", 1, BLUE), **shades("dog", 2, BLUE)}), "p.zip"
    )
    assert {label: len(images) for label, images in collection.classes.items()} == {"Cat": 3, "dog": 2}
    assert collection.problems == ["1 class is spelt in two ways and taken as one: cat is Cat."]
    assert collection.layout == "Read as 2 classes, a folder for each."


def test_how_a_zip_was_read_is_said():
    files = {**shades("training_set/cat", 2, RED), **shades("training_set/dog", 2, BLUE)}
    files |= {**shades("test_set/cat", 1, (1, 2, 3)), **shades("test_set/dog", 1, (3, 2, 1))}
    collection = from_zip(zipped(files), "pets.zip")
    assert list(collection.classes) == ["cat", "dog"]
    assert collection.layout == (
        "Read as 2 classes with an official split: training_set to train on, test_set to test on. Here they are put "
        "together, and splits are random; crosspool evaluate FOLDER keeps the official split."
    )
    assert collection.problems == []


def test_what_was_read_of_a_zip_has_its_parts_and_the_images_that_are_in_two():
    files = {
        **shades("train/cat", 2, RED), **shades("train/dog", 2, BLUE), "test/cat/9.bmp": encoded(RED, "BMP"),
        "test/dog/1.gif": encoded((7, 7, 7), "GIF", (300, 200)), "test/dog/bad.png": b"no image",
    }  # fmt: skip
    collection = from_zip(zipped(files), "pets.zip")
    report = collection.report()
    assert report.summary == "pets: 6 images (test 2, train 4) of 2 classes."
    assert [(each.name, each.images, each.parts) for each in report.classes] == [
        ("cat", 3, {"test": 1, "train": 2}), ("dog", 3, {"test": 1, "train": 2}),
    ]  # fmt: skip
    assert report.facts_sentences == [
        "Formats: PNG 4, BMP 1, GIF 1.",
        "Colours: RGB 5, palette 1.",
        "Sizes: 32×24 to 300×200 pixels, the median is 32×24.",
    ]
    (sentence,) = report.across_sentences
    assert sentence == "1 image is in two parts: test/cat/9.bmp and train/cat/0.png."  # splits are random here
    labelled = collection.labelled()
    keys = dict(zip((sample.name for sample in labelled.dataset.samples), labelled.image_keys, strict=True))
    assert keys["cat/1 9.bmp"] == keys["cat/2 0.png"] != keys["cat/3 1.png"]  # copies stay on one side
    assert (
        report.problems[-1] == "test/dog/bad.png is not an image that can be read here; save it as JPEG, PNG, WebP, "
        "AVIF, HEIC, GIF, TIFF or BMP."
    )


def test_facts_are_those_of_the_file_that_came_and_not_of_the_one_that_is_kept():
    own = Collection("mine")
    large = Image.new("L", (LONGEST_SIDE + 200, 40), 7)
    own.add("cat", png(large), "1.png")
    (image,) = own.classes["cat"]
    assert (image.facts.mode, image.facts.width, image.facts.height) == ("grey", LONGEST_SIDE + 200, 40)
    assert load_image(image.data).width == LONGEST_SIDE


def test_each_image_of_a_zip_is_decoded_once(monkeypatch):
    names, decoders = [], current_server().decoders
    store = decoders.store

    def counted(data, name, form):
        names.append(name)
        return store(data, name, form)

    monkeypatch.setattr(decoders, "store", counted)
    from_zip(zipped({**shades("cat", 2, RED), **shades("dog", 2, BLUE)}), "pets.zip").report()
    assert names == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]


def test_a_zip_is_read_as_is_chosen():
    files = {**shades("amazon/bag", 1, RED), **shades("amazon/mug", 1, BLUE), **shades("dslr/bag", 1, (9, 9, 9)),
             **shades("dslr/mug", 1, (5, 5, 5))}  # fmt: skip
    classes, parts = (
        labelled_zip.from_zip(zipped(files), "o.zip", Account(), lambda done, total: None, layout)
        for layout in ("classes", "parts")
    )
    assert list(classes.classes) == ["amazon", "dslr"]
    assert list(parts.classes) == ["bag", "mug"]
    assert parts.report().parts == {"amazon": 2, "dslr": 2}


def test_a_zip_that_waits_takes_the_visits_room():
    with use_server(Server(ServerSettings(visitor_megabytes=1))):
        visitor = Account()
        held = labelled_zip.hold("a.zip", bytes(2**19), visitor)
        assert visitor.nbytes == 2**19
        assert labelled_zip.hold("b.zip", bytes(2**20), visitor) is None
        del held
        gc.collect()
        current_server().quota.release_dropped()
        assert visitor.nbytes == 0


def test_a_zip_with_two_readings_is_refused_with_advice_for_the_page():
    files = {f"{place}/{label}/1.png": encoded() for place in ("amazon", "dslr") for label in ("bag", "mug")}
    with pytest.raises(DatasetError) as error:
        from_zip(zipped(files), "office.zip")
    assert str(error.value) == (
        "office.zip can be read in two ways: amazon and dslr are the classes, or they are parts of one set with the "
        "classes bag and mug; choose above how its folders are read."
    )


def test_a_zip_of_several_sets_is_refused_with_advice_for_the_page():
    places = [f"{version}/{part}" for version in ("v1", "v2") for part in ("train", "test")]
    with pytest.raises(TwoReadingsError) as error:
        from_zip(zipped({f"{place}/{label}/1.png": encoded() for place in places for label in ("bag", "mug")}), "a.zip")
    assert str(error.value) == (
        "a.zip holds several data sets, v1 and v2, with a split each; make a ZIP of one of these, or choose Classes "
        "above."
    )


def test_a_damaged_member_is_reported_by_its_path_in_the_zip():
    data = zipped({**shades("cat", 2, RED), **shades("dog", 2, BLUE), "dog/hurt.png": encoded((1, 2, 3))})
    hurt = data.index(b"dog/hurt.png") + 40
    collection = from_zip(data[:hurt] + bytes([data[hurt] ^ 255]) + data[hurt + 1 :], "pets.zip")
    assert [problem.split(",")[0] for problem in collection.problems] == ["dog/hurt.png is damaged in pets.zip"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({f"{'a' * 256}/1.png": encoded(), "b/1.png": encoded()}, "pets.zip has names longer than 255 characters"),
        ({"a/1.png": encoded(), **{f"b/{n}.txt": "" for n in range(10_000)}}, "pets.zip has more than 10,000 members"),
        ({"a/1.png": encoded(), **{f"b/{n}.bmp": bytes(2**20) for n in range(9)}}, "contains more than 8 MB of images"),
        (np.random.default_rng(0).bytes(3 * 2**19), "pets.zip has 1.5 MB of at most 1; take fewer images"),
    ],
)
def test_a_zip_beyond_the_limits_is_refused(files, sentence):
    data = files if isinstance(files, bytes) else zipped(files, zipfile.ZIP_DEFLATED)
    with use_server(Server(ServerSettings(zip_megabytes=1))), pytest.raises(DatasetError, match=sentence):
        from_zip(data, "pets.zip")


def test_a_zip_that_takes_too_long_is_read_as_far_as_time_allows(monkeypatch):
    monkeypatch.setattr(labelled_zip, "ZIP_SECONDS", -1.0)
    collection = from_zip(zipped({**shades("cat", 2, RED), **shades("dog", 1, BLUE)}), "pets.zip")
    assert collection.problems[0].startswith("3 images were left out: after")
    assert len(collection) == 0


def test_a_zip_with_too_many_images(monkeypatch):
    monkeypatch.setattr(labelled_zip, "MAX_IMAGES", 3)
    with pytest.raises(DatasetError, match="pets has 4 images in 2 classes; this page takes 3"):
        from_zip(zipped({**shades("cat", 2, RED), **shades("dog", 2, BLUE)}), "pets.zip")


# --- class by class


def collected(**classes):
    collection = Collection("Your images")
    for label, seeds in classes.items():
        for seed in seeds:
            assert collection.add(label, png(noise(seed)), f"{seed}.png") == ""
    return collection


def test_names_that_differ_in_case_and_spaces_are_one_class():
    collection = collected(cat=(1, 2))
    for label in ("Cat", "  CAT ", "cat\n"):
        assert collection.matching_class(label) == "cat"
    collection.add(" Cat", png(noise(3)), "3.png")
    assert [len(images) for images in collection.classes.values()] == [3]
    assert collection.matching_class("big  cat") == "big cat"
    collection.add("Café", png(noise(4)), "4.png")
    assert collection.matching_class(unicodedata.normalize("NFD", "CAFÉ")) == "Café"
    assert as_label(" \t ") == ""


def test_no_two_samples_share_a_name_whatever_classes_and_files_are_called():
    collection = collected(**{"a/1 b": (1, 2), "a": (3, 4)})
    collection.add("a", png(noise(5)), "5.png")
    collection.classes["a"][0] = replace(collection.classes["a"][0], title="b/1 1.png")
    dataset = collection.labelled().dataset
    assert len({sample.name for sample in dataset.samples}) == len(dataset) == 5
    assert dataset.samples[2].name == "a/1 b_1 1.png"


def test_too_few_classes_are_reported():
    with pytest.raises(DatasetError, match="There are no images yet"):
        collected().labelled()
    with pytest.raises(DatasetError, match="There is only one class, cat; add images of at least one other class"):
        collected(cat=(1, 2)).labelled()


def test_a_class_of_one_image_is_left_out_or_is_an_error():
    labelled_set = collected(cat=(1, 2), dog=(3, 4), owl=(5,)).labelled()
    assert labelled_set.dataset.classes == ("cat", "dog")
    assert len(labelled_set.dataset) == len(labelled_set.image_keys) == 4
    assert labelled_set.dataset.problems == (
        "1 class has fewer than 2 different images of its own: owl (1); left out.",
    )
    with pytest.raises(DatasetError, match=r"dog \(1\); too few classes would be left; add images"):
        collected(cat=(1, 2), dog=(3,)).labelled()


def test_equal_images_are_reported():
    labelled_set = collected(cat=(1, 2, 3, 1), dog=(4, 5, 6, 2)).labelled()
    across, twice = labelled_set.dataset.problems
    assert across == (
        "1 image is in two classes: cat/2 2.png and dog/4 2.png; a method can be right about only one of the two."
    )
    assert twice.startswith("1 image is there twice: cat/1 1.png and cat/4 1.png")


def test_unreadable_files_are_reported_and_change_nothing():
    collection = collected(cat=(1,))
    assert collection.add("cat", b"words", "notes.png").startswith("notes.png is not an image")
    assert len(collection) == 1
    assert collection.add("owl", b"", "empty.png").startswith("empty.png is empty")
    assert list(collection.classes) == ["cat"]


def test_limits_of_a_collection(monkeypatch):
    collection = collected(cat=(1,))
    monkeypatch.setattr(labelled, "MAX_CLASSES", 1)
    assert "takes 1 classes" in collection.add("dog", png(noise(2)), "2.png")
    collection.visitor.nbytes += 64 * 2**20 - 10
    assert collection.add("cat", png(noise(2)), "2.png").startswith("2.png was left out: your images may take 64 MB")
    monkeypatch.setattr(labelled, "MAX_IMAGES", 1)
    assert "takes 1 images" in collection.add("cat", png(noise(2)), "2.png")
    assert len(collection) == 1


def test_large_images_are_shrunk_and_small_ones_stay_as_they_are():
    collection = Collection("Your images")
    large = png(Image.new("RGB", (3000, 1500), RED))
    collection.add("cat", large, "large.png")
    collection.add("cat", png(noise(1)), "small.png")
    shrunk, small = collection.classes["cat"]
    assert load_image(shrunk.data).size == (LONGEST_SIDE, LONGEST_SIDE // 2)
    assert shrunk.key == hashlib.sha256(shrunk.data).hexdigest()
    assert shrunk.received == hashlib.sha256(large).hexdigest()
    assert small.key == small.received
    assert small.data == png(noise(1))


def test_a_sessions_cache_is_deleted_with_it():
    cache = PrivateCache(Account())
    cache.put("k" * 8, np.ones(3, np.float32))
    folder = cache.folder
    assert folder.exists()
    del cache
    gc.collect()
    assert not folder.exists()


def test_a_visitors_arrays_take_their_share_of_the_disk_and_no_more(server, monkeypatch):
    """A share of 16 kB for each visitor and 24 kB for all, in pieces of 4 kB; each array is 1 kB of noise."""
    kilobyte, noise_of = 2**10, np.random.default_rng(0)
    monkeypatch.setattr("crosspool.ui.visit.labelled.DISK_BYTES", 4 * kilobyte)
    monkeypatch.setattr(server, "disk", Budget("disk", 24 * kilobyte, 16 * kilobyte))

    def filled(cache):
        for number in range(30):
            cache.put(f"{number:02}", noise_of.random(256, np.float32))
        return [number for number in range(30) if f"{number:02}" in cache]

    first, second = Account(), Account()
    caches = [PrivateCache(first), PrivateCache(first), PrivateCache(second)]
    assert len(filled(caches[0])) in range(10, 16)
    assert filled(caches[0])[-1] == 29  # the oldest have gone
    assert first.reserved["disk"] == 16 * kilobyte
    assert filled(caches[1]) == []  # all of the visitor's caches count
    assert len(filled(caches[2])) in range(4, 8)
    assert (server.disk.reserved, second.reserved["disk"]) == (24 * kilobyte, 8 * kilobyte)
    caches.clear()
    gc.collect()
    assert (server.disk.reserved, first.all_bytes) == (0, 0)


def test_only_the_last_problems_are_remembered(server, monkeypatch):
    monkeypatch.setattr(choose_labelled, "PROBLEMS_KEPT", 2)
    monkeypatch.setattr(choose_labelled, "visit_state", {LabelledState: LabelledState()}.__getitem__)
    monkeypatch.setattr(uploads, "take_files", iter)
    monkeypatch.setattr(uploads, "empty_uploader", lambda name: None)
    collection = Collection("Your images")
    files: Any = [(f"{number}.txt", b"words") for number in range(4)]
    for upload in (files[:2], files[2:]):
        choose_labelled._receive(collection, "cat", upload, "upload")
    assert [problem.split(" ")[0] for problem in collection.problems] == ["2.txt", "3.txt"]
