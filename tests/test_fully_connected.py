"""Fully-connected layers: which ones networks have, and the same applied densely, against slow loops."""

import numpy as np
import pytest
import torch
from torch import nn

import crosspool
from crosspool.backbones import UNTRAINED, architecture, load, load_backbone
from crosspool.errors import BackboneError, LayerPairError, WeightsWarning
from crosspool.framing import Source, frame_image, to_tensor
from crosspool.fully_connected import FullyConnected, fully_connected_layers, hidden_layers
from crosspool.layer_pairs import LayerPair
from crosspool.records import compute_record
from crosspool.tracing import run_graph, trace_layout
from tests.networks import Net, hidden_network, sample, spec_for


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu")


# --- those that networks have


# Of each layer: its module, its name for people, and what yields its activation.
LAYERS = {
    "alexnet": [
        ("input", "pooled input", "Dropout"),
        ("classifier.1", "fc6", "ReLU"),
        ("classifier.4", "fc7", "ReLU"),
        ("classifier.6", "fc8", "Linear"),
    ],
    "vgg16": [
        ("input", "pooled input", "flatten"),
        ("classifier.0", "fc6", "ReLU"),
        ("classifier.3", "fc7", "ReLU"),
        ("classifier.6", "fc8", "Linear"),
    ],
    "resnet18": [("input", "pooled input", "flatten"), ("fc", "fc", "Linear")],
    "mobilenet_v3_small": [
        ("input", "pooled input", "flatten"),
        ("classifier.0", "classifier.0", "Hardswish"),
        ("classifier.3", "classifier.3", "Linear"),
    ],
    "convnext_tiny": [("input", "pooled input", "Flatten"), ("classifier.2", "classifier.2", "Linear")],
    "efficientnet_lite0": [("input", "pooled input", "Dropout"), ("fc", "fc", "Linear")],
    "squeezenet1_0": [("output", "class scores", "flatten")],
}


def what_yields(layout, name):
    node = layout.node(name)
    modules = dict(layout.model.named_modules())
    return type(modules[str(node.target)]).__name__ if node.op == "call_module" else node.target.__name__


@pytest.mark.parametrize("name", LAYERS)
def test_the_layers_of_networks(name):
    layout = architecture(name).layout()
    found = fully_connected_layers(layout)
    assert [(layer.id, layer.label, what_yields(layout, layer.node)) for layer in found] == LAYERS[name]
    for layer in found:  # one vector an image
        assert len(layout.shapes[layer.node]) == 2


@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("alexnet", [9216, 4096, 4096, 1000]),
        ("vgg16", [25088, 4096, 4096, 1000]),
        ("resnet18", [512, 1000]),
        ("squeezenet1_0", [1000]),
    ],
)
@pytest.mark.parametrize("size", [None, 192])
def test_the_lengths_of_their_vectors_do_not_depend_on_the_input(name, lengths, size):
    layout = architecture(name).layout(size)
    assert [layout.shapes[layer.node][1] for layer in fully_connected_layers(layout)] == lengths


def array_of(backbone, node, size=128):
    source = Source(node, size, "whole", "squash")
    return compute_record(backbone, sample(), [source])[source]


def test_the_input_of_lite0s_layer_is_the_mean_of_its_last_upper_map(lite0):
    inside, outside = fully_connected_layers(lite0.architecture.layout())
    upper = array_of(lite0, lite0.architecture.default_pair.upper)
    np.testing.assert_allclose(array_of(lite0, inside.node), upper.mean((2, 3)), rtol=1e-4, atol=1e-5)
    assert outside == FullyConnected("fc", "fc", "fc")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "mobilenet_v3_small", "squeezenet1_1"])
def test_the_map_of_an_averaged_activation_has_it_as_its_mean(name):
    backbone = load_backbone(name, "untrained", "cpu")
    layer = fully_connected_layers(backbone.architecture.layout())[0]
    averaged = array_of(backbone, layer.map).mean((2, 3))
    np.testing.assert_allclose(array_of(backbone, layer.node), averaged, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["alexnet", "convnext_tiny"])  # their averages keep 6x6 cells, or are normalised
def test_other_inputs_are_no_average(name):
    assert {layer.map for layer in fully_connected_layers(architecture(name).layout())} == {None}


def test_activations_are_those_of_the_network_itself(lite0):
    """Seen by hooks on the network as it runs by itself."""
    seen: dict[str, torch.Tensor] = {}
    batch = to_tensor([frame_image(sample(), lite0.spec.preprocessing, 128, "squash")], lite0.spec.preprocessing)
    hook = lite0.model.fc.register_forward_hook(lambda _, args, output: seen.update(input=args[0], fc=output))
    with torch.no_grad():
        lite0.model(batch)
    hook.remove()
    for layer in fully_connected_layers(lite0.architecture.layout()):
        np.testing.assert_allclose(array_of(lite0, layer.node), seen[layer.id].numpy(), rtol=1e-3, atol=1e-4)


def test_linear_layers_on_maps_are_not_fully_connected_layers():
    """ConvNeXt's blocks have them, on every position."""
    layout = architecture("convnext_tiny").layout()
    linear = [name for name, module in layout.model.named_modules() if isinstance(module, nn.Linear)]
    assert len(linear) > 1
    assert [layer.id for layer in fully_connected_layers(layout)] == ["input", linear[-1]]


# --- applied densely


@pytest.fixture(scope="module")
def tiny():
    return load(spec_for(hidden_network), UNTRAINED, "cpu")


def dense_pairs(structure):
    return [pair for pair in structure.layer_pairs if pair.is_dense]


def test_the_pairs_of_a_tiny_network(tiny):
    first, second = dense_pairs(tiny.architecture)
    assert first == LayerPair(
        id="classifier.1",
        label="conv2 → fc6",
        lower="features_4",
        upper="dense_classifier_2",
        lower_channels=3,
        upper_channels=5,
        kernel_size=(4, 4),
        stride=(1, 1),
        padding=(0, 0),
        dilation=(1, 1),
        activation="ReLU",
        is_dense=True,
    )
    assert (second.id, second.label, second.lower, second.kernel_size) == (
        "classifier.4", "fc6 → fc7", "dense_classifier_2", (1, 1),
    )  # fmt: skip
    assert tiny.architecture.map_sizes(first) == ((4, 4), (1, 1))
    assert tiny.architecture.map_sizes(second, 256) == ((5, 5), (5, 5))
    assert tiny.architecture.default_pair.id == "features.2"


@pytest.mark.parametrize("size", [128, 160, 256])
def test_dense_layers_are_the_usual_ones_at_every_window(tiny, size):
    """A slow loop: the window's numbers flattened, and the network's own layers after each other."""
    first, second = dense_pairs(tiny.architecture)
    lower, fc6 = (tiny.activations(sample(), first, size).lower, tiny.activations(sample(), first, size).upper)
    fc7 = tiny.activations(sample(), second, size).upper
    classifier = tiny.model.classifier
    assert fc6.shape[2] == lower.shape[2] - 3
    for row in range(fc6.shape[2]):
        for column in range(fc6.shape[3]):
            window = lower[:, :, row : row + 4, column : column + 4].flatten(1)
            with torch.no_grad():
                torch.testing.assert_close(fc6[:, :, row, column], classifier[:3](window), rtol=1e-5, atol=1e-6)
                torch.testing.assert_close(fc7[:, :, row, column], classifier[:6](window), rtol=1e-5, atol=1e-6)
    assert fc6.std() > 0
    assert fc7.std() > 0


@pytest.mark.parametrize("name", ["alexnet", "vgg11"])
def test_at_its_own_size_a_network_has_its_usual_activations(name):
    backbone = load_backbone(name, UNTRAINED, "cpu", engine="torch")
    pairs, (_, fc6, fc7, _) = dense_pairs(backbone.architecture), fully_connected_layers(backbone.architecture.layout())
    assert [pair.label.split(" → ")[1] for pair in pairs] == [fc6.label, fc7.label]
    assert [pair.id for pair in pairs] == [fc6.id, fc7.id]
    framed = frame_image(sample(), backbone.spec.preprocessing, 224)
    names = (fc6.node, fc7.node, *(pair.upper for pair in pairs))
    *usual, dense6, dense7 = backbone.outputs([framed], names)
    for vector, found in zip(usual, (dense6, dense7), strict=True):
        assert found.shape == (1, 4096, 1, 1)
        torch.testing.assert_close(found[:, :, 0, 0], vector, rtol=1e-5, atol=1e-5 * float(vector.abs().max()))
        assert vector.max() > 0


def test_geometry_and_receptive_fields_of_alexnets_dense_layers():
    structure = architecture("alexnet")
    fc6, fc7 = dense_pairs(structure)
    assert (fc6.label, fc6.kernel_size, fc6.patch_length, fc6.upper_channels) == ("conv5 → fc6", (6, 6), 9216, 4096)
    assert (fc7.label, fc7.kernel_size, fc7.patch_length, fc7.upper_channels) == ("fc6 → fc7", (1, 1), 4096, 4096)
    assert structure.map_sizes(fc6, 448) == ((13, 13), (8, 8))
    # conv5 behind its pooling has a field of 195 pixels and a step of 32, so that six of them have 195 + 5 * 32 = 355.
    rows, columns = structure.receptive_fields(fc6, 448)
    assert (rows[3][1] - rows[3][0], rows[4][0] - rows[3][0]) == (355, 32)
    assert structure.receptive_fields(fc7, 448) == (rows, columns)


def test_a_convolution_shares_the_layers_weight_and_nothing_is_computed_unless_asked(tiny):
    layout = tiny.architecture.layout(256)
    kernel = layout.node("dense_classifier_1_kernel")
    (view,) = run_graph(tiny.model, tiny.architecture.subgraph((kernel.name,), 256), torch.zeros(1, 3, 256, 256))
    assert view.shape == (5, 3, 4, 4)
    assert view.data_ptr() == tiny.model.classifier[1].weight.data_ptr()
    for names in [(layout.output,), ("features_4",)]:
        graph = tiny.architecture.subgraph(names, 256)
        assert not [node.name for node in graph.nodes if node.name.startswith("dense")]


def test_the_networks_own_scores_stay_as_they_are_to_the_last_bit():
    backbone = load_backbone("alexnet", UNTRAINED, "cpu", engine="torch")
    plain = trace_layout(backbone.spec.build(1000).eval(), 224)
    framed = [frame_image(sample(), backbone.spec.preprocessing, 224)]
    image = to_tensor(framed, backbone.spec.preprocessing).contiguous(memory_format=torch.channels_last)
    (scores,) = backbone.outputs(framed, (backbone.architecture.layout().output,))
    assert scores.equal(run_graph(backbone.model, plain.graph, image))


def test_a_small_input_has_no_dense_layers_and_everything_else(tiny):
    structure = architecture("alexnet")
    assert structure.layer_pairs_at(128) == structure.layer_pairs[:4]
    assert structure.layer_pairs_at(448) == structure.layer_pairs
    with pytest.raises(LayerPairError, match=r"its maps are too small, to compute dense_classifier_2"):
        structure.map_sizes(structure.pair("classifier.1"), 128)
    with pytest.raises(LayerPairError, match=r"choose another size"):
        crosspool.parse_method("cl:classifier.1@128", structure)


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.last(torch.flatten(net.mean(net.image(x)), 1).relu()),
        lambda net, x: net.last(net.hidden(torch.flatten(net.mean(net.image(x)), 1)).relu()),
        lambda net, x: net.last(net.hidden(torch.flatten(net.coarse(net.image(x)), 1)).relu()),
        lambda net, x: net.last(net.hidden(torch.flatten(net.image(x), 1))),
        lambda net, x: net.last(net.hidden(torch.flatten(net.image(x), 1).tanh()).relu()),
    ],
    ids=["a single layer", "behind a mean", "behind a coarser map", "without activation", "an activation between"],
)
def test_layers_that_are_no_convolutions_of_a_map(forward):
    """Or whose zero means nothing, or that would need a map that the network does not have."""
    net = Net(
        forward,
        image=nn.Conv2d(3, 4, 4, stride=4),
        mean=nn.AdaptiveAvgPool2d(1),
        coarse=nn.AdaptiveAvgPool2d(2),
        hidden=nn.LazyLinear(5),
        last=nn.LazyLinear(2),
    )
    net(torch.zeros(1, 3, 16, 16))
    assert hidden_layers(trace_layout(net.eval(), 16)) == ()


def test_weights_without_the_layer_give_other_maps(tiny, tmp_path):
    """The dense form needs the layer's weight, as the layer does."""
    path = tmp_path / "features.pt"
    torch.save({name: value for name, value in tiny.model.state_dict().items() if "features" in name}, path)
    with pytest.warns(WeightsWarning):
        backbone = load(spec_for(hidden_network), str(path), "cpu")
    assert backbone.activations(sample(), "features.2").upper.shape[1] == 3
    with pytest.raises(BackboneError, match=r"has no layer classifier\.1 .*; choose an earlier layer pair"):
        backbone.activations(sample(), "classifier.1", 256)
