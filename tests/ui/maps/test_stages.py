"""The stages of networks: literal ones of AlexNet and of a tiny network, and what holds for every network."""

import pytest
from torch import nn

from crosspool.backbones import architecture, backbone_specs
from crosspool.backbones.structure import Architecture
from crosspool.ui.maps.stages import PairBlock, Stage, network_stages
from tests.networks import spec_for


def in_short(stages):
    return [(stage.title, len(stage.pairs), stage.recommended.id, stage.recommended.words) for stage in stages]


def test_alexnet():
    assert network_stages(architecture("alexnet"), 224) == (
        Stage("Early layers", (PairBlock("features.3", "conv1 → conv2", 64, 192, (27, 27), (27, 27)),)),
        Stage(
            "Last layers",
            (
                PairBlock("features.6", "conv2 → conv3", 192, 384, (13, 13), (13, 13)),
                PairBlock("features.8", "conv3 → conv4", 384, 256, (13, 13), (13, 13)),
                PairBlock("features.10", "conv4 → conv5", 256, 256, (13, 13), (13, 13)),
            ),
        ),
        Stage(
            "Fully-connected layers",
            (
                PairBlock("classifier.1", "conv5 → fc6", 256, 4096, (6, 6), (1, 1)),
                PairBlock("classifier.4", "fc6 → fc7", 4096, 4096, (1, 1), (1, 1)),
            ),
        ),
    )


def test_dense_layers_are_the_last_stage_where_the_input_is_large_enough():
    assert in_short(network_stages(architecture("alexnet"), 448))[1:] == [
        ("Last layers", 3, "features.10", "256 → 256 maps, 27×27"),
        ("Fully-connected layers", 2, "classifier.4", "4,096 → 4,096 maps, 8×8"),
    ]
    assert [stage.title for stage in network_stages(architecture("alexnet"), 128)] == ["Early layers", "Last layers"]


def test_a_tiny_network_at_twice_its_size():
    """An input of 128 pixels: 32 cells a side, 30 without padding, which is one stage, and 8."""
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.Conv2d(5, 6, 3),
        nn.Conv2d(6, 7, 4, stride=4, padding=2),
    )
    network = Architecture(spec_for(lambda: layers), 2)
    assert in_short(network_stages(network, 128)) == [
        ("Early layers", 2, "2", "5 → 6 maps, 30×30"),
        ("Last layers", 1, "3", "6 → 7 maps, 8×8"),
    ]
    assert in_short(network_stages(network, 256)) == [
        ("Early layers", 2, "2", "5 → 6 maps, 62×62"),
        ("Last layers", 1, "3", "6 → 7 maps, 16×16"),
    ]


def test_the_default_network():
    assert in_short(network_stages(architecture("efficientnet_lite0"), 224)) == [
        ("First layers", 2, "blocks.1.expand_conv", "16 → 96 maps, 112×112"),
        ("Early layers", 4, "blocks.3.expand_conv", "24 → 144 maps, 56×56"),
        ("Middle layers", 4, "blocks.5.expand_conv", "40 → 240 maps, 28×28"),
        ("Late layers", 12, "blocks.11.expand_conv", "112 → 672 maps, 14×14"),
        ("Last layers", 10, "conv_head", "320 → 1,280 maps, 7×7"),
    ]


@pytest.mark.parametrize("name", ["densenet121", "inception_v3", "regnet_y_400mf", "squeezenet1_1", "convnext_tiny"])
def test_every_pair_is_in_one_stage_and_the_last_one_is_recommended(name):
    network = architecture(name)
    stages = network_stages(network, backbone_specs()[name].preprocessing.size)
    assert 1 <= len(stages) <= 5
    ids = [pair.id for stage in stages for pair in stage.pairs]
    assert sorted(ids) == sorted(pair.id for pair in network.layer_pairs)
    assert stages[-1].recommended.id == network.default_pair.id
    sides = [max(stage.recommended.upper_size) for stage in stages]
    assert sides == sorted(sides, reverse=True)
