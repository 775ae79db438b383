"""Which images a wall has, in which order, and what is said of each."""

from dataclasses import replace

import numpy as np
import pytest

from crosspool.ui.collection.view import IMAGES_PER_PAGE, View
from crosspool.ui.collection.wall import likeness_text, ordered, wall_page
from tests.collections import IMAGES, UNREAD


def test_a_page_of_the_wall_has_so_many_images(ready):
    pages = [wall_page(ready, View(page=page)) for page in (1, 2, 3)]
    assert [len(page.places) for page in pages] == [IMAGES_PER_PAGE, IMAGES_PER_PAGE, IMAGES - 2 * IMAGES_PER_PAGE - 2]
    assert [page.has_more for page in pages] == [True, True, False]
    assert {page.total for page in pages} == {IMAGES - len(UNREAD)}
    shown = np.concatenate([page.places for page in pages]).tolist()
    assert shown == [place for place in range(IMAGES) if place not in UNREAD]


@pytest.mark.parametrize("label", ["", "002.Kind_2"])
def test_by_a_map_the_highest_peaks_come_first(ready, label):
    collection = ready.collection
    channel = int(collection.telling.argmax())
    places = ordered(ready, View(by="map", map=channel, label=label), IMAGES).tolist()
    peaks = [collection.peak(channel, place)[0] for place in places]
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[-1] > 0
    assert not label or {collection.texts["label"][place] for place in places} == {label}


def test_by_likeness_the_example_comes_first_and_the_numbers_fall(ready):
    page = wall_page(ready, View(by="like", like=10))
    assert (page.places[0], page.notes[0]) == (10, "1.00")
    numbers = [float(note.replace("−", "-")) for note in page.notes]
    assert numbers == sorted(numbers, reverse=True)
    own = wall_page(ready, View(by="like", like=-2), ready.collection.codes[10])
    assert own.places.tolist() == page.places.tolist()


def test_pages_say_of_how_many_where_that_is_known(ready):
    label = "001.Kind_1"
    count = len(ordered(ready, View(label=label), IMAGES))
    assert ready.counts[label] == count
    assert wall_page(ready, View(by="outliers", label=label)).total == count
    assert wall_page(ready, View(by="copies")).total == 2
    assert wall_page(ready, View(by="map", map=0)).total == len(ordered(ready, View(by="map", map=0), IMAGES))


def test_copies_have_the_number_of_their_group(ready):
    page = wall_page(ready, View(by="copies"))
    assert page.places.tolist() == [98, 99]
    assert page.notes == ("group 1", "group 1")


def test_a_group_of_copies_is_whole_where_one_of_them_has_the_label(ready, monkeypatch):
    collection = ready.collection
    monkeypatch.setitem(collection.__dict__, "copies", [np.array([97, 98, 99]), np.array([4, 7])])
    assert ordered(ready, View(by="copies", label="002.Kind_2"), IMAGES).tolist() == [97, 98, 99]
    assert ordered(ready, View(by="copies", label="001.Kind_1"), IMAGES).tolist() == [97, 98, 99, 4, 7]
    assert ordered(ready, View(by="copies", label="000.Kind_0"), 2).tolist() == [97, 98]


@pytest.mark.parametrize("view", [View(), View(label="001.Kind_1"), View(by="map", map=0), View(by="like", like=10)])
def test_behind_the_last_page_is_the_last_one(ready, view):
    total = len(ordered(ready, view, IMAGES))
    last = max(1, -(-total // IMAGES_PER_PAGE))
    behind = wall_page(ready, replace(view, page=last + 5))
    assert (behind.number, behind.has_more, behind.total) == (last, False, total)
    assert behind.places.tolist() == wall_page(ready, replace(view, page=last)).places.tolist()


def test_without_images_the_first_page_is_empty(ready):
    page = wall_page(ready, View(section="plane", page=3))
    assert (page.number, len(page.places)) == (1, 0)


def test_without_an_example_the_wall_is_in_the_order_of_the_store(ready):
    page = wall_page(ready, View(by="like"))
    assert page.places.tolist() == wall_page(ready, View()).places.tolist()
    assert set(page.notes) == {""}


def test_without_a_cell_there_is_nothing(ready):
    assert not len(ordered(ready, View(section="plane"), IMAGES))


@pytest.mark.parametrize("label", ["", "002.Kind_2"])
def test_a_cell_has_its_images_alone_whatever_their_label(ready, label):
    cells = [(row, column) for row in range(24) for column in range(40)]
    places = [ordered(ready, View("plane", cell=cell, label=label), IMAGES) for cell in cells]
    assert sorted(np.concatenate(places).tolist()) == [place for place in range(IMAGES) if place not in UNREAD]


@pytest.mark.parametrize(("likeness", "text"), [(1, "1.00"), (0.5, "0.00"), (0.75, "0.71"), (0, "−1.00")])
def test_likeness_is_a_cosine(likeness, text):
    assert likeness_text(likeness) == text
