"""A worksheet on one photo's map, to print on two pages of A4, and its answer key, both made from the same tasks."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from crosspool.gallery.assets import asset
from crosspool.grids import largest_cells
from crosspool.text import plural
from crosspool.ui.equation.building import construct_block
from crosspool.ui.equation.worked_example import positions_written_out
from crosspool.ui.lesson.quantities import change_by_mirroring
from crosspool.ui.lesson.state import LessonState
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import cell_name, cells_name, number, written_sum

ROWS = 4  # of the table of products
SOURCE = "Liu, Shen, van den Hengel: The Treasure beneath Convolutional Layers, CVPR 2015 (Eq. 1). Made with crosspool."


@dataclass(frozen=True)
class Product:
    """One position's weight and patch number as they are printed, rounded, and their product."""

    cell: Cell
    weight: float
    value: float

    @property
    def product(self) -> float:
        return round(self.weight * self.value, 1)


@dataclass(frozen=True)
class Part:
    """What a task asks, the answer, and the empty lines for it."""

    question: str
    answer: str
    lines: int = 1


@dataclass(frozen=True)
class Task:
    """A task: its title, what is given, as HTML, and its parts."""

    title: str
    given: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Worksheet:
    """The numbers of a worksheet: map k as it is printed, (H, W), some products of one entry of its block.

    `weakest` is a position, `value_there` the entry of the patch there, `rest` what all other positions add up to,
    `entry_sum` the exact entry.
    """

    weights: np.ndarray
    products: list[Product]
    rest: float
    entry_sum: float
    weakest: Cell
    value_there: float

    @property
    def total(self) -> float:
        """What the printed numbers add up to."""
        return round(sum(product.product for product in self.products) + self.rest, 1)


def worksheet_of(view: LessonState) -> Worksheet:
    """The numbers for the photo and map of the lesson."""
    weights = view.maps.upper[view.channel]
    built = construct_block(view.maps, view.channel, "zero", "rows", 1)
    values, products = (numbers[:, 0].reshape(weights.shape) for numbers in (built.features, built.products))
    cells = positions_written_out(np.round(weights, 1))[:ROWS]
    rest = products.sum() - sum(products[cell] for cell in cells)
    weakest = divmod(int(weights.argmin()), weights.shape[1])
    printed = [Product(cell, round(float(weights[cell]), 1), round(float(values[cell]), 1)) for cell in cells]
    return Worksheet(
        np.round(weights, 1),
        printed,
        round(float(rest), 1),
        float(products.sum()),
        weakest,
        float(values[weakest]),
    )


def worksheet_page(view: LessonState) -> str:
    """The worksheet as an HTML file that needs no other."""
    first, *others = (_titled(place, task.title, task.given + _asked(task)) for place, task in _numbered(view))
    names = '<div class="names"><span>Name</span><span>Date</span></div>'
    head = f"<h1>From a photo to P: {html.escape(view.image.title)}</h1>{names}"
    second = "".join(others) + f"<footer>{SOURCE}</footer>"
    return _document("Worksheet", f"<section>{head}{first}</section><section>{second}</section>")


def answer_key(view: LessonState) -> str:
    """The answers as an HTML file that needs no other."""
    title = f"<h1>Answers: {html.escape(view.image.title)}, map {view.channel}</h1>"
    answers = "".join(_titled(place, task.title, _answered(task)) for place, task in _numbered(view))
    return _document("Answers", f"<section>{title}{answers}<footer>{SOURCE}</footer></section>")


def tasks_of(view: LessonState) -> list[Task]:
    """The tasks for the photo and map of the lesson; the first fills a page."""
    return [_read_the_map(view), _weigh_and_add_up(view), _what_counts_least(view), _all_of_p(view), _think(view)]


def _read_the_map(view: LessonState) -> Task:
    sheet, k, (rows, columns) = worksheet_of(view), view.channel, view.maps.upper[view.channel].shape
    size, largest = rows * columns, float(sheet.weights.max())
    strong = int((sheet.weights >= largest / 2).sum())
    given = (
        f"<p>Map {k} has one number for each cell of the photo. Rows and columns count from 0.</p>"
        f'<div class="pair">{_photo(view, rows, columns)}{_map(sheet)}</div>'
    )
    return Task("Read the map", given, (
        Part(
            "In which cell is the largest number? What is there in the photo? Mark it.",
            f"The largest number, {number(largest)}, is at {cells_name(largest_cells(sheet.weights))}. What is there, "
            "the photo shows.",
        ),
        Part(
            f"How many of the {size} numbers are 0?",
            f"{int((sheet.weights == 0).sum())} of {size} numbers are 0 as printed.",
        ),
        Part(
            "In how many cells is the number at least half of the largest?",
            f"In {plural(strong, 'cell')}.",
        ),
        Part(
            "What might this map respond to? How could you find out?",
            "Open question. Look at the same map on other photos (the page Maps), and at the classes that it speaks "
            "for.",
            lines=2,
        ),
    ))  # fmt: skip


def _weigh_and_add_up(view: LessonState) -> Task:
    sheet, length, size = worksheet_of(view), view.maps.pair.patch_length, view.maps.upper[view.channel].size
    given = (
        f"<p>Block {view.channel} of P has {length:,} numbers. One of them is the sum of weight × patch number over "
        f"all {size} positions.</p>{_products(sheet)}"
    )
    terms = written_sum([*(each.product for each in sheet.products), sheet.rest], 4)
    answer = f"{terms} = {number(sheet.total, 4)}. Exactly it is {number(sheet.entry_sum, 4)}; the rest is rounding."
    title = "Weigh and add up: one number of P"
    return Task(title, given, (Part("Fill in the products, and add up.", answer, lines=0),))


def _what_counts_least(view: LessonState) -> Task:
    sheet = worksheet_of(view)
    weight = float(sheet.weights[sheet.weakest])
    given = (
        f"<p>At {cell_name(sheet.weakest)} the weight is {number(weight)}, and the patch number is "
        f"{number(sheet.value_there)}.</p>"
    )
    answer = what_the_weakest_adds(weight, sheet.value_there)
    return Task("What counts least", given, (Part("What does it add to the sum? Why?", answer, lines=2),))


def _all_of_p(view: LessonState) -> Task:
    pair = view.maps.pair
    given = f"<p>There are {pair.upper_channels:,} maps, each with a block of {pair.patch_length:,} numbers.</p>"
    answer = f"{pair.upper_channels:,} × {pair.patch_length:,} = {pair.feature_length:,}."
    return Task("All of P", given, (Part("How many numbers does P have?", answer),))


def _think(view: LessonState) -> Task:
    change = change_by_mirroring(view.maps, view.channel)
    return Task("Think", "", (
        Part(
            "Mirror the map and leave the patches. Does its average change? Does its block?",
            f"The average stays; the block changes by {number(100 * change, 2)} % of its size, as other patches lie "
            "under the weights.",
            lines=2,
        ),
        Part(
            "Shuffle weights and patches together. What becomes of the block? What does P not know?",
            "It stays the same: a sum does not depend on the order of its terms. P says what was there under each map, "
            "not where.",
            lines=2,
        ),
    ))  # fmt: skip


def what_the_weakest_adds(weight: float, value: float) -> str:
    """What the smallest weight of a map and the patch number there come to, and why, in a sentence."""
    why = "a weight of 0 leaves a patch out, whatever is in it" if not weight else "the smaller the weight, the less"
    return f"{number(weight)} × {number(value)} = {number(weight * value)}: {why}."


def _numbered(view: LessonState) -> Iterator[tuple[int, Task]]:
    return enumerate(tasks_of(view), 1)


def _titled(place: int, title: str, body: str) -> str:
    return f"<h2>{place} · {title}</h2>{body}"


def _asked(task: Task) -> str:
    """What a task asks, with room for the answers; several questions have letters."""
    letters = [f"{letter}) " for letter in ascii_lowercase] if len(task.parts) > 1 else [""]
    parts = zip(letters, task.parts, strict=False)
    return "".join(f"<p>{letter}{part.question}</p>{_lines(part.lines)}" for letter, part in parts)


def _answered(task: Task) -> str:
    """The answers of a task, with the letters of its questions."""
    if len(task.parts) == 1:
        return f"<p>{html.escape(task.parts[0].answer)}</p>"
    return f'<ol type="a">{"".join(f"<li>{html.escape(part.answer)}</li>" for part in task.parts)}</ol>'


def _lines(count: int) -> str:
    return '<div class="line"></div>' * count


def _photo(view: LessonState, rows: int, columns: int) -> str:
    """The network's input under the grid of the map."""
    down = "".join(f'<path d="M0 {row}H{columns}"/>' for row in range(1, rows))
    across = "".join(f'<path d="M{column} 0V{rows}"/>' for column in range(1, columns))
    grid = f'<svg viewBox="0 0 {columns} {rows}" stroke="#fff" stroke-width="0.03">{down}{across}</svg>'
    image, alt = data_url(view.maps.framed), html.escape(view.image.alt)
    return f'<div class="photo" role="img" aria-label="{alt}" style="background-image: url({image})">{grid}</div>'


def _map(sheet: Worksheet) -> str:
    head = "".join(f"<th>{column}</th>" for column in range(sheet.weights.shape[1]))
    body = "".join(
        f"<tr><th>{row}</th>{''.join(f'<td>{value:.1f}</td>' for value in values)}</tr>"
        for row, values in enumerate(sheet.weights.tolist())
    )
    return f'<table class="map"><tr><th></th>{head}</tr>{body}</table>'


def _products(sheet: Worksheet) -> str:
    rows = "".join(
        f"<tr><td>{cell_name(each.cell)}</td><td>{number(each.weight)}</td><td>{number(each.value)}</td><td></td></tr>"
        for each in sheet.products
    )
    others = sheet.weights.size - len(sheet.products)
    rest = f'<tr><td colspan="3">the other {others} positions together</td><td>{number(sheet.rest, 4)}</td></tr>'
    total = '<tr><th colspan="3">sum</th><td></td></tr>'
    head = "<tr><th>position</th><th>weight</th><th>patch number</th><th>product</th></tr>"
    return f"<table>{head}{rows}{rest}{total}</table>"


def _document(title: str, body: str) -> str:
    style = asset("ui/lesson/worksheet.css")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head><body>{body}</body></html>\n"
    )
