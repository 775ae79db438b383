"""Which tensors of a file are a network's, and what is said of the others."""

import copy
import re

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import crosspool
from crosspool.backbones import load, load_backbone, spec_of
from crosspool.backbones.checkpoints import read_checkpoint
from crosspool.backbones.fitting import fit
from crosspool.errors import BackboneError, ModelError, WeightsWarning
from tests.backbones.files import prefixed, save
from tests.networks import sample, small_network, spec_for

SPEC = spec_for(small_network)


@pytest.fixture
def state():
    torch.manual_seed(3)
    return small_network().state_dict()


def loaded(content, path):
    return load(SPEC, save(content, path), "cpu")


def expect_weights(backbone, state):
    for name, value in backbone.model.state_dict().items():
        assert torch.equal(value, state[name]), name


# --- wrappers and prefixes, of which there is no list


@pytest.mark.filterwarnings("error::crosspool.errors.WeightsWarning")
@pytest.mark.parametrize("key", ["model_state_dict", "net", "weights", "model_ema", "network.generator"])
@pytest.mark.parametrize(
    "prefix", ["", "module.", "model.", "backbone.", "_orig_mod.", "module._orig_mod.model.backbone.", "encoder.0."]
)
def test_wrappers_and_prefixes_are_seen_through(tmp_path, state, key, prefix):
    expect_weights(loaded({key: prefixed(state, prefix), "epoch": 3}, tmp_path / "own.pt"), state)


@pytest.mark.filterwarnings("error::crosspool.errors.WeightsWarning")
def test_wrappers_of_parts_are_seen_through(tmp_path, state):
    parts = {name.replace("second.", "second._orig_mod."): value for name, value in state.items()}
    expect_weights(loaded(parts, tmp_path / "parts.pt"), state)
    parts = {name.replace("first.", "first.module."): value for name, value in state.items()}
    expect_weights(loaded(parts, tmp_path / "parts.safetensors"), state)


@pytest.mark.filterwarnings("error::crosspool.errors.WeightsWarning")
def test_a_network_saved_whole(tmp_path):
    network = nn.Sequential()
    network.add_module("first", nn.Conv2d(3, 4, 5, stride=16))
    network.add_module("second", nn.Conv2d(4, 5, 3, padding=1))
    network.add_module("last", nn.Linear(5, 2))
    with pytest.warns(WeightsWarning, match="left out objects of type"):
        backbone = loaded(network, tmp_path / "own.pt")
    expect_weights(backbone, network.state_dict())


def test_averaged_weights_are_read_where_there_are_no_others(tmp_path, state):
    averaged = AveragedModel(small_network())
    averaged.module.load_state_dict(state)
    with pytest.warns(WeightsWarning, match="left out .*n_averaged"):
        expect_weights(loaded({"ema": averaged.state_dict()}, tmp_path / "own.pt"), state)
    others = {name: value + 1 for name, value in state.items()}
    for content in ({"model_ema": others, "model": state}, {"model": state, "model_ema": others}):
        with pytest.warns(WeightsWarning, match=r"^own\.pt: left out model_ema \(6 tensors\)\.$"):
            expect_weights(loaded(content, tmp_path / "own.pt"), state)


def test_what_was_left_out_is_said(tmp_path, state):
    network = small_network()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    network(torch.zeros(1, 3, 64, 64)).sum().backward()
    optimizer.step()
    content = {
        "state_dict": {**prefixed(state, "model."), "criterion.weight": torch.ones(2)},
        "optimizer": optimizer.state_dict(),
        "a": torch.ones(1), "b": torch.ones(1), "c": torch.ones(1),
    }  # fmt: skip
    sentence = r"^own\.ckpt: left out state_dict\.criterion, optimizer \(6 tensors\), a and 2 others\.$"
    with pytest.warns(WeightsWarning, match=sentence):
        expect_weights(loaded(content, tmp_path / "own.ckpt"), state)


@pytest.mark.parametrize(
    "counts",
    [
        {"total_ops": torch.zeros(1), "total_params": torch.zeros(1)},
        {"first.total_ops": torch.zeros(1), "last.total_params": torch.zeros(1)},
        {"first.total_ops": torch.zeros(1), "second.total_ops": torch.zeros(1)},
    ],
)
def test_counts_of_a_profiler_are_left_out(tmp_path, state, counts):
    with pytest.warns(WeightsWarning, match="left out total_ops"):
        expect_weights(loaded({**state, **counts}, tmp_path / "own.pt"), state)


# --- the head


def test_maps_need_no_head(tmp_path, state):
    body = {name: value for name, value in state.items() if not name.startswith("last.")}
    with pytest.warns(WeightsWarning, match=r"it has no layer last of the right shape, so it has maps but no classes"):
        backbone = loaded(body, tmp_path / "own.pt")
    whole = loaded(state, tmp_path / "whole.pt")
    assert torch.equal(backbone.activations(sample()).upper, whole.activations(sample()).upper)
    sentence = r"tiny with own\.pt names no classes without last; choose weights that have it"
    for use in (backbone.predict, lambda image: crosspool.own_classifier(backbone)):
        with pytest.raises(BackboneError, match=sentence):
            use(sample())
    with pytest.raises((BackboneError, ModelError), match=r"(without|layer) last"):
        crosspool.channel_classes(backbone)


def test_without_a_head_a_network_whose_classes_are_maps_has_the_maps_before(tmp_path):
    state = {k: v for k, v in spec_of("squeezenet1_1").build(7).state_dict().items() if "classifier" not in k}
    with pytest.warns(WeightsWarning, match=r"no layer classifier\.1"):
        backbone = load_backbone("squeezenet1_1", save(state, tmp_path / "own.pt"), "cpu")
    assert backbone.activations(sample(), backbone.layer_pairs[-2], 128).upper.shape[0] == 1
    with pytest.raises(
        BackboneError,
        match=r"has no layer classifier\.1 of the right shape for squeezenet1_1.* choose an earlier layer pair",
    ):
        backbone.activations(sample(), size=128)


def renamed_head(state, weight, bias):
    body = {name: value for name, value in state.items() if not name.startswith("last.")}
    return {**body, weight: state["last.weight"], bias: state["last.bias"]}


@pytest.mark.parametrize("layer", ["last.1", "last.0", "last.head.fc"])
def test_a_head_after_dropout_is_the_head(tmp_path, state, layer):
    with pytest.warns(WeightsWarning, match=rf"its layer {re.escape(layer)} is read as last"):
        backbone = loaded(renamed_head(state, f"{layer}.weight", f"{layer}.bias"), tmp_path / "own.pt")
    expect_weights(backbone, state)
    assert backbone.predict(sample()) == loaded(state, tmp_path / "whole.pt").predict(sample())


def test_a_layer_in_place_of_dropout_and_layer_is_the_head(tmp_path):
    network = spec_of("mobilenet_v2").build(3)
    network.classifier = nn.Linear(1280, 3)
    with pytest.warns(WeightsWarning, match=r"its layer classifier is read as classifier\.1"):
        backbone = load_backbone("mobilenet_v2", save(network.state_dict(), tmp_path / "own.pt"), "cpu")
    assert torch.equal(backbone.model.state_dict()["classifier.1.weight"], network.classifier.weight)


def test_a_head_of_several_layers_is_left_out_whole(tmp_path, state):
    head = {"last.0.weight": torch.ones(8, 5), "last.0.bias": torch.ones(8), "last.2.weight": torch.ones(2, 8)}
    body = {name: value for name, value in state.items() if not name.startswith("last.")}
    with pytest.warns(WeightsWarning, match="it has no layer last of the right shape"):
        backbone = loaded({**body, **head}, tmp_path / "own.pt")
    with pytest.raises(BackboneError, match=r"(without|layer) last"):
        backbone.predict(sample())


def test_a_head_without_outputs_is_none(tmp_path, state):
    content = state | {name: state[name][:0] for name in ("last.weight", "last.bias")}
    with pytest.warns(WeightsWarning, match="it has no layer last of the right shape"):
        loaded(content, tmp_path / "own.pt")


def test_a_head_without_a_bias_adds_nothing(tmp_path, state):
    del state["last.bias"]
    with pytest.warns(WeightsWarning, match="its layer last has no bias"):
        backbone = loaded(state, tmp_path / "own.pt")
    assert backbone.model.state_dict()["last.bias"].tolist() == [0, 0]
    assert len(backbone.predict(sample())[0]) == 2


def test_a_head_under_another_name_is_named_and_left_out(tmp_path, state):
    content = renamed_head(state, "classifier.weight", "classifier.bias")
    with pytest.warns(WeightsWarning, match=r"left out classifier \(2 tensors\); it has no layer last"):
        loaded(content, tmp_path / "own.pt")


# --- what does not fit


def deeper_network():
    network = small_network()
    network.second = nn.Sequential(nn.Conv2d(4, 5, 3, padding=1), nn.Conv2d(5, 5, 1))
    return network


@pytest.mark.parametrize("extra", ["second.lora_A", "first.se.weight", "second.1.weight"])
def test_what_the_body_does_not_have_is_refused(tmp_path, state, extra):
    with pytest.raises(BackboneError, match=rf"does not fit tiny: .*the file has {extra} of 4×4\)"):
        loaded({**state, extra: torch.ones(4, 4)}, tmp_path / "own.pt")


def test_a_deeper_network_of_the_same_names_is_refused_and_named(tmp_path):
    """A ResNet-34 has all tensors of a ResNet-18."""
    state = spec_of("resnet34").build(5).state_dict()
    path = save({"state_dict": prefixed(state, "model.")}, tmp_path / "own.pt")
    sentence = (
        r"^own\.pt does not fit resnet18: names or shapes differ \(the file has layer1\.2\.conv1\.weight of 64×64×3×3, "
        r"layer1\.2\.bn1\.weight of 64, layer1\.2\.bn1\.bias of 64 and \d+ others\); it fits resnet34: choose that "
        r"network\.$"
    )
    with pytest.raises(BackboneError, match=sentence):
        load_backbone("resnet18", path, "cpu")


def test_names_of_both_sides_and_the_network_that_fits(tmp_path):
    state = spec_of("mobilenet_v3_small").build(3).state_dict()
    body = {name: value for name, value in state.items() if not name.startswith("classifier.")}
    path = save({"ema": body, "raw": {name: value * 2 for name, value in body.items()}}, tmp_path / "own.pt")
    with pytest.raises(BackboneError) as raised:
        load_backbone("squeezenet1_1", path, "cpu")
    sentence = str(raised.value)
    assert (
        "the network has features.0.weight of 64×3×3×3, features.0.bias of 64, features.3.squeeze.weight of" in sentence
    )
    assert "the file has ema.features.0.0.weight of 16×3×3×3, " in sentence
    assert sentence.endswith("; it fits mobilenet_v3_small: choose that network.")


def test_where_no_network_fits_the_sentence_says_what_to_do(tmp_path):
    path = save({"weight": torch.ones(3)}, tmp_path / "own.pt")
    with pytest.raises(BackboneError, match=r"the file has weight of 3\); train or export it for this architecture\.$"):
        fit(spec_of("squeezenet1_1"), read_checkpoint(path), [spec_of("squeezenet1_0")])


# --- names of classes


def test_names_come_from_the_checkpoint_where_they_are_as_many(tmp_path, state):
    assert loaded({"state_dict": state, "classes": ["ant", "bee"]}, tmp_path / "own.pt").classes == ("ant", "bee")
    numbered = loaded({"state_dict": state, "classes": ["ant", "bee", "cat"]}, tmp_path / "own.pt")
    assert numbered.classes == ("class 0", "class 1")


def test_as_many_outputs_as_the_pretrained_network_are_no_reason_for_its_names(tmp_path, state):
    assert loaded(state, tmp_path / "own.pt").classes == ("class 0", "class 1")
    state = spec_of("squeezenet1_1").build(1000).state_dict()
    backbone = load_backbone("squeezenet1_1", save(state, tmp_path / "own.pt"), "cpu")
    assert backbone.classes[:2] == ("class 0", "class 1")


def test_a_copy_of_the_pretrained_file_has_the_pretrained_names(tmp_path):
    published = crosspool.backbone_specs()["efficientnet_lite0"]
    copied = tmp_path / "copy.pth"
    copied.write_bytes(published.weights.path.read_bytes())
    assert load_backbone("efficientnet_lite0", copied, "cpu").classes == published.classes()
    changed = copy.copy(read_checkpoint(copied).tensors)
    backbone = load_backbone("efficientnet_lite0", save(changed, tmp_path / "again.pt"), "cpu")
    assert backbone.classes[0] == "class 0"


def test_names_from_a_file(tmp_path, state):
    path, names = save(state, tmp_path / "own.pt"), tmp_path / "names.txt"
    names.write_text("\ufefffire ant\n bee \n\n", encoding="utf-8")
    assert load(SPEC, path, "cpu", names).classes == ("fire ant", "bee")
    for text, sentence in (
        ("ant\n", r"names\.txt has 1 names, but the network has 2 outputs; write one name a line"),
        ("ant\nbee\ncat\n", "has 3 names"),
    ):
        names.write_text(text)
        with pytest.raises(BackboneError, match=sentence):
            load(SPEC, path, "cpu", names)
    names.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BackboneError, match=r"names\.txt is not a text in UTF-8"):
        load(SPEC, path, "cpu", names)
    with pytest.raises(BackboneError, match="was not found"):
        load(SPEC, path, "cpu", tmp_path / "none.txt")
    with pytest.raises(BackboneError, match="cannot be read"):
        load(SPEC, path, "cpu", tmp_path)
