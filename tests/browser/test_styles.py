"""The stylesheets as a browser reads them: it passes over what it does not know, without a word."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
STYLES = [ROOT / "assets" / "style.css", *(ROOT / "crosspool").rglob("*.css")]
SUPPORTED = "declarations => declarations.filter(([name, value]) => !CSS.supports(name, value))"


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_a_browser_knows_every_declaration_and_selector(page, path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert text.count("{") == text.count("}")
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", text)  # also those within @media and the like
    for selector, body in rules:
        if not selector.strip().startswith("@page"):
            page.evaluate("selector => document.querySelector(selector)", selector)  # raises on what it cannot read
        pairs = [part.partition(":")[::2] for part in body.split(";") if part.strip()]
        declarations = [(name.strip(), value.replace("!important", "").strip()) for name, value in pairs]
        assert page.evaluate(SUPPORTED, declarations) == [], selector
        names = [name for name, _ in declarations]
        assert len(set(names)) == len(names), f"{selector} sets a property twice"
