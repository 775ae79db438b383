"""Which layer pairs a network has: tiny networks with literal answers, then every torchvision classification CNN."""

import operator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from crosspool.backbones import architecture, backbone_specs, load_backbone
from crosspool.backbones.structure import without_memory
from crosspool.errors import LayerPairError
from crosspool.layer_pairs import LayerPair, NotOffered, find_layer_pairs
from crosspool.pooling import cross_layer_pool
from crosspool.tracing import GraphRun, run_graph, subgraph, trace, trace_layout
from tests.networks import Net, sample

# --- tiny networks


def found_in(model, size=8):
    return find_layer_pairs(trace_layout(model.eval(), size))


def chain(*behind):
    """An image layer with 4 channels at 8 x 8, then the given modules, numbered from 2."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *behind)


IMAGE_LAYER = NotOffered("0", "reads the image itself, not a feature map")


def test_a_convolution_and_its_rectified_output():
    pairs, refused = found_in(chain(nn.Conv2d(4, 6, (3, 1), stride=(2, 1), padding=(1, 0)), nn.ReLU()))
    assert pairs == (
        LayerPair(
            id="2",
            label="conv1 → conv2",
            lower="_1",
            upper="_3",
            lower_channels=4,
            upper_channels=6,
            kernel_size=(3, 1),
            stride=(2, 1),
            padding=(1, 0),
            dilation=(1, 1),
            activation="ReLU",
        ),
    )
    assert refused == (IMAGE_LAYER,)
    assert pairs[0].patch_length == 4 * 3 * 1
    assert pairs[0].feature_length == 6 * 12
    assert not pairs[0].can_be_negative


def test_sizes_of_the_maps():
    layout = trace_layout(chain(nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2)).eval(), 10)
    (pair,), _ = find_layer_pairs(layout)
    assert (pair.id, pair.dilation) == ("3", (2, 2))
    assert layout.map_size(pair.lower) == (5, 5)
    assert layout.map_size(pair.upper) == (3, 3)


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.fc(torch.relu(net.norm(net.image(x))).mean((2, 3))),
        lambda net, x: net.image(x).mean([2], keepdim=True) + x.mean(),
        lambda net, x: net.image(x) + net.image(x).mean((2, 3), keepdim=True),
        lambda net, x: net.fc(net.image(x).relu().permute(0, 2, 3, 1)) + 1,
        lambda net, x: net.norm(net.image(x)) + net.image(x),
        lambda net, x: net.strided(net.image(x)) + net.image(x).mean(),
    ],
    ids=["class scores", "a mean of all", "different shapes", "a layer of rows of pixels", "a sum", "a convolution"],
)
def test_shapes_are_those_of_what_is_computed(forward):
    strided = nn.Conv2d(4, 6, (5, 3), stride=(2, 3), padding=(1, 2), dilation=(1, 2), groups=2)
    net = Net(forward, image=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), fc=nn.Linear(4, 7), strided=strided).eval()
    layout = trace_layout(net, 8)
    names = [node.name for node in layout.graph.nodes if node.op != "output"]
    outputs = run_graph(net, subgraph(layout.graph, names), torch.zeros(1, 3, 8, 8))
    assert [layout.shapes[name] for name in names] == [tuple(output.shape) for output in outputs]


def test_the_upper_map_comes_after_batch_norm():
    (pair,), _ = found_in(chain(nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6), nn.ReLU6()))
    assert (pair.upper, pair.activation) == ("_4", "ReLU6")


def test_without_an_activation_the_upper_map_may_be_negative():
    (bare,), _ = found_in(chain(nn.Conv2d(4, 6, 1)))
    assert (bare.upper, bare.activation, bare.can_be_negative) == ("_2", None, True)
    (normed,), _ = found_in(chain(nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6), nn.MaxPool2d(2)))
    assert (normed.upper, normed.activation) == ("_3", None)


@pytest.mark.parametrize(
    ("activation", "negative"),
    [(nn.Hardswish(), True), (nn.SiLU(), True), (nn.LeakyReLU(), True), (nn.Sigmoid(), False), (nn.ReLU(), False)],
)
def test_activations_that_let_negative_values_through(activation, negative):
    (pair,), _ = found_in(chain(nn.Conv2d(4, 6, 1), activation))
    assert pair.activation == type(activation).__name__
    assert pair.can_be_negative is negative


@pytest.mark.parametrize(
    ("rectify", "name"),
    [
        (lambda x: F.relu(x, inplace=True), "relu"),
        (lambda x: F.relu(x, True), "relu"),
        (torch.relu, "relu"),
        (lambda x: x.relu(), "relu"),
        (lambda x: x.relu_(), "relu"),
        (lambda x: F.hardswish(x, inplace=True), "hardswish"),
    ],
)
def test_functional_activations_lose_their_in_place_form(rectify, name):
    net = Net(lambda net, x: rectify(net.u(net.image(x))), image=nn.Conv2d(3, 4, 1), u=nn.Conv2d(4, 4, 1))
    layout = trace_layout(net.eval(), 4)
    (pair,), _ = find_layer_pairs(layout)
    assert pair.activation == name
    node = layout.node(pair.upper)
    assert not node.kwargs.get("inplace")
    assert not str(node.target).endswith("_")


@pytest.mark.parametrize(
    "activate",
    [lambda x: x * torch.sigmoid(x), lambda x: x.sigmoid() * x, lambda x: torch.mul(x, F.sigmoid(x))],
    ids=["x times sigmoid", "sigmoid times x", "torch.mul"],
)
def test_a_map_times_its_sigmoid_is_the_upper_map_and_not_the_sigmoid_alone(activate):
    net = Net(lambda net, x: activate(net.u(net.image(x))), image=nn.Conv2d(3, 4, 1), u=nn.Conv2d(4, 4, 1)).eval()
    layout = trace_layout(net, 4)
    (pair,), _ = find_layer_pairs(layout)
    assert (pair.activation, pair.can_be_negative) == ("silu", True)
    image = torch.rand(1, 3, 4, 4)
    (upper,) = run_graph(net, subgraph(layout.graph, (pair.upper,)), image)
    with torch.no_grad():
        torch.testing.assert_close(upper, F.silu(nn.Sequential(*net.children())(image)))


def test_in_place_additions_become_plain_ones():
    def residual(net, x):
        y = net.u(net.image(x))
        y += x[:, :1]
        return net.v(y)

    net = Net(residual, image=nn.Conv2d(3, 4, 1), u=nn.Conv2d(4, 4, 1), v=nn.Conv2d(4, 4, 1))
    layout = trace_layout(net.eval(), 4)
    assert operator.iadd not in {node.target for node in layout.graph.nodes}
    first, second = find_layer_pairs(layout)[0]
    assert (first.id, first.upper, first.activation) == ("u", "u", None)
    assert (second.id, second.lower) == ("v", "add")
    assert second.label == "u → v"


def test_a_sum_of_two_branches_is_named_by_its_block():
    block = Net(lambda net, x: (net.a(x) + net.b(x)).relu(), a=nn.Conv2d(4, 4, 1), b=nn.Conv2d(4, 4, 1))
    net = Net(
        lambda net, x: net.u(net.block(net.image(x))), image=nn.Conv2d(3, 4, 1), block=block, u=nn.Conv2d(4, 2, 1)
    )
    pairs, _ = found_in(net)
    assert [pair.label for pair in pairs] == ["image → block.a", "image → block.b", "block → u"]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    ("convolution", "reason"),
    [
        (nn.Conv2d(4, 4, 3, padding=1, groups=4), "depthwise convolution: a channel reads only some"),
        (nn.Conv2d(4, 4, 3, padding=1, groups=2), "grouped convolution"),
        (nn.Conv2d(4, 2, 8), "its output has a single position"),
        (nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular"), "pads with 'circular', not with zeros"),
        (nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect"), "pads with 'reflect'"),
        (nn.Conv2d(4, 2, 2, padding="same"), "pads its two sides unequally"),
        (nn.Conv2d(4, 2, (3, 4), padding="same"), "pads its two sides unequally"),
    ],
)
def test_convolutions_that_are_not_offered_say_why(convolution, reason):
    pairs, refused = found_in(chain(convolution))
    assert pairs == ()
    assert refused[0] == IMAGE_LAYER
    assert refused[1].id == "2"
    assert refused[1].reason.startswith(reason)


@pytest.mark.parametrize(
    ("convolution", "padding"),
    [
        (nn.Conv2d(4, 2, (3, 5), padding="same"), (1, 2)),
        (nn.Conv2d(4, 2, 2, padding="same", dilation=2), (1, 1)),
        (nn.Conv2d(4, 2, 3, padding="valid"), (0, 0)),
    ],
)
def test_padding_given_as_a_word(convolution, padding):
    (pair,), _ = found_in(chain(convolution))
    assert pair.padding == padding


def test_a_convolution_of_the_pooled_image_still_reads_the_image():
    pairs, refused = found_in(nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 4, 1)))
    assert (pairs, refused[0].reason) == ((), IMAGE_LAYER.reason)


def test_tracing_needs_a_model_in_eval_mode():
    with pytest.raises(ValueError, match="eval mode"):
        trace(chain().train())


def test_too_small_an_input_is_refused_in_plain_words():
    with pytest.raises(LayerPairError, match=r"4×4 pixels is too small for this network"):
        trace_layout(chain(nn.Conv2d(4, 4, 5)).eval(), 4)


# --- known networks


def test_alexnet():
    structure = architecture("alexnet")
    listed = {
        pair.id: (
            pair.label,
            pair.lower_channels,
            pair.upper_channels,
            pair.kernel_size,
            *structure.map_sizes(pair, 224),
        )
        for pair in structure.layer_pairs
    }
    assert listed == {
        "features.3": ("conv1 → conv2", 64, 192, (5, 5), (27, 27), (27, 27)),
        "features.6": ("conv2 → conv3", 192, 384, (3, 3), (13, 13), (13, 13)),
        "features.8": ("conv3 → conv4", 384, 256, (3, 3), (13, 13), (13, 13)),
        "features.10": ("conv4 → conv5", 256, 256, (3, 3), (13, 13), (13, 13)),
        "classifier.1": ("conv5 → fc6", 256, 4096, (6, 6), (6, 6), (1, 1)),
        "classifier.4": ("fc6 → fc7", 4096, 4096, (1, 1), (1, 1), (1, 1)),
    }
    assert structure.not_offered == (NotOffered("features.0", "reads the image itself, not a feature map"),)
    assert {pair.activation for pair in structure.layer_pairs} == {"ReLU"}
    assert structure.default_pair.id == "features.10"
    assert structure.map_sizes(structure.default_pair, 448)[1] == (27, 27)


def test_the_embedded_network_ends_in_320_under_1280():
    structure = architecture("efficientnet_lite0")
    pair = structure.default_pair
    assert (pair.id, pair.lower_channels, pair.upper_channels, pair.kernel_size) == ("conv_head", 320, 1280, (1, 1))
    assert (pair.feature_length, pair.activation) == (409_600, "ReLU6")
    assert structure.map_sizes(pair) == ((7, 7), (7, 7))
    assert structure.map_sizes(pair, 448) == ((14, 14), (14, 14))
    assert len(structure.layer_pairs) == 32
    assert [refused.reason[:9] for refused in structure.not_offered] == ["reads the", *["depthwise"] * 16]


@pytest.mark.parametrize(
    ("name", "pairs", "last"),
    [
        ("vgg16", 14, "fc6 → fc7"),
        ("resnet18", 19, "layer4.1.conv1 → layer4.1.conv2"),
        ("squeezenet1_1", 25, "classifier → conv26"),
        ("densenet121", 119, "features.denseblock4.denselayer16.conv1 → features.denseblock4.denselayer16.conv2"),
        ("googlenet", 56, "inception5b.branch4 → inception5b.branch4.1.conv"),
        ("inception_v3", 93, "Mixed_7c → Mixed_7c.branch_pool.conv"),
        ("convnext_tiny", 3, "features.6.0 → conv19"),
    ],
)
def test_how_many_pairs(name, pairs, last):
    layer_pairs = architecture(name).layer_pairs
    assert (len(layer_pairs), layer_pairs[-1].label) == (pairs, last)


def test_squeeze_and_excite_has_a_single_position():
    reasons = {refused.id: refused.reason for refused in architecture("mobilenet_v3_small").not_offered}
    assert reasons["features.1.block.1.fc1"].startswith("its output has a single position")


def test_asking_for_a_pair():
    structure = architecture("alexnet")
    assert structure.pair("features.3") is structure.layer_pairs[0]
    with pytest.raises(LayerPairError, match=r"has no layer pair 'conv5'; it has features\.3, features\.6"):
        structure.pair("conv5")
    with pytest.raises(LayerPairError, match=r"features\.0 of alexnet defines no layer pair: it reads the image"):
        structure.pair("features.0")
    with pytest.raises(LayerPairError, match=r"it has \.\.\., "):
        architecture("densenet121").pair("nonsense")


def test_sizes_are_computed_again_after_many_others():
    structure = architecture("alexnet")
    for size in (*range(224, 264), 224):
        rows = structure.map_sizes(structure.default_pair, size)[1][0]
        conv1 = (size + 2 * 2 - 11) // 4 + 1
        assert rows == ((conv1 - 3) // 2 + 1 - 3) // 2 + 1


# --- every network

ALL = list(backbone_specs())
# One of each kind of block runs with numbers: others repeat the same blocks, and take gigabytes and minutes.
RUNNING = (
    "efficientnet_lite0", "alexnet", "vgg11_bn", "resnet18", "resnext50_32x4d", "squeezenet1_1", "densenet121",
    "inception_v3", "googlenet", "shufflenet_v2_x0_5", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5",
    "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny", "regnet_x_400mf", "regnet_y_400mf",
)  # fmt: skip


def test_every_classification_cnn_is_among_them():
    assert len(ALL) == 71
    assert ALL[:4] == ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "alexnet"]
    assert set(RUNNING) <= set(ALL)
    assert not [name for name in ALL if name.startswith(("vit", "swin", "maxvit"))]


@pytest.mark.parametrize("name", ALL)
def test_listing_needs_no_weights(name):
    structure = architecture(name)
    convolutions = {
        id: module
        for id, module in without_memory(structure.spec, 1000).named_modules()
        if isinstance(module, nn.Conv2d)
    }
    assert all(module.weight.is_meta for module in convolutions.values())
    listed = [pair.id for pair in structure.layer_pairs] + [refused.id for refused in structure.not_offered]
    dense = [pair.id for pair in structure.layer_pairs if pair.is_dense]
    assert bool(dense) is name.startswith(("alexnet", "vgg"))  # the others average their last map
    assert sorted(listed) == sorted([*convolutions, *dense])  # each once
    assert all(refused.reason for refused in structure.not_offered)
    assert sum("reads the image" in refused.reason for refused in structure.not_offered) == 1
    for pair in (pair for pair in structure.layer_pairs if not pair.is_dense):
        module = convolutions[pair.id]
        assert module.groups == 1
        assert (pair.lower_channels, pair.upper_channels) == (module.in_channels, module.out_channels)
        assert (pair.kernel_size, pair.stride) == (module.kernel_size, module.stride)
        lower, upper = structure.map_sizes(pair)
        assert upper[0] * upper[1] > 1
        for a, b, k, s, p, d in zip(
            lower, upper, pair.kernel_size, pair.stride, pair.padding, pair.dilation, strict=True
        ):
            assert b == (a + 2 * p - d * (k - 1) - 1) // s + 1
    assert structure.default_pair == structure.layer_pairs[-1 - len(dense)]


class Recording(GraphRun):
    """Runs a graph and keeps what the named nodes yield."""

    def __init__(self, model, graph, names):
        super().__init__(model, graph=graph)
        self.names, self.maps = names, {}

    def run_node(self, n):
        result = super().run_node(n)
        if n.name in self.names:
            self.maps[n.name] = result
        return result


def activate(x, name):
    """The activation that a pair names, whether the network has it as a module or calls it as a function."""
    if name is None:
        return x
    return getattr(nn, name)()(x) if hasattr(nn, name) else getattr(F, name)(x)


def assert_close_in_scale(found, expected):
    """Equal but for rounding. Untrained networks let signals die out or grow, so "small" depends on the map."""
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * max(expected.abs().max().item(), 1e-30))


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("name", RUNNING)
def test_every_pair_of_a_running_network(name):
    """On random weights: each upper map is the activation of its convolution over its lower map, as large as listed."""
    size = 128
    backbone = load_backbone(name, "untrained", "cpu")
    at_size = backbone.architecture.layout(size)
    pairs = backbone.architecture.layer_pairs_at(size)
    names = {name for pair in pairs for name in (pair.lower, pair.upper)}
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.no_grad():
        run = Recording(backbone.model, at_size.graph, names)
        scores = run.run(image)
        assert scores.shape == (1, len(backbone.classes))
        assert_close_in_scale(scores, backbone.model(image))  # the traced graph is the network
        modules = dict(backbone.model.named_modules())
        for pair in pairs:
            lower, upper = run.maps[pair.lower], run.maps[pair.upper]
            sizes = at_size.map_size(pair.lower), at_size.map_size(pair.upper)
            assert lower.shape == (1, pair.lower_channels, *sizes[0])
            assert upper.shape == (1, pair.upper_channels, *sizes[1])
            u = modules[pair.id]
            output = F.conv2d(
                lower, u.get_parameter("weight"), getattr(u, "bias", None), pair.stride, pair.padding, pair.dilation
            )
            assert_close_in_scale(upper, activate(output, pair.activation))
            assert pair.can_be_negative or upper.min() >= 0


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_lite0", "alexnet", "resnet18", "squeezenet1_1", "mobilenet_v2", "googlenet", "shufflenet_v2_x0_5",
        "densenet121", "regnet_x_400mf", "efficientnet_b0", "convnext_tiny", "inception_v3", "mnasnet0_5",
    ],
)  # fmt: skip
def test_filters_measure_their_own_block_in_real_networks(name):
    """Identity 2 of the pooling tests, <W_k, P_k> = sum_i a_ik (u(X)_ik - b_k), through the public way."""
    backbone = load_backbone(name, "untrained", "cpu")
    pairs = backbone.architecture.layer_pairs_at(128)
    for pair in {pairs[0], pairs[len(pairs) // 2], pairs[-1]}:
        maps = backbone.activations(sample(), pair, 128)
        assert (maps.lower.shape[2:], maps.upper.shape[2:]) == backbone.architecture.map_sizes(pair, 128)
        assert maps.upper.min() >= 0
        pooled = cross_layer_pool(
            maps.lower,
            maps.upper,
            kernel_size=pair.kernel_size,
            stride=pair.stride,
            padding=pair.padding,
            dilation=pair.dilation,
        )
        assert pooled.shape == (1, pair.upper_channels, pair.patch_length)
        weight = backbone.model.get_parameter(f"{pair.id}.weight")
        output = F.conv2d(maps.lower, weight, None, pair.stride, pair.padding, pair.dilation)  # u(X) - b
        measured = (weight.flatten(1) * pooled).sum(dim=2)
        assert_close_in_scale(measured, (maps.upper * output).sum(dim=(2, 3)))
