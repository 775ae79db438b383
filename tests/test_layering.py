"""One direction: each module imports only modules to its left, and only the app imports Streamlit."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From left to right. A folder counts as one module; neighbours in one tuple do not know each other.
ORDER: tuple[tuple[str, ...], ...] = (
    ("errors", "text", "tables", "whole_files"),
    ("cache",),
    ("images", "pooling", "grids"),
    ("samples", "decode_worker"),
    ("layer_pairs",),
    ("receptive_field",),
    ("activations",),
    ("backbones",),
    ("statistics", "recipe"),
    ("datasets", "views", "encoding"),
    ("baselines", "classifier", "kernels"),
    ("methods",),
    ("features",),
    ("models",),
    ("contributions",),
    ("evaluation",),
    ("localisation",),
    ("rendering", "figures", "doctor"),
    ("evidence_sheet", "gallery", "slides"),
    ("map_files",),
    ("results", "faithfulness"),
    ("ui", "cli"),
    ("__main__",),
)

# Modules that may know less than everything to their left.
NARROWER: dict[str, set[str]] = {
    "pooling": {"errors"},
    "layer_pairs": {"errors"},
    "__main__": {"cli"},
}

# The package itself holds only names: they point anywhere, lazily, and nothing points back.
NAMES_ONLY = "__init__"

STREAMLIT_AT = (
    "app.py",
    "pages/",
    "crosspool/ui/",
    "benchmarks/page.py",
    "benchmarks/visitor.py",
    "benchmarks/deltas.py",
    "benchmarks/strangers.py",
)

# What the bare import of crosspool must leave alone.
HEAVY = ("torch", "torchvision", "streamlit", "matplotlib", "pandas", "plotly")

SOURCES = sorted(
    path for place in ("crosspool", "pages", "benchmarks") for path in (ROOT / place).rglob("*.py")
) + sorted(ROOT.glob("*.py"))
LIBRARY = [path for path in SOURCES if path.is_relative_to(ROOT / "crosspool")]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(source: str, package: tuple[str, ...]) -> Iterator[str]:
    """The full dotted names that a file of `package` imports, wherever in the file and for whatever purpose.

    `from a import b` gives `a.b`: whether b is a module or a name in one, the first parts tell the module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.args[0].value


def imports_of(path: Path) -> set[str]:
    return set(imported(path.read_text(encoding="utf-8"), path.relative_to(ROOT).parts[:-1]))


def module_of(path: Path) -> str:
    """The module of ORDER that a file of crosspool belongs to."""
    return path.relative_to(ROOT / "crosspool").with_suffix("").parts[0]


def allowed(module: str) -> set[str]:
    if module in NARROWER:
        return NARROWER[module]
    place = next(i for i, group in enumerate(ORDER) if module in group)
    return {name for group in ORDER[:place] for name in group}


def test_reads_every_kind_of_import() -> None:
    source = """
import torch.nn.functional as F
from . import images
from .. import pooling
from ..errors import ImageError
def later():
    from crosspool.ui.gallery import draw
    importlib.import_module("streamlit")
"""
    assert set(imported(source, ("crosspool", "backbones"))) == {
        "torch.nn.functional",
        "crosspool.backbones.images",
        "crosspool.pooling",
        "crosspool.errors.ImageError",
        "crosspool.ui.gallery.draw",
        "streamlit",
    }


def test_every_module_has_its_place() -> None:
    known = {name for group in ORDER for name in group} | {NAMES_ONLY}
    strangers = {module_of(path) for path in LIBRARY} - known
    assert not strangers, f"give {sorted(strangers)} a place in ORDER"


@pytest.mark.parametrize("path", [p for p in LIBRARY if module_of(p) != NAMES_ONLY], ids=name_of)
def test_imports_only_toward_the_left(path: Path) -> None:
    own = module_of(path)
    names = {name for name in imports_of(path) if name.split(".")[0] == "crosspool"}
    modules = {name.split(".")[1] if "." in name else NAMES_ONLY for name in names}
    # The version is the one thing that the package itself may be asked for.
    modules -= {"__version__"}
    wrong = modules - allowed(own) - {own}
    assert not wrong, f"{name_of(path)} must not import {sorted(wrong)}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_streamlit_stays_in_the_app(path: Path) -> None:
    if not name_of(path).startswith(STREAMLIT_AT):
        assert not [name for name in imports_of(path) if name.split(".")[0] == "streamlit"]


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
