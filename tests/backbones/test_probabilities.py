"""Classes in the order of their scores; a probability where softmax has none to give."""

import math

import pytest
import torch
from torch import nn

import crosspool
from crosspool.backbones.backbone import Backbone
from crosspool.backbones.probabilities import class_probabilities
from tests.networks import Net, sample, spec_for


def scorer(*biases):
    """A network that gives these scores whatever the image is."""
    last = nn.Linear(5, len(biases))
    nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor(biases)
    network = Net(
        lambda net, x: net.last(net.second(net.first(x).relu()).relu().mean((2, 3))),
        first=nn.Conv2d(3, 4, 5, stride=16),
        second=nn.Conv2d(4, 5, 3, padding=1),
        last=last,
    )
    names = tuple(f"class {number}" for number in range(len(biases)))
    spec = spec_for(lambda: network, classes=names)
    return Backbone.from_state(spec, network.state_dict(), names, weights="own.pt", device=torch.device("cpu"))


@pytest.mark.parametrize(("score", "probability"), [(0.0, 0.5), (math.log(3), 0.75), (-math.log(9), 0.1), (200.0, 1.0)])
def test_of_a_single_output_it_is_the_sigmoid(score, probability):
    ((label, value),) = scorer(score).predict(sample())[0]
    assert (label, value) == ("class 0", pytest.approx(probability))


def test_of_several_outputs_it_is_the_softmax():
    assert class_probabilities(torch.tensor([[0.0, math.log(3)]])).tolist() == [pytest.approx([0.25, 0.75])]


@pytest.mark.parametrize(
    ("scores", "order"),
    [
        ([1e6, 3e6, 2e6, 0.0], [1, 2, 0, 3]),  # all but one probability are 0
        ([0.0, 1e-8, 3e-8, 2e-8], [2, 3, 1, 0]),  # all are 0.25 in single precision
        ([5.0, 7.0, 7.0, 5.0], [1, 2, 0, 3]),  # the first of equal ones first
    ],
    ids=["large", "near", "equal"],
)
def test_classes_are_ranked_by_scores(scores, order):
    backbone = scorer(*scores)
    labels = [label for label, _ in backbone.predict(sample(), 4)[0]]
    assert labels == [f"class {number}" for number in order]
    explanation = crosspool.explain(crosspool.own_classifier(backbone), backbone, sample())
    assert explanation.predicted == labels[0]
    assert (-explanation.scores).argsort(kind="stable").tolist() == order


def test_no_more_classes_than_there_are():
    assert len(scorer(1.0, 2.0).predict(sample(), 5)[0]) == 2
