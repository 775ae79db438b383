"""The slide of what adds up to a score."""

import numpy as np
import pytest
from matplotlib.transforms import Affine2D
from PIL import Image

from crosspool.contributions import Contributions
from crosspool.drawing.evidence_sheet import evidence_sheet
from crosspool.drawing.page import HEIGHT, WIDTH
from crosspool.pooled_parts import PartContributions

IMAGE = Image.new("RGB", (224, 224), "grey")
TITLE = "cat.jpg: score of tiger cat · the network's own classes · EfficientNet-Lite0"
CAUTION = "These contributions are exact: without a channel the score loses exactly that channel's contribution. " * 2


def contributions_of(count, *, located=True, name="cl@448"):
    """So many channels, every other one against the class."""
    random = np.random.default_rng(4)
    evidence = random.random((count, 7, 7)) * np.where(np.arange(count) % 2, -0.02, 0.03)[:, None, None]
    channels = evidence.sum(axis=(1, 2))
    maps = random.random((count, 7, 7))
    part = PartContributions(
        name, channels, np.full(count, 1 / count), maps if located else None, evidence if located else None
    )
    return Contributions(float(channels.sum()) - 0.00431, -0.00431, (part,))


def texts(figure):
    """All texts that are drawn on the page: those placed on it, and those of the bars' axes."""
    ticks = [label for axes in figure.axes[1:] for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return [
        text.get_text() for text in (*figure.axes[0].texts, *ticks, *(axes.yaxis.label for axes in figure.axes[1:]))
    ]


def boxes_of_texts(figure):
    """Their boxes, in the page's pixels; the numbers and the name of a colour bar are one."""
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    renderer = figure.canvas.get_renderer()
    boxes += [axis.get_tightbbox(renderer) for axes in figure.axes[1:] for axis in (axes.xaxis, axes.yaxis)]
    page = Affine2D().scale(WIDTH / figure.bbox.width)
    return [box.transformed(page) for box in boxes if box is not None and box.width > 0]


@pytest.mark.parametrize(("count", "top"), [(1280, 8), (1280, 1), (1280, 40), (2, 8)])
def test_all_texts_are_on_the_page_and_apart(count, top) -> None:
    figure = evidence_sheet(IMAGE, contributions_of(count), title=TITLE, caution=CAUTION, top=top)
    boxes = boxes_of_texts(figure)
    assert len(boxes) > 2 * min(count, top)
    assert all(box.x0 >= 40 and box.x1 <= WIDTH - 40 and box.y0 >= 0 and box.y1 <= HEIGHT - 30 for box in boxes)
    overlaps = [(a, b) for place, a in enumerate(boxes) for b in boxes[:place] if a.padded(-2).overlaps(b.padded(-2))]
    assert overlaps == []


def test_minus_signs_are_typographic_and_the_fonts_those_of_slides() -> None:
    figure = evidence_sheet(IMAGE, contributions_of(1280), title=TITLE, caution=CAUTION)
    shown = texts(figure)
    assert "cat.jpg: score of tiger cat" in shown
    assert any("intercept −0.00431" in text for text in shown)
    assert sum("−" in text for text in shown) >= 5  # the intercept and both colour bars
    assert not any(text.startswith("-") or " -" in text for text in shown)
    assert any(text.startswith("crosspool ") for text in shown)


def test_the_tiles_are_equal_and_stand_in_columns() -> None:
    figure = evidence_sheet(IMAGE, contributions_of(1280), title=TITLE, caution=CAUTION)
    labels = [text for text in figure.axes[0].texts if text.get_text() in ("the image", "all channels", "its evidence")]
    assert len(labels) == 10
    columns, rows = (sorted({text.get_position()[axis] for text in labels}) for axis in (0, 1))
    assert (len(columns), len(rows)) == (4, 3)  # of six columns, those of the maps left out, but for the image's
    assert len(figure.axes[0].images) == 1  # all tiles


def test_without_positions_the_image_stands_alone() -> None:
    figure = evidence_sheet(IMAGE, contributions_of(20, located=False), title=TITLE, caution=CAUTION)
    shown = texts(figure)
    assert {"the image", "What each channel adds"} <= set(shown)
    assert not {"all channels", "evidence of all channels", "its evidence"} & set(shown)


def test_channels_of_several_parts_keep_their_numbers() -> None:
    parts = [contributions_of(1280, name=name).parts[0] for name in ("cl@448/pca64", "global@448")]
    score = float(sum(part.channels.sum() for part in parts))
    figure = evidence_sheet(IMAGE, Contributions(score, 0.0, tuple(parts)), title=TITLE, caution=CAUTION, top=4)
    bars = [text for text in texts(figure) if text.startswith(("cl@448/pca64 ", "global@448 "))]
    assert len(bars) == 4
    assert all(text.split()[1].isdigit() for text in bars)
    assert sum(text.startswith("map ") for text in texts(figure)) == 4
