"""What a position can see: by hand on small networks, and against the gradient on real ones."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from crosspool.backbones import architecture, load_backbone
from crosspool.backbones.structure import without_memory
from crosspool.layer_pairs import LayerPair, find_layer_pairs
from crosspool.receptive_field import Box, patch_box, receptive_field, receptive_fields
from crosspool.tracing import ACTIVATION_FUNCTIONS, ACTIVATION_MODULES, GraphRun, subgraph, trace_layout
from tests.networks import Net

pytestmark = pytest.mark.usefixtures("one_core")

# --- by hand


def two_convolutions():
    """3 x 3 with padding 1, then 3 x 3 with stride 2: a position of the second sees 5 x 5 pixels."""
    return trace_layout(nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 2, 3, stride=2)).eval(), 9)


@pytest.mark.parametrize(
    ("row", "column", "box"),
    [
        (0, 0, Box(left=0, top=0, right=4, bottom=4)),  # the first row and column lie in the padding
        (1, 2, Box(left=3, top=1, right=8, bottom=6)),
        (3, 3, Box(left=5, top=5, right=9, bottom=9)),
    ],
)
def test_two_convolutions_by_hand(row, column, box):
    layout = two_convolutions()
    assert layout.map_size("_2") == (4, 4)
    assert receptive_field(layout, "_2", row, column) == box


def test_of_the_first_layer_and_of_the_image_itself():
    layout = two_convolutions()
    assert receptive_field(layout, "_0", 4, 0) == Box(0, 3, 2, 6)
    assert receptive_field(layout, "input_1", 7, 2) == Box(2, 7, 3, 8)


def test_a_box_has_sides():
    assert (Box(3, 1, 8, 2).width, Box(3, 1, 8, 2).height) == (5, 1)


@pytest.mark.parametrize(("row", "column"), [(4, 0), (0, 4), (-1, 0), (0, -1)])
def test_a_position_outside_the_map(row, column):
    with pytest.raises(IndexError, match=rf"Position \({row}, {column}\) lies outside a map of 4×4"):
        receptive_field(two_convolutions(), "_2", row, column)


def test_pixels_that_no_window_reaches_are_not_in_it():
    """With stride 2 the first convolution never reads the tenth row, however far the second one reaches."""
    layout = trace_layout(nn.Sequential(nn.Conv2d(3, 2, 3, stride=2), nn.Conv2d(2, 2, 3, padding=1)).eval(), 10)
    assert receptive_field(layout, "_1", 3, 3) == Box(4, 4, 9, 9)


def test_a_whole_map_in_one_number_sees_everything():
    def gated(net, x):
        x = net.image(x)
        return net.u(x * F.adaptive_avg_pool2d(x, 1).sigmoid())

    layout = trace_layout(Net(gated, image=nn.Conv2d(3, 4, 1), u=nn.Conv2d(4, 4, 1)).eval(), 16)
    (pair,), _ = find_layer_pairs(layout)
    assert receptive_field(layout, pair.lower, 3, 3) == Box(0, 0, 16, 16)
    assert receptive_field(layout, "image", 3, 3) == Box(3, 3, 4, 4)


def test_a_circular_padding_sees_the_other_side():
    layout = trace_layout(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")).eval(), 16)
    assert receptive_field(layout, "_0", 0, 0) == Box(0, 0, 16, 16)


def pair_with(kernel_size, stride, padding, dilation):
    return LayerPair("u", "t → u", "x", "u", 1, 1, kernel_size, stride, padding, dilation, None)


@pytest.mark.parametrize(
    ("pair", "row", "column", "box"),
    [
        (pair_with((1, 1), (1, 1), (0, 0), (1, 1)), 2, 5, Box(left=5, top=2, right=6, bottom=3)),
        (pair_with((3, 3), (1, 1), (1, 1), (1, 1)), 0, 5, Box(left=4, top=-1, right=7, bottom=2)),
        (pair_with((3, 2), (2, 3), (1, 0), (2, 1)), 1, 2, Box(left=6, top=1, right=8, bottom=6)),
    ],
)
def test_the_patch_under_a_position(pair, row, column, box):
    assert patch_box(pair, row, column) == box


# --- against the gradient


class Reachable(GraphRun):
    """Runs a graph with activations left out and means for maxima, so that all that can count does."""

    def call_module(self, target, args, kwargs):
        module = self.fetch_attr(target)
        if isinstance(module, ACTIVATION_MODULES):
            return args[0]
        if isinstance(module, nn.MaxPool2d):
            return F.avg_pool2d(args[0], module.kernel_size, module.stride, module.padding, module.ceil_mode)
        return super().call_module(target, args, kwargs)

    def call_function(self, target, args, kwargs):
        if target in ACTIVATION_FUNCTIONS:
            return args[0]
        if target is F.max_pool2d:
            kept = {name: kwargs[name] for name in ("kernel_size", "stride", "padding", "ceil_mode") if name in kwargs}
            return F.avg_pool2d(*args, **kept)
        return super().call_function(target, args, kwargs)


def averaging(model):
    """The model in eval mode with positive weights only, so that every input counts, and neutral BatchNorms."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.eval().requires_grad_(False).parameters():
        parameter.uniform_(0.5, 1.5, generator=generator)
        if parameter.ndim > 1:
            parameter.div_(parameter[0].numel())
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    return model


def seen_by(model, graph, pair, size, positions):
    """For each position of the pair's upper map the bounding box of the pixels with a gradient, None where none has."""
    image = torch.rand(1, 3, size, size).add_(0.1).requires_grad_()
    _, upper = Reachable(model, graph=subgraph(graph, (pair.lower, pair.upper))).run(image)
    found = {}
    for row, column in positions:
        # Large, so that what is left of it after many layers is above the smallest float.
        (gradient,) = torch.autograd.grad(1e25 * upper[0, :, row, column].sum(), image, retain_graph=True)
        rows, columns = (gradient[0] != 0).any(dim=0).nonzero().T.tolist()
        found[row, column] = Box(min(columns), min(rows), max(columns) + 1, max(rows) + 1) if rows else None
    return found


def corners_and_centre(size):
    rows, columns = size
    return {(0, 0), (rows // 2, columns // 2), (0, columns - 1), (rows - 1, columns - 1)}


def residual(net, x):
    x = net.image(x)
    return net.last(F.relu(net.u(x)) + net.pool(x))


def asymmetric(net, x):
    return net.last(net.u(F.pad(net.image(x), [0, 1, 2, 3])))


def split(net, x):
    first, second = net.image(x).chunk(2, dim=1)
    return net.last(torch.cat([first, net.u(second)], dim=1))


TINY = {
    "stride, dilation, rectangle": lambda: nn.Sequential(
        nn.Conv2d(3, 2, (5, 2), stride=(2, 3), padding=(1, 0)), nn.Conv2d(2, 2, 3, dilation=(1, 2), padding=(0, 2))
    ),
    "same padding, even kernel": lambda: nn.Sequential(nn.Conv2d(3, 2, 4, padding="same"), nn.Conv2d(2, 2, 3)),
    "pooling": lambda: nn.Sequential(
        nn.Conv2d(3, 2, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2), nn.Conv2d(2, 2, 2, padding=1)
    ),
    "functional pooling": lambda: Net(
        lambda net, x: net.u(F.avg_pool2d(F.max_pool2d(net.image(x), 3, stride=2, padding=1), 2)),
        image=nn.Conv2d(3, 2, 3),
        u=nn.Conv2d(2, 2, 3),
    ),
    "residual": lambda: Net(
        residual,
        image=nn.Conv2d(3, 2, 3),
        u=nn.Conv2d(2, 2, 5, padding=2),
        pool=nn.MaxPool2d(3, 1, 1),
        last=nn.Conv2d(2, 2, 3),
    ),
    "asymmetric padding": lambda: Net(
        asymmetric, image=nn.Conv2d(3, 2, 3), u=nn.Conv2d(2, 2, 3), last=nn.Conv2d(2, 2, 2)
    ),
    "split": lambda: Net(split, image=nn.Conv2d(3, 4, 3), u=nn.Conv2d(2, 2, 5, padding=2), last=nn.Conv2d(4, 2, 3)),
    "beyond the padding": lambda: nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 2, 2, padding=1, stride=2)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", TINY)
def test_fields_of_tiny_networks_are_where_gradients_are(name):
    model = averaging(TINY[name]())
    layout = trace_layout(model, 23)
    pairs, refused = find_layer_pairs(layout)
    assert [item.reason for item in refused] == ["reads the image itself, not a feature map"]
    for pair in pairs:
        rows, columns = layout.map_size(pair.upper)
        positions = {(row, column) for row in (0, 1, rows // 2, rows - 1) for column in (0, columns // 2, columns - 1)}
        for position, expected in seen_by(model, layout.graph, pair, 23, positions).items():
            box = receptive_field(layout, pair.upper, *position)
            if expected is None:  # its patch is all padding: the pixels nearest to it stand in
                assert box.width > 0
                assert box.height > 0
            else:
                assert box == expected, (pair.id, position)


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_lite0", "alexnet", "resnet18", "squeezenet1_1", "googlenet", "shufflenet_v2_x0_5", "densenet121",
        "regnet_x_400mf", "convnext_tiny", "inception_v3", "mnasnet0_5",
    ],
)  # fmt: skip
def test_fields_of_real_networks_are_where_gradients_are(name):
    size = 160
    structure = architecture(name)
    at_size = structure.layout(size)
    model = averaging(without_memory(structure.spec, 1000).to_empty(device="cpu"))
    pairs = structure.layer_pairs
    for pair in {pairs[0], pairs[len(pairs) // 3]}:  # the fields of the later ones fill the image
        positions = corners_and_centre(at_size.map_size(pair.upper))
        for position, expected in seen_by(model, at_size.graph, pair, size, positions).items():
            assert receptive_field(at_size, pair.upper, *position) == expected, (pair.id, position)


def test_squeeze_and_excite_sees_the_whole_image():
    structure = architecture("mobilenet_v3_small")
    for pair in structure.layer_pairs[1:]:
        assert receptive_field(structure.layout(192), pair.upper, 0, 0) == Box(0, 0, 192, 192), pair.id


def test_a_trained_network_with_its_maxima_sees_no_more():
    backbone = load_backbone(device="cpu")
    pair = backbone.architecture.pair("blocks.5.project_conv")
    graph = backbone.architecture.subgraph((pair.lower, pair.upper), 160)
    for row, column in corners_and_centre(backbone.architecture.map_sizes(pair, 160)[1]):
        image = torch.rand(1, 3, 160, 160).requires_grad_()
        _, upper = GraphRun(backbone.model, graph=graph).run(image)
        (gradient,) = torch.autograd.grad(upper[0, :, row, column].sum(), image)
        box = backbone.receptive_field(pair, row, column, 160)
        assert box == receptive_field(backbone.architecture.layout(160), pair.upper, row, column)
        gradient[:, :, box.top : box.bottom, box.left : box.right] = 0
        assert torch.count_nonzero(gradient) == 0


def test_alexnets_last_pair_by_its_published_arithmetic():
    """Kernels 11, 3, 5, 3, 3, 3, 3 with strides 4, 2, 1, 2, 1, 1, 1: a field of 163 pixels, 16 pixels apart."""
    structure = architecture("alexnet")
    pair = structure.default_pair
    here, below = (receptive_field(structure.layout(896), pair.upper, row, 20) for row in (20, 21))
    assert (here.width, here.height) == (163, 163)
    assert (below.top - here.top, below.left - here.left) == (16, 0)


@pytest.mark.parametrize("turn", [lambda x: x.transpose(2, 3), lambda x: x.reshape(1, 4, 8, 32)], ids=["axes", "rows"])
def test_the_fields_of_rows_hold_in_every_column(turn):
    """Where axes change places, or rows are joined, what a row reads depends on the column."""

    def turned(net, x):
        return net.u(turn(net.image(x)))

    layout = trace_layout(Net(turned, image=nn.Conv2d(3, 4, 1), u=nn.Conv2d(4, 4, 1)).eval(), 16)
    rows, columns = receptive_fields(layout, "u")
    for row in range(len(rows)):
        for column in range(len(columns)):
            box = receptive_field(layout, "u", row, column)
            assert rows[row][0] <= box.top < box.bottom <= rows[row][1]
            assert columns[column][0] <= box.left < box.right <= columns[column][1]
