"""Importing crosspool is cheap, and its public names are there. `make lint` holds the walls between the modules."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What the bare import of crosspool must leave alone.
HEAVY = ("torch", "torchvision", "streamlit", "matplotlib", "pandas")


def in_fresh_process(code: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_is_cheap() -> None:
    loaded = in_fresh_process("import crosspool, json, sys; print(json.dumps(sorted(sys.modules)))")
    assert isinstance(loaded, list)
    assert not set(HEAVY) & set(loaded)


def test_the_default_network_is_loaded_without_torchvision() -> None:
    code = (
        "import crosspool, json, sys; backbone = crosspool.load_backbone(device='cpu');"
        "print(json.dumps([backbone.spec.name, *({'torchvision', 'torch._dynamo', 'sympy'} & set(sys.modules))]))"
    )
    assert in_fresh_process(code) == ["efficientnet_lite0"]


def test_public_names_resolve() -> None:
    code = (
        "import crosspool, json; listed = dir(crosspool);"
        "found = {name: getattr(crosspool, name, None) is not None for name in crosspool.__all__};"
        "print(json.dumps([found, sorted(set(crosspool.__all__) - set(listed))]))"
    )
    result = in_fresh_process(code)
    assert isinstance(result, list)
    found, unlisted = result
    assert found
    assert all(found.values()), f"not found: {[name for name, there in found.items() if not there]}"
    assert unlisted == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    package = importlib.import_module("crosspool")
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018
