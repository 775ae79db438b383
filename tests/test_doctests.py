"""The public names' docstrings: every example runs, and says what the signature asks for."""

import dataclasses
import doctest
import functools
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import crosspool

ROOT = Path(__file__).resolve().parent.parent
OWN = {name: value for name in crosspool.__all__ if (value := getattr(crosspool, name))}
CLASSES: dict[str, Any] = {
    name: value for name, value in OWN.items() if inspect.isclass(value) and not issubclass(value, Exception)
}


def public_functions():
    """Every public function, and the public methods of every public class, by name."""
    functions = {name: value for name, value in OWN.items() if not inspect.isclass(value)}
    for name, kind in CLASSES.items():
        for member, value in vars(kind).items():
            if not member.startswith("_") and isinstance(value, classmethod | staticmethod):
                functions[f"{name}.{member}"] = value.__func__
            elif not member.startswith("_") and inspect.isfunction(value):
                functions[f"{name}.{member}"] = value
    return {name: inspect.unwrap(function) for name, function in functions.items()}


FUNCTIONS = public_functions()
load_once = functools.cache(crosspool.load_backbone)


def section(text, title):
    """What a docstring says below `Title:`, up to the next section."""
    found = re.search(rf"^{title}:\n(.*?)(?=^\w|\Z)", inspect.cleandoc(text), re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_take_give_and_raise(name):
    function = FUNCTIONS[name]
    text = function.__doc__ or ""
    signature = inspect.signature(function)
    for parameter in signature.parameters.keys() - {"self", "cls"}:
        assert re.search(rf"^    {parameter}: ", section(text, "Args"), re.MULTILINE), parameter
    assert section(text, "Returns")
    if re.search(r"\braise \w", inspect.getsource(function)):
        assert "Error: " in section(text, "Raises")
    assert ">>> " in section(text, "Example")


@pytest.mark.parametrize("name", CLASSES)
def test_classes_say_what_they_hold(name):
    text = CLASSES[name].__doc__ or ""
    for field in dataclasses.fields(CLASSES[name]):
        if field.name.startswith("_"):
            continue  # nobody's but its own
        assert re.search(rf"^    {field.name}: ", section(text, "Attributes"), re.MULTILINE), field.name
    assert ">>> " in section(text, "Example")


@pytest.mark.parametrize("value", [*CLASSES.values(), *FUNCTIONS.values()])
def test_the_first_line_is_a_sentence(value):
    summary, *rest = inspect.cleandoc(value.__doc__ or "").split("\n")
    assert summary.endswith((".", ":"))
    assert not rest or not rest[0]


def properties():
    return {
        f"{name}.{member}": value
        for name, kind in CLASSES.items()
        for member, value in vars(kind).items()
        if isinstance(value, property | functools.cached_property)
    }


@pytest.mark.parametrize("name", properties())
def test_properties_say_what_they_are(name):
    assert (properties()[name].__doc__ or "").strip().endswith(".")


@pytest.mark.parametrize(
    "name",
    [
        "Backbone.activations", "LayerPair", "cross_layer_pool", "explain", "local_features", "parse_method",
        "pool_projected",
    ],
)  # fmt: skip
def test_what_comes_from_a_paper_cites_it(name):
    assert re.search(r"20\d\d", section({**CLASSES, **FUNCTIONS}[name].__doc__ or "", "References"))


@pytest.mark.parametrize("name", [*CLASSES, *(name for name in FUNCTIONS if "." not in name)])
def test_examples_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("crosspool.backbones.load_backbone", load_once)
    examples = doctest.DocTestFinder().find(OWN[name], name, globs={})
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in examples:
        runner.run(example)
    assert runner.tries
    assert not runner.failures
