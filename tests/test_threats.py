"""docs/threats.md has a line for everything that a browser can send, and names only what there is."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest, BackMsg

from crosspool.ui.collection.view import NAMES
from crosspool.ui.visit.link import LinkState

ROOT = Path(__file__).resolve().parent.parent
THREATS = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
SOURCES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "crosspool" / "ui").rglob("*.py"))]
# Of these, Streamlit tells the server only where the page asks for it.
WHERE_ASKED = {"expander", "popover", "tabs", "dataframe"}
REPORTS = {"on_change", "on_click", "on_select", "on_dismiss"}


def named(heading):
    """What the table below a heading names in its first column."""
    section = THREATS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert section, heading
    cells = [row.split(" | ")[0] for row in section.splitlines() if row.startswith("| ")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@cache
def calls():
    """Every call in the app."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    return [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]


def words(node):
    """A text of the source, with `*` for what is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return ""


@cache
def widgets():
    """The functions of Streamlit that the app calls for what browsers report."""
    used = set()
    for call in calls():
        if not isinstance(call.func, ast.Attribute) or getattr(call.func.value, "id", "") != "st":
            continue
        function = getattr(st, call.func.attr)
        if not callable(function) or not REPORTS & inspect.signature(function).parameters.keys():
            continue
        keywords = {keyword.arg for keyword in call.keywords}
        if call.func.attr not in WHERE_ASKED or keywords & (REPORTS | {None}):
            used.add(call.func.attr)
    return used


def controls():
    """The keys of the app's controls, with `*` for what is put into them."""
    keys = set()
    for call in calls():
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name == "bound" and len(call.args) > 1:
            keys.add(words(call.args[1]))
        elif name == "choose_option":
            keys.add(words(call.args[3]))
        elif name in ("bound_value", "uploader_key", "receiving"):
            keys.add(words(call.args[0]))
        elif name in widgets() and isinstance(call.func, ast.Attribute):
            keys |= {words(keyword.value) for keyword in call.keywords if keyword.arg == "key"}
    return keys - {""}


def components():
    """The triggers of our scripts, as "component.trigger"."""
    return {
        f"{Path(words(call.args[0])).name}.{keyword.arg}"
        for call in calls()
        if isinstance(call.func, ast.Name) and call.func.id == "component"
        for keyword in call.keywords
        if keyword.arg not in (None, "style", "html")
    }


def positional_keys():
    """The keys of buttons that have them as their second argument."""
    return {
        words(call.args[1])
        for call in calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr == "button" and len(call.args) > 1
    } - {""}


@cache
def routes():
    """The addresses that the app answers, as Starlette has them."""
    code = "import app, json; print(json.dumps([route.path for route in app.app._build_starlette_app().routes]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    return {path or "/" for path in json.loads(done.stdout.splitlines()[-1])}


def cookies():
    """The names of cookies in the app's sources and in the configuration of nginx."""
    texts = [path.read_text(encoding="utf-8") for path in (*SOURCES, ROOT / "deploy" / "nginx.conf")]
    return {name for text in texts for name in re.findall(r"\bcrosspool_(?:visit|tab|holds|visitor|refused)\b", text)}


def test_every_control_is_there():
    assert named("Controls") == widgets() | controls() | positional_keys()


def test_every_message_of_a_component_is_there():
    assert named("Components") == components()


def test_every_parameter_of_a_link_is_there():
    assert named("Links") == {each.name for each in fields(LinkState)} | {"step", *NAMES}


def test_every_kind_of_message_is_there():
    kinds = BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields
    operations = BackendOperationRequest.DESCRIPTOR.oneofs_by_name["payload"].fields
    assert named("Messages") == {field.name for field in (*kinds, *operations)}


def test_every_route_is_there():
    assert named("Requests") == routes()


def test_every_cookie_is_there():
    assert named("Cookies") == cookies() | {"_streamlit_xsrf"}


def test_every_uploader_is_there():
    named_calls = [(getattr(call.func, "attr", getattr(call.func, "id", "")), call) for call in calls()]
    uploaders = {words(call.args[0]) for name, call in named_calls if name in ("receiving", "uploader_key")} - {""}
    assert {"files", "camera", "zip"} <= uploaders <= named("Uploads")


MODULES = sorted(set(re.findall(r"`(crosspool(?:\.\w+)+)`", THREATS)))
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", THREATS)))


@pytest.mark.parametrize("name", MODULES)
def test_the_code_that_is_named_exists(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_the_tests_that_are_named_exist(path, name):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("heading", ["Uploads", "Computing"])
def test_every_cost_has_a_column(heading):
    section = THREATS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    head, _, *rows = [row.strip("| ").split(" | ") for row in section.splitlines() if row.startswith("| ")]
    assert head == ["what", "memory", "processor time", "disk", "others wait", "where", "test"]
    assert {len(row) for row in rows} == {len(head)}
    assert all(map(all, rows))


def test_every_line_names_its_code_and_its_test():
    headings = ("Links", "Messages", "Components", "Uploads", "Computing", "What is kept", "Requests", "Cookies")
    for heading in headings:
        section = THREATS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        rows = [row for row in section.splitlines() if row.startswith("| ")][2:]
        assert len(rows) > 2, heading
        for row in rows:
            *_, code, test = row.strip("| ").split(" | ")
            assert re.search(r"`(crosspool\.|deploy/)", code), row
            assert "::" in test, row
