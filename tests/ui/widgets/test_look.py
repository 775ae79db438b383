"""The theme: text can be read, and lines and bars can be seen, in the light and the dark scheme."""

import re
import tomllib

import pytest

from crosspool.gallery.assets import asset
from tests.conftest import ROOT

THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
TEXT, GRAPHICS = 4.5, 3.0  # contrast that the Web Content Accessibility Guidelines 2.2 require at level AA
CAPTION = 0.8  # opacity, in assets/style.css


def rgb(colour):
    return [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]


def over(colour, background, opacity):
    return [opacity * a + (1 - opacity) * b for a, b in zip(rgb(colour), rgb(background), strict=True)]


def luminance(channels):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    """The ratio of two luminances, 1 to 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_guidelines():
    assert contrast(rgb("#000000"), rgb("#ffffff")) == pytest.approx(21)
    assert contrast(rgb("#777777"), rgb("#ffffff")) == pytest.approx(
        4.48, abs=0.005
    )  # the guidelines' own example of too little


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out(scheme):
    theme = THEME[scheme]
    for background in (theme["backgroundColor"], theme["secondaryBackgroundColor"]):
        for colour in (theme["textColor"], theme["linkColor"], theme["primaryColor"]):
            assert contrast(rgb(colour), rgb(background)) >= TEXT
        assert contrast(over(theme["textColor"], background, CAPTION), rgb(background)) >= TEXT
        # Selected: text of the primary colour on a tint of it.
        assert contrast(rgb(theme["primaryColor"]), over(theme["primaryColor"], background, 0.1)) >= TEXT


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_stand_out(scheme):
    background = rgb(THEME[scheme]["backgroundColor"])
    player = asset("ui/equation/player.css")
    bars = re.findall(r"\.(?:product|patch) \.columns i {\s*background: (#\w+)", player)[::-1]
    chart = re.findall(r"\.(?:bars|marked) { fill: (#\w+)", asset("ui/widgets/chart.css"))
    own = (chart[0], *bars)
    assert bars[0] == chart[1]
    assert THEME["chartCategoricalColors"][: len(own)] == list(own)
    for colour in THEME["chartCategoricalColors"]:
        assert contrast(rgb(colour), background) >= GRAPHICS


def test_the_stylesheet_has_the_opacity_that_is_tested_here():
    style = (ROOT / "assets" / "style.css").read_text()
    assert f'[data-testid="stCaptionContainer"] {{ opacity: {CAPTION};' in style
