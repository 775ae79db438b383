"""The glossary: one sentence for each word, in the app and in the documentation."""

from pathlib import Path

import pytest

from crosspool.ui.widgets.glossary import GLOSSARY, slug, term

PAGE = Path(__file__).resolve().parents[3] / "docs" / "glossary.md"


def test_a_word_is_a_link_to_its_sentence():
    assert term("energy") == "[energy](#term-energy)"
    assert term("layer pair", "layer pairs") == "[layer pairs](#term-layer-pair)"
    with pytest.raises(KeyError):
        term("heatmap")


def test_every_word_has_an_address_of_its_own_and_a_sentence():
    assert len({slug(name) for name in GLOSSARY}) == len(GLOSSARY)
    for name, sentence in GLOSSARY.items():
        assert sentence[0].isupper() or sentence.startswith("cl"), name
        assert sentence.endswith((".", "?")), name


def test_the_documentation_has_the_same_sentences():
    rows = [line.replace("`", "") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    for name, sentence in GLOSSARY.items():
        assert f"| {name} | {sentence} |" in rows
