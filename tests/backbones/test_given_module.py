"""The network that an operator names, and that nobody else can name one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crosspool.backbones import architecture, given_network, load_backbone, spec_of
from crosspool.backbones.given_module import VARIABLE, network_from
from crosspool.cache import ArrayCache
from crosspool.classifiers import load_classifier
from crosspool.errors import BackboneError, ModelError
from crosspool.features import Features
from crosspool.methods import parse_method
from crosspool.training import train_classifier
from crosspool.ui.visit.link import from_params
from tests.images import tints

SOURCE = "tests.own_modules:served"


@pytest.fixture
def given(monkeypatch):
    monkeypatch.setenv(VARIABLE, SOURCE)
    return given_network()


def test_without_a_name_there_is_none(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert given_network() is None
    with pytest.raises(BackboneError, match="There is no backbone 'insects'"):
        spec_of("insects")


def test_it_is_found_by_its_name_and_made_once(given):
    assert spec_of("insects") is given.spec
    assert architecture("insects") is given.architecture
    assert load_backbone("insects") is given is given_network()
    assert given.classes == ("ant", "bee", "cow")
    with pytest.raises(
        BackboneError, match="insects is a module: its weights, classes and device are those that it came"
    ):
        load_backbone("insects", "untrained")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("tests.own_modules", "takes package.module:function, such as networks:birds, not 'tests.own_modules'"),
        ("os:system('ls')", "takes package.module:function"),
        ("no_such_module_x:f", "failed with ModuleNotFoundError: No module named 'no_such_module_x'; try it in Python"),
        ("tests.own_modules:no", "failed with AttributeError: module 'tests.own_modules' has no attribute 'no'"),
        ("tests.own_modules:raising", "failed with KeyError: 'weights.pt'; try it in Python first"),
        ("tests.own_modules:no_backbone", "returns a Residual; let it return crosspool.Backbone.from_module"),
        ("tests.own_modules.py:served", "leave out .py, as in --module tests.own_modules:served.$"),
        ("tests.own_modules:SIDE", "SIDE is of type int; name a function that returns crosspool.Backbone.from_module"),
        ("tests.own_modules:known_by_name", "returns squeezenet1_1, which crosspool knows by that name; let it return"),
        ("tests.own_modules:refused", "alexnet is the name of a network of crosspool; give another"),
    ],
)
def test_what_does_not_work_is_said_in_a_sentence(source, sentence):
    with pytest.raises(BackboneError, match=sentence) as caught:
        network_from(source)
    assert "\n" not in str(caught.value)


def test_a_module_may_import_torchvision(tmp_path):
    """Also where the builds of torch and torchvision differ."""
    (tmp_path / "theirs.py").write_text("import torchvision\nfrom tests.own_modules import served\n")
    code = "from crosspool.backbones.given_module import network_from; print(network_from('theirs:served').spec.name)"
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == network_from(SOURCE).spec.name


def test_nothing_is_imported_for_a_link(given):
    """A module's name in an address is a name of no network."""
    before = set(sys.modules)
    for name in ("backbone", "right_backbone"):
        for value in ("this:s", "antigravity:webbrowser", "timm:antigravity", "tests.own_modules:raising"):
            state, notes = from_params({name: value})
            assert getattr(state, name) != value
            assert notes
    assert {"this", "antigravity"}.isdisjoint(set(sys.modules) - before)


@pytest.fixture
def saved(given, tmp_path):
    method = parse_method("cl:head", given.architecture)
    classifier = train_classifier(
        tints(), Features(tints(), given, method.sources, ArrayCache(tmp_path / "cache")), method
    )
    classifier.save(tmp_path / "own.safetensors")
    return tmp_path / "own.safetensors"


def test_a_classifier_finds_the_network_that_was_given(given, saved):
    classifier = load_classifier(saved)
    assert classifier.load_backbone() is given
    assert classifier.settings.weights == "own module"


def test_nothing_is_imported_for_a_classifier_file(saved, monkeypatch):
    """Whatever network a file names, it is looked up among those that are there."""
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(ModelError, match="was trained on a module of your own, insects; give that network"):
        load_classifier(saved)
    before = set(sys.modules)
    data = saved.read_bytes()
    for name in (b"this:zzz", b"this:foo"):  # as long as the name that it takes the place of, and its quotes
        for weights in (b"own module", b"pretrained"):
            changed = data.replace(b"insects", name[:7]).replace(b"own module", weights)
            saved.write_bytes(changed)
            with pytest.raises(ModelError):
                load_classifier(saved)
    assert "this" not in set(sys.modules) - before
