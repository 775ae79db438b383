"""Methods in words beside their names, and cells of tables, in Markdown."""

from crosspool.methods.wording import method_in_words
from crosspool.ui.widgets.glossary import GLOSSARY, term
from crosspool.ui.widgets.text import as_it_is


def method_markdown(name: str) -> str:
    """A method in words, and its name in small letters; a name of the glossary explains itself."""
    code = f"`{name}`"
    if name in GLOSSARY:
        code = term(name, code)
    return f"{method_title(name)} :small[:gray[{code}]]"


def method_title(name: str) -> str:
    """A method in words, with a capital letter."""
    words = method_in_words(name)
    return as_it_is(words[0].upper() + words[1:])


def in_one_line(cell: str) -> str:
    """The cell with every number beside its unit: a table that is too wide can be scrolled."""
    return as_it_is(cell).replace(" ", "\N{NO-BREAK SPACE}")
