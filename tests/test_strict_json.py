"""JSON that every reader takes."""

import json
import re
from pathlib import Path

import numpy as np

from crosspool.strict_json import json_text

PACKAGE = Path(__file__).resolve().parents[1] / "crosspool"


def test_numbers_that_are_not_finite_become_null():
    document = {"a": [1.5, float("nan"), (float("inf"), -float("inf"))], "b": {"c": np.float64("nan")}, "d": "NaN"}
    assert json.loads(json_text(document)) == {"a": [1.5, None, [None, None]], "b": {"c": None}, "d": "NaN"}


def test_everything_else_is_as_json_writes_it():
    document = {"a": [1, True, None, "ü", 2.5e-9], "b": {}}
    for layout in ({}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (",", ":")}):
        assert json_text(document, **layout) == json.dumps(document, **layout)


def test_all_json_of_the_package_is_written_here():
    modules = {path.name: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    assert [name for name, text in modules.items() if re.search(r"\bjson\w*\.dump", text)] == ["strict_json.py"]
