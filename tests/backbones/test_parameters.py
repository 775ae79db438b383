"""Numbers that no network computes with are refused, with the name of their tensor."""

import pytest
import torch
from torch import nn

from crosspool.backbones import load, load_backbone, spec_of
from crosspool.errors import BackboneError
from tests.backbones.files import save
from tests.networks import Net, sample, small_network, spec_for

INF, NAN = float("inf"), float("nan")


def with_norm():
    return Net(
        lambda net, x: net.last(net.second(net.norm(net.first(x)).relu()).relu().mean((2, 3))),
        first=nn.Conv2d(3, 4, 5, stride=16),
        norm=nn.BatchNorm2d(4),
        second=nn.Conv2d(4, 5, 3, padding=1),
        last=nn.Linear(5, 2),
    )


@pytest.mark.parametrize(
    ("name", "number", "problem"),
    [
        ("first.weight", NAN, "holds NaN"),
        ("first.weight", INF, "holds numbers that are infinite"),
        ("last.bias", -INF, "holds numbers that are infinite"),
        ("norm.running_mean", NAN, "holds NaN"),
        ("norm.running_var", INF, "holds numbers that are infinite"),
        ("norm.running_var", -1.0, "is a variance with negative numbers"),
        ("second.bias", NAN, "holds NaN"),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_one_such_number_is_refused(tmp_path, name, number, problem, suffix):
    state = with_norm().state_dict()
    state[name].view(-1)[-1] = number
    with pytest.raises(BackboneError, match=rf"^own{suffix} cannot be used: its tensor {name} {problem}[^.]*\.$"):
        load(spec_for(with_norm), save(state, tmp_path / f"own{suffix}"), "cpu")


def test_numbers_too_large_for_single_precision_are_refused(tmp_path):
    state = {name: value.double() for name, value in small_network().state_dict().items()}
    state["second.weight"][0, 0, 0, 0] = 1e300
    with pytest.raises(BackboneError, match=r"its tensor second\.weight holds numbers that .* too large for single"):
        load(spec_for(small_network), save(state, tmp_path / "own.pt"), "cpu")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda value: value.to(torch.int8), "holds int8 for floating-point numbers"),
        (lambda value: value.to(torch.complex64), "holds complex64 for floating-point numbers"),
        (lambda value: value.to_sparse(), "is a sparse or empty one"),
        (lambda value: value.to("meta"), "is a sparse or empty one"),
    ],
    ids=["integers", "complex", "sparse", "meta"],
)
def test_tensors_of_other_kinds_are_refused(tmp_path, change, problem):
    state = small_network().state_dict()
    state["second.weight"] = change(state["second.weight"])
    with pytest.raises(BackboneError, match=rf"its tensor second\.weight {problem}"):
        load(spec_for(small_network), save(state, tmp_path / "own.pt"), "cpu")


def test_maps_and_classes_that_are_not_finite_are_refused(tmp_path):
    """Each number is finite, but not what they make together."""
    state = small_network().state_dict()
    state = {name: torch.full_like(value, 1e30) for name, value in state.items()}
    backbone = load(spec_for(small_network), save(state, tmp_path / "own.pt"), "cpu")
    for compute in (backbone.activations, backbone.predict):
        with pytest.raises(BackboneError, match=r"weights from own\.pt gives numbers that are not finite; its weights"):
            compute(sample())


def test_a_real_network_with_one_nan(tmp_path):
    state = spec_of("mobilenet_v3_small").build(3).state_dict()
    state["features.1.block.1.fc1.bias"][2] = NAN
    with pytest.raises(BackboneError, match=r"its tensor features\.1\.block\.1\.fc1\.bias holds NaN"):
        load_backbone("mobilenet_v3_small", save(state, tmp_path / "own.pt"), "cpu")
