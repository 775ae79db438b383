"""What the figures of an evaluation show, and that nobody can take one method or class in them for another."""

import io
import logging
import warnings
from itertools import pairwise

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from matplotlib.colors import same_color
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWNBASE, CARETUPBASE

from crosspool.drawing import style
from crosspool.drawing.cost import CUT, Point, cost_figure
from crosspool.drawing.figures import LONGEST_LABEL, NAMED_CLASSES, confusion_figure, tick_labels
from crosspool.drawing.style import MARKERS, UNWRITTEN

SAME = [
    Point("sum@224", 5120, 0.861, (0.83, 0.89)),
    Point("max@224", 5120, 0.842, (0.81, 0.87)),
    Point("global@224", 5120, 0.867, (0.84, 0.90)),
    Point("jitter@224", 5120, 0.855, (0.82, 0.88)),
]


def cost(points):
    return cost_figure(points, "accuracy", "title")


def caption(figure):
    return figure.get_supxlabel()


def markers(figure, points):
    """Each point's marker by its name."""
    drawn = [line for line in figure.axes[0].lines if line.get_marker() in MARKERS]
    return dict(zip([point.name for point in points], drawn, strict=True))


def ends(figure, marker):
    """The places of this kind of marker."""
    return [tuple(np.ravel(line.get_data()).tolist()) for line in figure.axes[0].lines if line.get_marker() == marker]


def look(line: Line2D):
    return line.get_marker(), line.get_color()


# --- which name is whose


def test_four_methods_of_one_size_differ_in_the_legend_by_marker_and_colour() -> None:
    figure = cost(SAME)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert not figure.axes[0].texts
    named = {
        text.get_text(): look(handle) for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    assert list(named) == ["global@224", "sum@224", "jitter@224", "max@224"]
    assert named == {name: look(line) for name, line in markers(figure, SAME).items()}
    assert len(set(named.values())) == 4


def test_a_note_names_the_size_of_points_moved_aside() -> None:
    assert "equal sizes are drawn side by side (5.12 kB)" in caption(cost(SAME))
    apart = [Point("a", 1000, 0.8, None), Point("b", 100_000, 0.9, None)]
    assert caption(cost(apart)) == ""
    near = [Point("a", 10_000, 0.8, None), Point("b", 10_011, 0.9, None), *apart]
    assert "nearly equal sizes are drawn side by side (10 kB)" in caption(cost(near))


def test_the_names_of_a_pair_are_on_either_side() -> None:
    pair = [Point("sum@224", 5120, 0.86, (0.8, 0.9)), Point("max@224", 5120, 0.859, (0.8, 0.9))]
    points = [*pair, Point("cl@224", 655_360, 0.9, None)]
    figure = cost(points)
    assert figure.axes[0].get_legend() is None
    figure.canvas.draw()
    marks = {name: line.get_window_extent() for name, line in markers(figure, points).items()}
    names = {text.get_text(): text for text in figure.axes[0].texts}
    left, right = names["sum@224"].get_window_extent(), names["max@224"].get_window_extent()
    assert left.x1 < marks["sum@224"].x0 < marks["max@224"].x0 < right.x0
    for point in points:
        box, mark = names[point.name].get_window_extent(), marks[point.name]
        assert abs((box.y0 + box.y1) - (mark.y0 + mark.y1)) < 10, "a name is at its marker's height"
        assert same_color(names[point.name].get_color(), markers(figure, points)[point.name].get_color())


def test_a_name_covers_no_interval() -> None:
    points = [Point("a long name", 10_000, 0.8, (0.7, 0.9)), Point("b", 13_000, 0.75, (0.6, 0.95))]
    points += [Point("c", 1000, 0.5, None), Point("d", 90_000, 0.99, None)]
    assert cost(points).axes[0].get_legend() is not None


def test_markers_stand_apart_however_many_share_a_size() -> None:
    points = [Point(f"m{k}", 5120, 0.5 + k / 100, None) for k in range(14)]
    points += [Point("near", 5700, 0.6, None), Point("far", 10**7, 0.9, None)]
    figure = cost(points)
    figure.canvas.draw()
    boxes = sorted((line.get_window_extent() for line in markers(figure, points).values()), key=lambda box: box.x0)
    assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))
    frame = figure.axes[0].get_window_extent()
    assert frame.x0 < boxes[0].x0
    assert boxes[-1].x1 < frame.x1


def test_a_long_legend_stays_in_the_figure() -> None:
    figure = cost([Point(f"m{k}", 5120 * (k + 1), 0.5, None) for k in range(40)])
    figure.canvas.draw()
    box = figure.axes[0].get_legend().get_window_extent()
    assert figure.bbox.y0 <= box.y0
    assert box.y1 <= figure.bbox.y1


# --- 0 to 100 %


def test_intervals_beyond_the_whole_are_cut_there_and_marked() -> None:
    points = [
        Point("a", 1000, 0.05, (-0.02, 0.12)),
        Point("b", 30_000, 0.5, (0.4, 0.6)),
        Point("c", 10**6, 0.97, (0.9, 1.04)),
    ]
    figure = cost(points)
    axes = figure.axes[0]
    assert axes.get_ylim() == (0, 1)
    assert ends(figure, CARETUPBASE) == [(10**6, 1)]
    assert ends(figure, CARETDOWNBASE) == [(1000, 0)]
    assert sorted(y for _, y in ends(figure, "_")) == [0.12, 0.4, 0.6, 0.9]
    bars = [path.vertices[:, 1] for bar in axes.collections for path in bar.get_paths()]
    assert np.min(bars) == 0
    assert np.max(bars) == 1
    assert CUT in caption(figure)
    figure.canvas.draw()
    bottom, top = axes.get_ylim()
    shown = [tick for tick in axes.get_yticks() if bottom <= tick <= top]
    assert shown[0] == 0
    assert shown[-1] == pytest.approx(1)
    assert all(label.get_text() for label in axes.get_yticklabels())


def test_intervals_inside_are_not_marked() -> None:
    figure = cost([Point("a", 1000, 1.0, (0.9, 1.0)), Point("b", 30_000, 0.5, (0.4, 0.6))])
    assert not ends(figure, CARETUPBASE)
    assert len(ends(figure, "_")) == 4
    assert figure.axes[0].get_ylim()[1] == 1
    assert caption(figure) == ""


def test_a_marker_at_the_end_of_the_axis_is_whole() -> None:
    points = [Point("a", 1000, 1.0, (0.9, 1.03))]
    assert not markers(cost(points), points)["a"].get_clip_on()


# --- letters


@pytest.fixture
def bird_font(tmp_path, monkeypatch):
    """A font that has 鳥 and nothing else, among those that this machine has."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((0, 700))
    pen.lineTo((700, 0))
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "bird"])
    builder.setupCharacterMap({ord("鳥"): "bird"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "bird": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "bird": (1000, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Only Birds", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "birds.ttf")
    before = list(fontManager.ttflist)
    fontManager.addfont(tmp_path / "birds.ttf")
    monkeypatch.setattr(style, "FURTHER_FONTS", ("Not There", "Only"))
    yield "Only Birds"
    fontManager.ttflist = before


def test_long_class_names_are_shortened_and_stay_distinct():
    long = "a gull of the northern seas with "
    names = [long + "a red beak", "tern", long + "a blue beak", "x" * 28, "x" * 29]
    assert tick_labels(names) == [
        "1 a gull of the northern se…",
        "tern",
        "3 a gull of the northern se…",
        "x" * 28,
        "x" * 27 + "…",
    ]
    assert all(len(label) <= LONGEST_LABEL for label in tick_labels(names))


def test_long_class_names_leave_room_for_the_matrix():
    figure = confusion([f"{channel} " + "long " * 12 for channel in range(3)])
    figure.draw_without_rendering()
    assert figure.axes[0].get_window_extent().width > figure.bbox.width / 3


def confusion(names, title="title"):
    return confusion_figure(np.eye(len(names), dtype=np.int64), names, title)


def families(figure):
    return [label.get_fontfamily() for label in figure.axes[0].get_yticklabels()]


def saved(figure):
    figure.savefig(io.BytesIO(), format="png")


def test_a_font_that_has_the_characters_draws_them(bird_font, caplog) -> None:
    figure = confusion(["鳥", "cat"], "鳥")
    assert all(found[-1] == bird_font for found in families(figure))
    assert figure.axes[0].title.get_fontfamily()[-1] == bird_font
    assert caption(figure) == ""
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        saved(figure)
    assert not caplog.records


def test_a_note_on_characters_without_a_font_appears_once(bird_font) -> None:
    figure = confusion(["日本", "鳥", "cat"])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["日本", "鳥", "cat"]
    assert caption(figure) == UNWRITTEN


def test_other_fonts_are_not_looked_for_without_need(bird_font, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        figure = confusion(["dog", "Żółw\u200d e\u0301 \ufe0f"])
        saved(figure)
    assert bird_font not in families(figure)[0]
    assert caption(figure) == ""
    assert not caplog.records


@pytest.mark.filterwarnings("ignore:Glyph")
def test_missing_fonts_are_not_logged(monkeypatch, caplog) -> None:
    monkeypatch.setattr(style, "FURTHER_FONTS", ("Not There", "Nor This"))
    with caplog.at_level(logging.WARNING):
        saved(confusion(["𓅃", "cat"]))
    assert not caplog.records


@pytest.mark.filterwarnings("ignore:Glyph")
def test_characters_of_titles_and_methods_count_too(bird_font) -> None:
    figure = cost_figure([Point("cl", 1000, 0.5, None)], "accuracy", "日本")
    assert UNWRITTEN in caption(figure)
    assert caption(cost_figure([Point("cl", 1000, 0.5, None)], "accuracy", "鳥")) == ""


def test_names_that_are_not_drawn_need_no_fonts(bird_font) -> None:
    assert caption(confusion([f"日本 {k}" for k in range(NAMED_CLASSES + 1)])) == ""
