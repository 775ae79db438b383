"""`crosspool serve`: the command line for Streamlit, and errors."""

import os
import runpy
import socket
import sys

import numpy as np
import pytest

from crosspool.cli.serve import FEATURES_VARIABLE, SETTINGS_VARIABLE
from crosspool.installation import app_folder
from tests.shards.stores import written


@pytest.fixture
def started(monkeypatch):
    """The command lines with which Streamlit was started."""
    lines = []
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(runpy, "run_module", lambda module, **options: lines.append((module, *sys.argv)))
    monkeypatch.setitem(os.environ, SETTINGS_VARIABLE, "")
    return lines


@pytest.fixture
def port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_it_starts_streamlit_with_the_app(works, started):
    port = free_port()
    works("serve")
    works("serve", "--port", port, "--host", "127.0.0.1")
    run = ("streamlit", "streamlit", "run", str(app_folder() / "app.py"))
    assert started == [run, (*run, "--server.address=127.0.0.1", f"--server.port={port}")]


def test_the_settings_file_is_found_from_any_folder(works, started, tmp_path, monkeypatch):
    (tmp_path / "class.toml").write_text("networks = 3\n")
    monkeypatch.chdir(tmp_path)
    works("serve", "--settings", "class.toml")
    assert os.environ[SETTINGS_VARIABLE] == str(tmp_path / "class.toml")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("tests.own_modules:no", "crosspool: --module tests.own_modules:no failed with AttributeError"),
        ("tests.own_modules", "crosspool: --module takes package.module:function"),
        ("tests.own_modules:no_backbone", "crosspool: --module tests.own_modules:no_backbone returns a Residual"),
    ],
)
def test_a_module_that_does_not_work_is_reported_before_anything_is_served(
    fails, started, monkeypatch, source, sentence
):
    monkeypatch.setenv("CROSSPOOL_MODULE", "")
    assert fails("serve", "--module", source).startswith(sentence)
    assert started == []


def test_a_network_of_ones_own_is_handed_to_the_app(works, started, monkeypatch):
    monkeypatch.setenv("CROSSPOOL_MODULE", "")
    works("serve", "--module", "tests.own_modules:served")
    assert os.environ["CROSSPOOL_MODULE"] == "tests.own_modules:served"
    assert len(started) == 1


def test_a_store_is_opened_before_anything_is_served(works, fails, started, monkeypatch, tmp_path):
    monkeypatch.setenv(FEATURES_VARIABLE, "")
    assert f"{tmp_path}/none was not found" in fails("serve", "--features", tmp_path / "none")
    assert started == []
    written(tmp_path / "store", np.eye(2, dtype=np.float32))
    works("serve", "--features", tmp_path / "store")
    assert os.environ[FEATURES_VARIABLE] == str(tmp_path / "store")
    assert len(started) == 1


def test_a_missing_settings_file(fails, started, tmp_path):
    sentence = fails("serve", "--settings", tmp_path / "no.toml")
    assert sentence.endswith(f" {tmp_path}/no.toml was not found; check the name and the folder.")
    assert started == []


def test_a_wrong_setting_is_reported_before_anything_is_served(fails, started, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSPOOL_NETWORKS", "many")
    sentence = fails("serve")
    assert sentence == (
        "crosspool: CROSSPOOL_NETWORKS in the environment is 'many', but must be a whole number from 1 to 64."
    )
    monkeypatch.delenv("CROSSPOOL_NETWORKS")
    (tmp_path / "class.toml").write_text("netwerks = 3\n")
    assert "did you mean networks?" in fails("serve", "--settings", tmp_path / "class.toml")
    assert started == []


def test_a_port_in_use(fails, started, port_in_use):
    sentence = fails("serve", "--host", "127.0.0.1", "--port", port_in_use)
    assert sentence.startswith(f"crosspool: Cannot listen on 127.0.0.1, port {port_in_use} (Address already in use); ")
    assert started == []


def test_an_address_of_another_machine(fails, started):
    assert "Cannot listen on 192.0.2.1, port " in fails("serve", "--host", "192.0.2.1", "--port", free_port())


def test_a_port_out_of_range(fails):
    assert "--port" in fails("serve", "--port", "70000")


def test_without_the_apps_packages(fails, monkeypatch):
    monkeypatch.setattr("crosspool.cli.serve.missing", lambda extra: {"app": ["psutil", "streamlit"]}[extra])
    assert fails("serve") == (
        "crosspool: The app needs packages that are not installed (psutil, streamlit): "
        "python -m pip install 'crosspool[app]'"
    )
