"""The README's Python code and the notebook are the same code, and it does what its comments say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SNIPPETS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


def test_the_guide_for_networks_of_ones_own_runs_and_prints_what_it_says(capsys) -> None:
    guide = (ROOT / "docs" / "own_networks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    exec(compile(code, "docs/own_networks.md", "exec"), {"__name__": "guide"})
    printed = capsys.readouterr().out.splitlines()
    assert printed == re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)


def test_the_notebook_has_the_code_of_the_readme() -> None:
    notebook = json.loads((ROOT / "examples" / "quickstart.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert ["".join(cell["source"]) for cell in code] == [snippet.rstrip("\n") for snippet in SNIPPETS]
    assert not any(cell["outputs"] for cell in code), "saved without outputs, so that changes can be read"


def test_the_code_runs_in_any_folder_and_prints_what_it_says(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, snippet in enumerate(SNIPPETS, 1):
        exec(compile(snippet, f"README.md, Python code {number}", "exec"), names)
    shapes, sums, parts, scores = capsys.readouterr().out.splitlines()
    assert f"  # {shapes}\n" in SNIPPETS[0]
    assert sums.endswith(" True")
    assert parts == "(1280, 7, 7) (7, 7)"
    before, after = map(float, scores.split())
    lost = names["explanation"].contributions("tiger cat").channels[[112, 977]].sum()
    assert before - after == pytest.approx(lost, rel=1e-5)  # exactly, as the network's classes read plain means
    assert getattr(names["X"], "shape", None) == (8, 81920)
