"""The classes of a channel: literal weights, and that weight times mean adds up to the network's own scores."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import crosspool
from crosspool.backbones.backbone import Backbone
from crosspool.channel_meaning import channel_classes, classes_or_reason
from crosspool.errors import ModelError, SettingError
from tests.networks import Net, sample, small_network, spec_for

CLASSES = ("ant", "bee", "cat")


def backbone_of(network, classes=CLASSES):
    """The network as a backbone, with the weights that it has."""
    spec = spec_for(lambda: network, classes=classes)
    return Backbone.from_state(spec, network.state_dict(), classes, weights="untrained", device=torch.device("cpu"))


def branches():
    """Two convolutions over one map, whose outputs are joined and averaged."""
    torch.manual_seed(0)
    return Net(
        lambda net, x: net.last(joined_branches(net, net.first(x).relu()).mean((2, 3))),
        first=nn.Conv2d(3, 4, 5, stride=16),
        left=nn.Conv2d(4, 2, 1),
        right=nn.Conv2d(4, 3, 1),
        last=nn.Linear(5, 3),
    )


def joined_branches(net, x):
    return torch.cat([F.relu(net.left(x)), torch.cat([F.relu(net.right(x))], 1)], 1)


def by_hand():
    """The small network, whose last layer has these weights."""
    network = small_network()
    network.last = nn.Linear(5, 3)
    weights = [[0.0, 1.0, -2.0, 0.5, 0.0], [3.0, 0.0, -1.0, 0.25, 0.0], [-1.0, 2.0, -3.0, 0.75, 0.0]]
    network.last.weight = nn.Parameter(torch.tensor(weights))
    return network


def test_the_strongest_classes_come_first_and_weights_of_zero_not_at_all():
    meaning = channel_classes(backbone_of(by_hand()))
    assert meaning.speaks_for(0) == [("bee", 3.0)]
    assert meaning.speaks_against(0) == [("cat", -1.0)]
    assert meaning.speaks_for(1) == [("cat", 2.0), ("ant", 1.0)]
    assert meaning.speaks_against(2, count=2) == [("cat", -3.0), ("ant", -2.0)]
    assert meaning.speaks_for(3, count=1) == [("cat", 0.75)]
    assert meaning.speaks_for(4) == meaning.speaks_against(4) == []


@pytest.mark.parametrize("channel", [-1, 5])
def test_a_channel_that_there_is_not(channel):
    meaning = channel_classes(backbone_of(by_hand()))
    for listed in (meaning.speaks_for, meaning.speaks_against, meaning.as_json):
        with pytest.raises(SettingError, match=f"There is no channel {channel}: the channels are 0 to 4"):
            listed(channel)


def test_a_table_and_json_list_them_with_their_weights():
    meaning = channel_classes(backbone_of(by_hand()))
    assert meaning.table(count=2).speaks_for.tolist() == [
        "bee 3.000",
        "cat 2.000; ant 1.000",
        "",
        "cat 0.750; ant 0.500",
        "",
    ]
    assert meaning.table().speaks_against[2] == "cat -3.000; ant -2.000; bee -1.000"
    assert meaning.as_json(0) == {
        "for": [{"class": "bee", "weight": 3.0}],
        "against": [{"class": "cat", "weight": -1.0}],
    }


def test_an_untrained_network_has_nothing_to_tell():
    backbone = backbone_of(by_hand())
    reason = classes_or_reason(backbone, backbone.architecture.default_pair)
    assert isinstance(reason, str)
    assert "untrained" in reason


@pytest.mark.parametrize("network", [by_hand, branches])
def test_weight_times_mean_adds_up_to_the_score_and_is_the_contribution(network):
    backbone = backbone_of(network())
    pairs = backbone.layer_pairs[-2:] if network is branches else backbone.layer_pairs[-1:]
    means = [backbone.activations(sample(), pair).upper[0].mean((1, 2)).double().numpy() for pair in pairs]
    products = np.hstack(
        [channel_classes(backbone, pair).weights * mean for pair, mean in zip(pairs, means, strict=True)]
    )
    explanation = crosspool.explain(crosspool.own_classifier(backbone), backbone, sample())
    for index, label in enumerate(CLASSES):
        contributions = explanation.contributions(label)
        np.testing.assert_allclose(products[index], contributions.channels, rtol=1e-4, atol=1e-6)
        assert products[index].sum() + contributions.intercept == pytest.approx(contributions.score, rel=1e-4)


def test_a_channel_of_a_network_whose_last_map_is_its_classes_speaks_for_one():
    """As in SqueezeNet."""
    network = Net(
        lambda net, x: net.second(net.first(x).relu()).relu().mean((2, 3)),
        first=nn.Conv2d(3, 4, 5, stride=16),
        second=nn.Conv2d(4, 3, 1),
    )
    meaning = channel_classes(backbone_of(network))
    assert [meaning.speaks_for(k) for k in range(3)] == [[("ant", 1.0)], [("bee", 1.0)], [("cat", 1.0)]]
    assert meaning.speaks_against(1) == []


def test_where_the_classes_read_something_else_a_sentence_says_so():
    backbone = crosspool.load_backbone()
    with pytest.raises(
        ModelError, match=r"EfficientNet-Lite0 read the mean of another map than that of .*project_conv"
    ):
        channel_classes(backbone, "blocks.4.project_conv")
    with pytest.raises(ModelError, match="last layer does not read the mean of a map"):
        channel_classes(crosspool.load_backbone("mobilenet_v3_small", "untrained"))
    with pytest.raises(ModelError, match="read the mean of another map"):
        channel_classes(crosspool.load_backbone("resnet18", "untrained"))  # after a sum


def test_a_network_whose_map_can_be_negative_has_them_too():
    """The mean that its classes read is that of the signed map."""
    backbone = crosspool.load_backbone("efficientnet_b0", "untrained")
    mean = backbone.activations(sample(), size=128, signed=True).upper[0].mean((1, 2))
    scores = crosspool.own_classifier(backbone, 128).scores([sample()], backbone)[0]
    bias = backbone.model.state_dict()["classifier.1.bias"].numpy()
    np.testing.assert_allclose(channel_classes(backbone).weights @ mean.numpy() + bias, scores, rtol=1e-3, atol=1e-5)
