"""The experiments: literal numbers on one convolution, and what holds for which non-linearity on small networks."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from crosspool.backbones import load
from crosspool.pooling import cross_layer_pool
from crosspool.statistics import channel_statistics
from crosspool.ui.equation import case, experiments
from crosspool.ui.equation.case import EquationCase, equation_case
from crosspool.ui.equation.experiments import EXPERIMENTS, compare_arrays
from crosspool.ui.runtime.maps import ImageMaps
from tests.networks import Net, sample, spec_for
from tests.own_modules import Branching, Residual, Shared, Various, own_backbone
from tests.ui.equation.test_building import maps_of

# u(x) = 2x - 4 on one channel of 2 x 2 positions yields -2, 0, 2, 4.
LOWER = [[[1, 2], [3, 4]]]


def one_channel_case(activate, border="zero"):
    upper = activate(2 * torch.tensor([LOWER], dtype=torch.double) - 4)
    return EquationCase(
        maps=maps_of(LOWER, upper[0], border),
        border=border,
        channels=np.array([0]),
        lower=torch.tensor([LOWER], dtype=torch.double),
        upper=upper,
        counted=torch.ones(2, 2, dtype=torch.double),
        weight=torch.full((1, 1, 1, 1), 2.0, dtype=torch.double),
        bias=torch.tensor([-4.0], dtype=torch.double),
        activate=activate,
    )


def run(key, equation, position=(0, 0), seed=0):
    return EXPERIMENTS[key].run(equation, position, seed)


def test_all_ones_and_one_hot():
    (ones,) = run("ones", one_channel_case(F.relu))
    assert (ones.expected.tolist(), ones.outcome.tolist(), ones.difference) == ([10], [10], 0)
    (hot,) = run("one_hot", one_channel_case(F.relu), position=(1, 0))
    assert (hot.expected.tolist(), hot.outcome.tolist()) == ([3], [3])
    assert hot.claim.startswith("the patch at row 1, column 0")


def test_p_is_the_gradient_through_a_relu():
    computed_again, fixed, through = run("gradient", one_channel_case(F.relu))
    assert computed_again.agrees
    assert (fixed.expected.tolist(), fixed.outcome.tolist()) == ([22], [22])  # 2*3 + 4*4
    assert (through.expected.tolist(), through.outcome.tolist()) == ([22], [22])
    assert through.equal
    assert through.as_expected


def test_only_the_gradient_leaves_out_a_clipped_weight():
    """min(relu(u), 3) clips the last position: P = 2*3 + 3*4, and the gradient of half the square is 2*3."""
    _, fixed, through, slope = run("gradient", one_channel_case(lambda u: u.clamp(0, 3)))
    assert (fixed.expected.tolist(), fixed.outcome.tolist(), fixed.as_expected) == ([18], [18], True)
    assert (through.expected.tolist(), through.outcome.tolist()) == ([18], [6])
    assert (through.equal, through.agrees, through.as_expected) == (False, False, True)
    assert "slope is not 1 at 1 of 2 weights" in through.claim
    assert (slope.expected.tolist(), slope.outcome.tolist(), slope.as_expected) == ([6], [6], True)


def test_the_product_of_a_block_with_its_filter():
    (finding,) = run("filters", one_channel_case(F.relu))
    assert (finding.expected.tolist(), finding.outcome.tolist()) == ([44], [44])  # 2*6 + 4*8 and 2*22


def test_shuffling_only_the_weights_changes_p():
    alone = [run("alone", one_channel_case(F.relu), seed=seed)[0] for seed in range(10)]
    assert all(finding.as_expected for finding in alone)
    assert any(finding.outcome.tolist() != [22] for finding in alone)
    together = [run("together", one_channel_case(F.relu), seed=seed)[0] for seed in range(10)]
    assert all(finding.outcome.tolist() == [22] for finding in together)


def test_shuffling_a_constant_map_changes_nothing():
    (finding,) = run("alone", one_channel_case(torch.ones_like))
    assert (finding.equal, finding.agrees) == (True, True)


def test_a_wrong_claim_is_not_confirmed():
    """With filters or inputs that are not those of the convolution, no claim about them may hold."""
    right = one_channel_case(F.relu)
    wrong = EquationCase(**{**vars(right), "weight": right.weight + 0.5})
    (finding,) = run("filters", wrong)
    assert finding.outcome.tolist() == [55]  # 2.5 * 22
    computed_again, *_ = run("gradient", wrong)
    assert not computed_again.as_expected
    broken = EquationCase(**{**vars(right), "lower": right.lower + 1})  # pools other patches than those of the maps
    assert not run("ones", broken)[0].as_expected
    assert not run("one_hot", broken)[0].as_expected


def test_a_comparison_keeps_the_largest_and_most_different_entries():
    first = np.arange(10_000.0)
    second = first.copy()
    second[7] = -1.0
    finding = compare_arrays("c", first, second)
    assert (finding.difference, finding.largest, finding.agrees) == (8.0, 9999.0, False)
    assert len(finding.expected) <= experiments.COMPARED_ENTRIES
    assert {7.0, 9999.0} <= set(finding.expected.tolist())
    assert compare_arrays("zeros", np.zeros(3), np.zeros(3)).agrees


# --- real pairs: the activation that the network has

ACTIVATIONS = {
    "relu": (nn.ReLU(), True),
    "clipped": (nn.Hardtanh(0, 0.004), False),
    "leaky": (nn.LeakyReLU(), True),  # rectified, it is a ReLU
    "silu": (nn.SiLU(), False),
}


def images_maps(backbone, pair, border="zero", signed=False):
    activations = backbone.activations(sample(), pair, 128, signed=signed)
    pooled = cross_layer_pool(activations.lower, activations.upper, **pair.geometry, border=border)[0]
    statistics = channel_statistics(activations.upper[0], pooled)
    return ImageMaps(
        pair,
        activations.framed[0],
        activations.lower[0].numpy(),
        activations.upper[0].numpy(),
        statistics,
        signed,
        border,
    )


def network(join, activation=None):
    return load(
        spec_for(
            lambda: Net(
                join,
                first=nn.Conv2d(3, 4, 5, stride=16),
                second=nn.Conv2d(4, 5, 3, padding=1, bias=False),
                norm=nn.BatchNorm2d(5),
                activation=activation or nn.Identity(),
                last=nn.Linear(5, 2),
            )
        ),
        "untrained",
        "cpu",
    )


def with_module(net, x):
    return net.last(net.activation(net.norm(net.second(net.first(x).relu()))).mean((2, 3)))


def with_method(net, x):
    return net.last(net.norm(net.second(net.first(x).relu())).relu().mean((2, 3)))


def with_function(net, x):
    return net.last(F.relu6(net.norm(net.second(net.first(x).relu()))).mean((2, 3)))


CASES = [(with_module, module, equal) for module, equal in ACTIVATIONS.values()] + [
    (with_module, None, True),
    (with_method, None, True),
    (with_function, None, True),  # nothing reaches 6
]


@pytest.mark.parametrize("border", ["zero", "valid"])
@pytest.mark.parametrize(("join", "activation", "equal"), CASES)
def test_every_experiment_comes_out_as_expected(join, activation, equal, border):
    backbone = network(join, activation)
    (pair,) = backbone.layer_pairs
    maps = images_maps(backbone, pair, border)
    equation = equation_case(maps, backbone, 128, border, signed=False)
    assert equation.channels.tolist() == list(range(5))
    for key in EXPERIMENTS:
        for position in ((0, 0), (2, 3)):
            for finding in run(key, equation, position, seed=3):
                assert finding.as_expected, (key, finding)
                assert finding.largest > 0 or key == "one_hot"
    assert [finding.equal for finding in run("gradient", equation)[:3]] == [True, True, equal]


@pytest.mark.parametrize(
    ("build", "pair_id"),
    [(Various, "left"), (Various, "right"), (Shared, "conv~2"), (Branching, "c"), (Residual, "head")],
)
def test_experiments_on_a_module_of_ones_own(build, pair_id):
    """Its convolution may be called as a function, called several times, or compute its weights."""
    backbone = own_backbone(build, size=128)
    pair = backbone.architecture.pair(pair_id)
    equation = equation_case(images_maps(backbone, pair, "zero"), backbone, 128, "zero", signed=False)
    assert [finding.as_expected for finding in run("gradient", equation)] == [True] * len(run("gradient", equation))


@pytest.mark.parametrize(("activation", "equal"), [(None, True), (nn.SiLU(), False), (nn.LeakyReLU(), False)])
def test_signed_weights(activation, equal):
    """Without a non-linearity signed A = u(X), of slope 1 everywhere; the second slope of a LeakyReLU matters again."""
    backbone = network(with_module, activation)
    (pair,) = backbone.layer_pairs
    equation = equation_case(images_maps(backbone, pair, signed=True), backbone, 128, "zero", signed=True)
    assert (equation.upper < 0).any()
    gradient = run("gradient", equation)
    assert gradient[2].equal == equal
    assert all(finding.as_expected for key in EXPERIMENTS for finding in run(key, equation, (1, 1)))


def test_only_the_strongest_maps_are_tried_if_all_would_take_too_long(monkeypatch):
    backbone = network(with_method)
    (pair,) = backbone.layer_pairs
    maps = images_maps(backbone, pair)
    monkeypatch.setattr(case, "MULTIPLICATIONS", 2 * maps.upper[0].size * pair.patch_length)
    monkeypatch.setattr(experiments, "MAX_UNFOLDED_NUMBERS", 1)
    equation = equation_case(maps, backbone, 128, "zero", signed=False)
    assert set(equation.channels) == set(np.argsort(-maps.statistics.energy_share)[:2])
    assert all(finding.as_expected for key in EXPERIMENTS for finding in run(key, equation, (1, 1)))
