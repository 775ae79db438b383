"""What all figures have in common: colours, markers, a caption, fonts for any script, and how they become files."""

import io
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

# Okabe and Ito's, darkened so that names can be read on white; the markers tell curves apart without colour, too.
COLOURS = ("#0072B2", "#D55E00", "#007F5F", "#AA3377", "#222222", "#8C6D00")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
INK, GRID = "#222222", "#DDDDDD"
UNWRITTEN = "no font on this machine has some characters of these names; they are drawn as boxes"
_drawing = threading.RLock()  # matplotlib's settings and the warning filters belong to the whole process
# Beginnings of the names of fonts that have what the usual font lacks, in the order in which they are tried.
FURTHER_FONTS = (
    "Noto Sans CJK", "Noto Sans", "Source Han Sans", "Hiragino Sans", "PingFang", "Heiti", "Apple SD Gothic",
    "Yu Gothic", "Microsoft YaHei", "Microsoft JhengHei", "Malgun Gothic", "MS Gothic", "SimHei", "IPAGothic",
    "IPAexGothic", "TakaoGothic", "VL Gothic", "NanumGothic", "WenQuanYi", "Droid Sans", "Geeza Pro", "Noto Naskh",
    "Segoe UI", "Tahoma", "Kohinoor", "Lohit", "Nirmala UI", "Mangal", "Thonburi", "Leelawadee UI", "Arial", "FreeSans",
    "Unifont",
)  # fmt: skip


def open_grid(axes: Axes) -> None:
    """A pale grid behind the drawing, without a box around it."""
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def caption(figure: Figure, notes: Sequence[str]) -> None:
    """Notes below a figure, if there are any."""
    if notes:
        text = figure.supxlabel("; ".join(notes), x=0.01, ha="left", fontsize=9.5, color=INK, wrap=True)
        text.set_parse_math(False)


def figure_bytes(figure: Figure, kind: str, about: Mapping[str, str | None]) -> bytes:
    """A figure as a file of a kind (png, svg, pdf), with `about` as its metadata."""
    file = io.BytesIO()
    with any_script():
        figure.savefig(file, format=kind, metadata=dict(about))
    return file.getvalue()


@contextmanager
def fonts_for(texts: Iterable[str]) -> Iterator[list[str]]:
    """Draw these texts in installed fonts that have their characters; yields notes on characters that no font has."""
    drawn = {character for character in "".join(texts) if unicodedata.category(character)[0] not in "CZM"}
    missing = drawn - _letters(FontProperties())
    installed = sorted(fontManager.get_font_names(), key=lambda family: (len(family), family)) if missing else []
    further = []
    for family in (family for start in FURTHER_FONTS for family in installed if family.startswith(start)):
        if missing and missing & (letters := _letters(FontProperties(family=family))):
            further.append(family)
            missing -= letters
    with _drawing, rc_context({"font.family": [*rcParams["font.family"], *further]}):
        yield [UNWRITTEN] if missing else []


def _letters(font: FontProperties) -> set[str]:
    return {chr(code) for code in get_font(findfont(font)).get_charmap()}


@contextmanager
def any_script() -> Iterator[None]:
    """Draw characters that the font lacks as boxes, without a warning."""
    with _drawing, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield
