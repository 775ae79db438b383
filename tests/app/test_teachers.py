"""The page for teachers and its worksheet, without a browser: links lead to the app, numbers are those of the photo."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from crosspool.backbones import load_backbone
from crosspool.pooling import cross_layer_pool
from crosspool.ui.lesson import teachers
from crosspool.ui.lesson.worksheet import what_the_weakest_adds
from tests.app.test_frame import checked, component_state, shown_text, texts, visit
from tests.networks import sample

PAGE = "pages/teachers.py"
LINK = re.compile(r"\]\(\./(\w*)\??([\w=&%]*)\)")


@pytest.fixture
def pages(monkeypatch):
    """The worksheets and answers that pages made, in this order."""
    made = []

    def noted(make):
        def page(view):
            made.append(make(view))
            return made[-1]

        return page

    for name in ("worksheet_page", "answer_key"):
        monkeypatch.setattr(teachers, name, noted(getattr(teachers, name)))
    return made


def open_page(**params):
    return checked(visit(**params).switch_page(PAGE).run())


class Cells(HTMLParser):
    """The texts of the cells of tables, by row."""

    def __init__(self, page):
        super().__init__()
        self.rows = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and self.lasttag in ("td", "th"):
            self.rows[-1][-1] += data


def numbers(cells):
    return [float(cell.replace("−", "-")) for cell in cells]


def test_it_says_what_to_do_ask_and_show():
    app = open_page()
    assert texts(app.title) == ["For teachers"]
    assert texts(app.subheader) == list(teachers.TIMES)
    text = shown_text(app)
    links = LINK.findall(text)
    assert {page for page, _ in links} == {"", "lesson", "contributions", "build_p", "train_and_compare"}
    assert all("sample=cat" in query for page, query in links if page == "lesson")
    assert "crosspool serve" in text
    assert not app.error


def test_every_link_is_understood():
    for page, query in set(LINK.findall(shown_text(open_page()))):
        params = dict(part.split("=") for part in query.split("&") if part)
        app = visit(**{name: value for name, value in params.items() if name != "step"})
        if page == "lesson":
            app = app.switch_page("pages/lesson.py")
            app.query_params["step"] = params["step"]
            app = checked(app.run())
        assert not [text for text in texts(app.info) if "in the link" in text]


def test_the_worksheet_has_the_numbers_of_the_photo_and_adds_up(pages):
    open_page()
    worksheet, answers = pages
    channel = int(re.findall(r"<p>Map (\d+) has one number", worksheet)[0])
    backbone = load_backbone("efficientnet_lite0")
    pair = backbone.architecture.default_pair
    maps = backbone.activations(sample(), pair, 224)
    upper, lower = maps.upper[0, channel].numpy(), maps.lower[0].numpy()
    block = cross_layer_pool(maps.lower, maps.upper, **pair.geometry)[0, channel].numpy()
    entry = int(np.abs(block).argmax())
    rows = Cells(worksheet).rows
    printed = np.array([numbers(row[1:]) for row in rows[1:8]])
    assert printed == pytest.approx(np.round(upper, 1), abs=0.051)
    assert "https://" not in worksheet  # it needs no network
    products = [row for row in rows if row and row[0].startswith("row ")]
    assert len({row[1] for row in products}) == len(products) == 4  # different weights
    for cell, weight, value, empty in products:
        row, column = map(int, re.findall(r"\d+", cell))
        assert numbers([weight, value]) == pytest.approx([upper[row, column], lower[entry, row, column]], abs=0.051)
        assert empty == ""
    (rest,) = [numbers(row[1:])[0] for row in rows if row and row[0].startswith("the other 45 positions")]
    by_hand = sum(round(weight * value, 1) for weight, value in (numbers(row[1:3]) for row in products)) + rest
    (total, exact) = re.findall(r"= (\S+)\. Exactly it is (\S+);", answers)[0]
    assert numbers([total])[0] == pytest.approx(by_hand, rel=2e-3)
    assert numbers([exact])[0] == pytest.approx(block[entry], rel=1e-3)
    assert f"{1280 * 320:,}" in answers
    assert f"{1280 * 320:,}" not in worksheet  # which asks for it


def test_each_question_of_the_worksheet_has_its_answer(pages):
    open_page()
    tasks, solved = (re.split(r"<h2>", page)[1:] for page in pages)
    assert [task.split("</h2>")[0] for task in tasks] == [answer.split("</h2>")[0] for answer in solved]
    for task, answer in zip(tasks, solved, strict=True):
        letters, lines = re.findall(r"<p>([a-z])\) ", task), answer.count("<li>")
        assert letters == list("abcdefgh"[:lines]), task
        assert bool(letters) == ('<ol type="a">' in answer)
    assert len(tasks) == 5


def test_another_photo_gives_another_worksheet(pages):
    app = component_state(open_page(), "image-strip", "chosen", "rocket")
    assert "From a photo to P: Cat" in pages[0]
    assert "From a photo to P: Rocket" in pages[2]
    assert "Map on another photo](./?sample=cat" in shown_text(app)


@pytest.mark.parametrize(
    ("weight", "sentence"),
    [
        (0.0, "0 × −2.5 = 0: a weight of 0 leaves a patch out"),
        (0.2, "0.2 × −2.5 = −0.5: the smaller the weight, the less"),
    ],
)
def test_the_key_says_of_the_smallest_weight_only_what_is_so(weight, sentence):
    assert what_the_weakest_adds(weight, -2.5).startswith(sentence)
