"""Receptive fields of all kinds of operations against perturbation: which pixels change a position of a map."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from crosspool.backbones.own_structure import recorded_layout
from crosspool.receptive_field import receptive_field
from crosspool.tracing import forbid_in_place
from tests.networks import Net

pytestmark = pytest.mark.usefixtures("one_core")
SIDE = 12


def recorded(module, side=SIDE):
    module.eval().requires_grad_(False)
    forbid_in_place(module)
    return recorded_layout(module, "net", side)


def changed_by(module, side=SIDE):
    """For each position of the output map whether each pixel changes it: (rows, columns, side, side)."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, side, side, generator=generator, dtype=torch.float64) + 1
    module = module.double()
    with torch.no_grad():
        before = module(image)
        changes = torch.zeros(*before.shape[2:], side, side, dtype=torch.bool)
        for row in range(side):
            for column in range(side):
                other = image.clone()
                other[:, :, row, column] += 1000  # no maximum hides it
                changes[:, :, row, column] = ((module(other) - before)[0].abs() > 1e-9).any(0)
    return changes


def positive(module):
    """With weights that are all positive, so that nothing cancels."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(0.1, 1, generator=generator)
    return module


def net(join, **parts):
    return positive(Net(lambda net, x: join(net, net.first(x)), first=nn.Conv2d(3, 4, 3, padding=1), **parts))


def attention(net, x):
    tokens = x.flatten(2).transpose(1, 2)  # (B, positions, channels)
    weights = (tokens @ tokens.transpose(-2, -1) / 1e6).softmax(-1)
    return (weights @ tokens).transpose(1, 2).unflatten(2, x.shape[2:])


def squeeze_and_excite(net, x):
    return x * torch.sigmoid(x.mean((2, 3), keepdim=True) / 1e6)


def space_to_depth(net, x):
    return torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)


def windows(net, x):
    """Cut into 4 x 4 windows, sum within each, and put together, as Swin does."""
    batch, channels, rows, columns = x.shape
    parts = x.view(batch, channels, rows // 4, 4, columns // 4, 4).permute(0, 2, 4, 3, 5, 1)
    parts = parts + parts.sum((3, 4), keepdim=True)
    return parts.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, rows, columns)


def channels_last(net, x):
    x = net.linear(x.permute(0, 2, 3, 1))
    return F.layer_norm(x, (4,)).movedim(-1, 1)


def channel_shuffle(net, x):
    batch, channels, rows, columns = x.shape
    return x.view(batch, 2, channels // 2, rows, columns).transpose(1, 2).reshape(batch, channels, rows, columns)


def patches(net, x):
    columns = F.unfold(x, 3, padding=1, stride=2)
    return columns.view(1, -1, 6, 6)


def three_parts(net, x):
    first, second = x.split([1, 3], dim=1)
    upper, lower = second.chunk(2, dim=2)
    return torch.cat([first[:, :, :6], upper.flip(2) + lower[:, :1]], 1)


# The field is exactly the box around the pixels that count.
EXACT = {
    "reflecting pad": lambda: net(lambda net, x: net.u(x), u=nn.Conv2d(4, 4, 5, padding=2, padding_mode="reflect")),
    "replicating pad": lambda: net(lambda net, x: net.u(x), u=nn.Conv2d(4, 4, 5, padding=2, padding_mode="replicate")),
    "F.pad, reflect": lambda: net(lambda net, x: net.u(F.pad(x, (3, 1, 2, 0), mode="reflect")), u=nn.Conv2d(4, 4, 3)),
    "ReflectionPad2d": lambda: net(lambda net, x: net.u(net.p(x)), p=nn.ReflectionPad2d(2), u=nn.Conv2d(4, 4, 3)),
    "ReplicationPad2d": lambda: net(lambda net, x: net.p(x), p=nn.ReplicationPad2d((1, 0, 2, 3))),
    "ZeroPad2d": lambda: net(lambda net, x: net.u(net.p(x)), p=nn.ZeroPad2d((1, 0, 2, 1)), u=nn.Conv2d(4, 4, 3)),
    "negative pad": lambda: net(lambda net, x: F.pad(x, (-2, -1, -3, 0))),
    "slices": lambda: net(lambda net, x: x[:, :, 3:9, -5:]),
    "strided slices": lambda: net(lambda net, x: net.u(x[:, :, 1::3, ::2]), u=nn.Conv2d(4, 4, 2)),
    "narrow": lambda: net(lambda net, x: x.narrow(2, 4, 5).narrow(-1, 1, 3)),
    "transposed axes": lambda: net(lambda net, x: net.u(x.transpose(2, 3)), u=nn.Conv2d(4, 4, (3, 1))),
    "permuted axes": lambda: net(lambda net, x: net.u(x.permute(0, 1, 3, 2)), u=nn.Conv2d(4, 4, (1, 4))),
    "mT": lambda: net(lambda net, x: x.mT),
    "flip": lambda: net(lambda net, x: net.u(x.flip(2)), u=nn.Conv2d(4, 4, (3, 1))),
    "channels last": lambda: net(channels_last, linear=nn.Linear(4, 4)),
    "channel shuffle": lambda: net(channel_shuffle),
    "space to depth": lambda: net(space_to_depth),
    "pixel_unshuffle": lambda: net(lambda net, x: F.pixel_unshuffle(x, 3)),
    "PixelShuffle": lambda: net(lambda net, x: net.shuffle(x), shuffle=nn.PixelShuffle(2)),
    "windows": lambda: net(windows),
    "patches": lambda: net(patches),
    "three parts": lambda: net(three_parts),
    "unbind and stack": lambda: net(lambda net, x: torch.stack(list(x.unbind(2))[2:8], 2)),
    "Tensor.unfold": lambda: net(lambda net, x: x.unfold(2, 3, 2).sum(-1)),
    "transposed convolution": lambda: net(lambda net, x: net.u(x), u=nn.ConvTranspose2d(4, 4, 3, 2, 1, 1)),
    "adaptive pooling": lambda: net(lambda net, x: F.adaptive_avg_pool2d(x, (5, 7))),
    "AdaptiveMaxPool2d": lambda: net(lambda net, x: net.p(x), p=nn.AdaptiveMaxPool2d(5)),
    "max over channels": lambda: net(lambda net, x: x.amax(1, keepdim=True)),
    "max with places": lambda: net(lambda net, x: x.max(1, keepdim=True)[0]),
    "mean over rows": lambda: net(lambda net, x: x + x.mean(2, keepdim=True)),
    "average pooling": lambda: net(lambda net, x: F.avg_pool2d(x, 3, 2, 1)),
    "max pooling": lambda: net(lambda net, x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True)),
    "squeeze and excite": lambda: net(squeeze_and_excite),
    "attention": lambda: net(attention),
    "group norm": lambda: net(lambda net, x: F.group_norm(x, 2)),
    "F.conv2d": lambda: net(lambda net, x: F.conv2d(x, net.u.weight, padding="same"), u=nn.Conv2d(4, 4, 3)),
    "F.interpolate, nearest": lambda: net(lambda net, x: F.interpolate(x, scale_factor=2)),
    "area": lambda: net(lambda net, x: F.interpolate(x, size=(5, 9), mode="area")),
}  # fmt: skip
# The field is at least that box: what is read has gaps or comes from both ends, or reads some pixels with weight 0.
AT_LEAST = {
    "circular pad": lambda: net(lambda net, x: net.u(x), u=nn.Conv2d(4, 4, 5, padding=2, padding_mode="circular")),
    "dilated transposed": lambda: net(lambda net, x: net.u(x), u=nn.ConvTranspose2d(4, 4, 2, 1, dilation=3)),
    "roll": lambda: net(lambda net, x: x.roll((3, -2), (2, 3))),
    "roll of all": lambda: net(lambda net, x: x.roll(5)),
    "bilinear": lambda: net(lambda net, x: F.interpolate(x, scale_factor=1.7, mode="bilinear")),
    "bilinear, smaller": lambda: net(lambda net, x: F.interpolate(x, size=5, mode="bilinear")),
    "bilinear, antialiased": lambda: net(lambda net, x: F.interpolate(x, size=5, mode="bilinear", antialias=True)),
    "bicubic": lambda: net(lambda net, x: F.interpolate(x, size=(19, 7), mode="bicubic", align_corners=True)),
    "Upsample": lambda: net(lambda net, x: net.u(x), u=nn.Upsample(None, 2, "bilinear", align_corners=True)),
    "nearest-exact": lambda: net(lambda net, x: F.interpolate(x, size=7, mode="nearest-exact")),
    "fold": lambda: net(lambda net, x: F.fold(F.unfold(x, 3, padding=1), (SIDE, SIDE), 3, padding=1)),
    "Fourier": lambda: net(lambda net, x: torch.fft.ifft2(torch.fft.fft2(x)).real),
    "einsum": lambda: net(lambda net, x: torch.einsum("bchw,bkhv->bcwv", x, x)),
    "gather": lambda: net(lambda net, x: x.gather(2, torch.arange(SIDE - 1, -1, -1).view(1, 1, -1, 1).expand_as(x))),
    "index by numbers": lambda: net(lambda net, x: x[:, :, [3, 1, 0, 2]]),
    "index_select": lambda: net(lambda net, x: x.index_select(2, torch.tensor([5, 2]))),
    "grid_sample": lambda: net(lambda net, x: F.grid_sample(x, x.new_full((1, 4, 4, 2), -0.5), align_corners=False)),
    "cumsum": lambda: net(lambda net, x: x.cumsum(2)),
    "repeat": lambda: net(lambda net, x: x.repeat(1, 1, 2, 1)),
    "sorted": lambda: net(lambda net, x: x.sort(dim=2)[0]),
    "multi-head attention": lambda: net(
        lambda net, x: net.a(*[x.flatten(2).mT] * 3)[0].mT.unflatten(2, (SIDE, SIDE)),
        a=nn.MultiheadAttention(4, 2, batch_first=True),
    ),
}  # fmt: skip


def boxes(module):
    """Pairs of the field of a position, and the box around the pixels that change it."""
    layout = recorded(module)
    changes = changed_by(module)
    rows, columns = changes.shape[:2]
    for row in range(rows):
        for column in range(columns):
            field = receptive_field(layout, layout_output(layout), row, column)
            down, across = changes[row, column].nonzero().T.tolist()
            yield (
                (field.top, field.bottom, field.left, field.right),
                ((min(down), max(down) + 1, min(across), max(across) + 1) if down else None),
            )


def layout_output(layout):
    (returned,) = next(node for node in layout.graph.nodes if node.op == "output").all_input_nodes
    return returned.name


@pytest.mark.parametrize("name", list(EXACT))
def test_fields_are_where_pixels_count(name):
    for field, expected in boxes(EXACT[name]()):
        assert expected is None or field == expected


@pytest.mark.parametrize("name", list(AT_LEAST))
def test_fields_are_never_too_small(name):
    for field, expected in boxes(AT_LEAST[name]()):
        assert expected is None or (
            field[0] <= expected[0] and field[1] >= expected[1] and field[2] <= expected[2] and field[3] >= expected[3]
        )


def test_a_part_that_cannot_be_recorded_may_see_everything():
    class Gate(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    layout = recorded(net(lambda net, x: net.gate(x), gate=Gate()))
    box = receptive_field(layout, layout_output(layout), 0, 0)
    assert (box.left, box.top, box.right, box.bottom) == (0, 0, SIDE, SIDE)


def test_a_function_of_someone_elses_with_a_known_name_is_not_taken_for_it():
    """Only PyTorch's own `relu` leaves values in their places."""
    from torch import fx

    from crosspool.tracing import layout_at

    def relu(x):
        return x.flip(2)

    graph = fx.Graph()
    image = graph.placeholder("image")
    graph.output(graph.call_function(relu, (image,)))
    layout = layout_at(nn.Conv2d(3, 4, 1), graph, SIDE)
    box = receptive_field(layout, "relu", 0, 0)
    assert (box.top, box.bottom) == (0, SIDE)
