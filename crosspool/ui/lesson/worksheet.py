"""A worksheet on one photo's map, to print on two pages of A4, and its answer key; every number is computed."""

import html
from dataclasses import dataclass

import numpy as np

from crosspool.gallery.assets import asset
from crosspool.ui.equation.building import carriers_of_half, construct_block
from crosspool.ui.equation.worked_example import positions_written_out
from crosspool.ui.lesson import questions
from crosspool.ui.lesson.quantities import mirrored_map, relative_change
from crosspool.ui.lesson.state import LessonState
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import cell_name, number

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
class Worksheet:
    """The numbers of a worksheet: map k as it is printed, (H, W), some products of one entry of its block.

    `peak` and `weakest` are positions, `value_there` the entry of the patch at the weakest, `rest` what all other
    positions add up to, `entry_sum` the exact entry.
    """

    weights: np.ndarray
    products: list[Product]
    rest: float
    entry_sum: float
    peak: Cell
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
    peak, weakest = (divmod(int(index), weights.shape[1]) for index in (weights.argmax(), weights.argmin()))
    printed = [Product(cell, round(float(weights[cell]), 1), round(float(values[cell]), 1)) for cell in cells]
    return Worksheet(
        np.round(weights, 1),
        printed,
        round(float(rest), 1),
        float(products.sum()),
        peak,
        weakest,
        float(values[weakest]),
    )


def worksheet_page(view: LessonState) -> str:
    """The worksheet as an HTML file that needs no other."""
    sheet, k, (rows, columns) = worksheet_of(view), view.channel, view.maps.upper[view.channel].shape
    pair = view.maps.pair
    tasks = [
        (
            "Read the map",
            f"<p>Map {k} has one number for each cell of the photo. Rows and columns count from 0.</p>"
            f'<div class="pair">{_photo(view, rows, columns)}{_map(sheet)}</div>'
            f"<p>a) In which cell is the largest number? What is there in the photo? Mark it.</p>{_lines(1)}"
            f"<p>b) How many of the {rows * columns} numbers are 0?</p>{_lines(1)}"
            f"<p>c) In how many cells is the number at least half of the largest?</p>{_lines(1)}"
            f"<p>d) What might this map respond to? How could you find out?</p>{_lines(2)}",
        ),
    ]
    more = [
        (
            "Weigh and add up: one number of P",
            f"<p>Block {k} of P has {pair.patch_length:,} numbers. One of them is the sum of weight × patch number "
            f"over all {rows * columns} positions. Fill in the products, and add up.</p>{_products(sheet)}",
        ),
        (
            "What counts least",
            f"<p>At {cell_name(sheet.weakest)} the weight is {number(float(sheet.weights[sheet.weakest]))}, and the "
            f"patch number is {number(sheet.value_there)}. What does this position add to the sum? Why?</p>{_lines(2)}",
        ),
        (
            "All of P",
            f"<p>There are {pair.upper_channels:,} maps, each with a block of {pair.patch_length:,} numbers. How many "
            f"numbers has P?</p>{_lines(1)}",
        ),
        (
            "Think",
            f"<p>a) Mirror the map and leave the patches. Does its average change? Does its block?</p>{_lines(2)}"
            f"<p>b) Shuffle weights and patches together. What becomes of the block? What does P not "
            f"know?</p>{_lines(2)}",
        ),
    ]
    names = '<div class="names"><span>Name</span><span>Date</span></div>'
    first = f"<h1>From a photo to P: {html.escape(view.image.title)}</h1>{names}{_numbered(tasks, 1)}"
    second = _numbered(more, 1 + len(tasks)) + f"<footer>{SOURCE}</footer>"
    return _document("Worksheet", f"<section>{first}</section><section>{second}</section>")


def answer_key(view: LessonState) -> str:
    """The answers as an HTML file that needs no other."""
    sheet, k, weights = worksheet_of(view), view.channel, view.maps.upper[view.channel]
    pair, shares = view.maps.pair, view.maps.statistics.energy_share
    change = relative_change(view.maps.pooled[k], mirrored_map(view.maps, k)[1])
    strong = int((sheet.weights >= sheet.weights.max() / 2).sum())
    sums = " + ".join(f"({number(each.product, 4)})" for each in sheet.products)
    answers = [
        ("Read the map", [
            f"The largest number, {number(float(sheet.weights.max()))}, is at {cell_name(sheet.peak)}"
            f"{_shared(sheet)}.",
            f"{int((sheet.weights == 0).sum())} of {weights.size} numbers are 0 as printed.",
            f"{strong} cells.",
            "Open question. Look at the same map on other photos (the page Maps), and at the classes that it speaks "
            "for.",
        ]),
        ("Weigh and add up", [
            f"{sums} + ({number(sheet.rest, 4)}) = {number(sheet.total, 4)}. Exactly it is "
            f"{number(sheet.entry_sum, 4)}; "
            "the rest is rounding.",
            f"{questions.positions_for_half(weights)} of {weights.size} positions hold half of the map's weight.",
        ]),
        ("What counts least", [what_the_weakest_adds(float(sheet.weights[sheet.weakest]), sheet.value_there)]),
        ("All of P", [
            f"{pair.upper_channels:,} × {pair.patch_length:,} = {pair.feature_length:,}. Half of the energy is in "
            f"{carriers_of_half(shares):,} blocks.",
        ]),
        ("Think", [
            f"The average stays; the block changes by {number(100 * change, 2)} % of its size, as other patches lie "
            "under the weights.",
            "It stays the same: a sum does not depend on the order of its terms. P says what was there under each map, "
            "not where.",
        ]),
    ]  # fmt: skip
    listed = [
        (title, f'<ol type="a">{"".join(f"<li>{html.escape(line)}</li>" for line in lines)}</ol>')
        for title, lines in answers
    ]
    title = f"<h1>Answers: {html.escape(view.image.title)}, map {k}</h1>"
    return _document("Answers", f"<section>{title}{_numbered(listed, 1)}<footer>{SOURCE}</footer></section>")


def what_the_weakest_adds(weight: float, value: float) -> str:
    """What the smallest weight of a map and the patch number there come to, and why, in a sentence."""
    why = "a weight of 0 leaves a patch out, whatever is in it" if not weight else "the smaller the weight, the less"
    return f"{number(weight)} × {number(value)} = {number(weight * value)}: {why}."


def _shared(sheet: Worksheet) -> str:
    others = int((sheet.weights == sheet.weights.max()).sum()) - 1
    return f" ({others} more as printed)" if others else ""


def _numbered(tasks: list[tuple[str, str]], start: int) -> str:
    return "".join(f"<h2>{count} · {title}</h2>{body}" for count, (title, body) in enumerate(tasks, start))


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
