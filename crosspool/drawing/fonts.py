"""Fonts for texts in any script."""

import threading
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from matplotlib import rc_context, rcParams
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

UNWRITTEN = "no font on this machine has some characters of these names; they are drawn as boxes"
_drawing = threading.RLock()  # matplotlib's settings, and which warnings are shown, are the whole process's
# How the names of fonts begin that systems have for letters which the usual font lacks, in the order of being asked.
FURTHER_FONTS = (
    "Noto Sans CJK", "Noto Sans", "Source Han Sans", "Hiragino Sans", "PingFang", "Heiti", "Apple SD Gothic",
    "Yu Gothic", "Microsoft YaHei", "Microsoft JhengHei", "Malgun Gothic", "MS Gothic", "SimHei", "IPAGothic",
    "IPAexGothic", "TakaoGothic", "VL Gothic", "NanumGothic", "WenQuanYi", "Droid Sans", "Geeza Pro", "Noto Naskh",
    "Segoe UI", "Tahoma", "Kohinoor", "Lohit", "Nirmala UI", "Mangal", "Thonburi", "Leelawadee UI", "Arial", "FreeSans",
    "Unifont",
)  # fmt: skip


@contextmanager
def fonts_for(texts: Iterable[str]) -> Iterator[list[str]]:
    """Within it texts are made in fonts that have their letters, as far as there are any; gives what to say if not."""
    wanted = {character for character in "".join(texts) if unicodedata.category(character)[0] not in "CZM"}
    missing = wanted - _letters(FontProperties())
    installed = sorted(fontManager.get_font_names(), key=lambda family: (len(family), family)) if missing else []
    further = []
    for family in (family for start in FURTHER_FONTS for family in installed if family.startswith(start)):
        if missing and (written := missing & _letters(FontProperties(family=family))):
            further.append(family)
            missing -= written
    with _drawing, rc_context({"font.family": [*rcParams["font.family"], *further]}):
        yield [UNWRITTEN] if missing else []


def _letters(font: FontProperties) -> set[str]:
    return {chr(code) for code in get_font(findfont(font)).get_charmap()}


@contextmanager
def any_script() -> Iterator[None]:
    """Let names in a script that the font lacks be drawn as boxes, without a word."""
    with _drawing, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield
