"""Eq. 1 against a plain double loop, the identities that make it believable, and its errors."""

from math import prod
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from crosspool import pooling
from crosspool.errors import SettingError
from crosspool.pooling import block_energies, cross_layer_pool, local_features, pool_projected

# --- the slow reference


def patch_at(x, row, column, geometry):
    """The patch of one map x (D, H, W) under position (row, column), zero outside the map; and whether it fits in."""
    (m, n), (s, t), (p, q), (d, e) = geometry
    patch = torch.zeros(x.shape[0], m, n, dtype=x.dtype)
    inside = True
    for i in range(m):
        for j in range(n):
            y, z = row * s - p + i * d, column * t - q + j * e
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                patch[:, i, j] = x[:, y, z]
            else:
                inside = False
    return patch.flatten(), inside


def pool_by_loop(lower, upper, geometry, border="zero"):
    """P_k = sum_i a_ik x_i, written down as it is read."""
    pooled = []
    for x, a in zip(lower, upper, strict=True):
        blocks = torch.zeros(a.shape[0], x.shape[0] * prod(geometry[0]), dtype=x.dtype)
        for row in range(a.shape[1]):
            for column in range(a.shape[2]):
                patch, inside = patch_at(x, row, column, geometry)
                if inside or border == "zero":
                    for k in range(a.shape[0]):
                        blocks[k] += a[k, row, column] * patch
        pooled.append(blocks)
    return torch.stack(pooled)


# --- random maps that belong together


def named(geometry):
    return dict(zip(("kernel_size", "stride", "padding", "dilation"), geometry, strict=True))


def pairs_of(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


GEOMETRIES = st.tuples(pairs_of(1, 5), pairs_of(1, 3), pairs_of(0, 2), pairs_of(1, 2))
ONE_BY_ONE = ((1, 1), (1, 1), (0, 0), (1, 1))
THREE_BY_THREE = ((3, 3), (1, 1), (1, 1), (1, 1))


def random_maps(geometry, positions=(2, 3), extra=(0, 0), *, batch=2, channels=(3, 4), seed=0, dtype=torch.float64):
    """A lower and an upper map with the given number of positions; `extra` rows and columns that no patch reaches."""
    generator = torch.Generator().manual_seed(seed)
    height, width = (
        (count - 1) * stride + dilation * (kernel - 1) + 1 - 2 * padding + min(spare, stride - 1)
        for count, spare, kernel, stride, padding, dilation in zip(positions, extra, *geometry, strict=True)
    )
    if min(height, width) < 1:
        reject()  # more padding than these positions need: there is no such map
    lower = torch.randn(batch, channels[0], height, width, generator=generator, dtype=dtype)
    upper = torch.randn(batch, channels[1], *positions, generator=generator, dtype=dtype)
    return lower, upper


MAPS = {
    "geometry": GEOMETRIES,
    "positions": pairs_of(1, 4),
    "extra": pairs_of(0, 2),
    "batch": st.integers(1, 3),
    "channels": pairs_of(1, 4),
    "seed": st.integers(0, 2**16),
}


# --- equals the loop


@settings(max_examples=150)
@given(
    **MAPS,
    dtype=st.sampled_from([torch.float64, torch.float32]),
    border=st.sampled_from(["zero", "valid"]),
    memory_format=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_equals_the_loop(geometry, positions, extra, batch, channels, seed, dtype, border, memory_format):
    lower, upper = random_maps(
        geometry, positions, extra, batch=batch, channels=channels, seed=seed, dtype=torch.float64
    )
    expected = pool_by_loop(lower, upper, geometry, border)
    lower, upper = (value.to(dtype).contiguous(memory_format=memory_format) for value in (lower, upper))
    rows = range(positions[0])
    columns = range(positions[1])
    anything_inside = any(patch_at(lower[0], row, column, geometry)[1] for row in rows for column in columns)
    if border == "valid" and not anything_inside:
        with pytest.raises(SettingError, match="No patch lies wholly inside"):
            cross_layer_pool(lower, upper, **named(geometry), border=border)
        return
    pooled = cross_layer_pool(lower, upper, **named(geometry), border=border)
    assert pooled.dtype == dtype
    assert pooled.shape == (batch, channels[1], channels[0] * prod(geometry[0]))
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    torch.testing.assert_close(pooled.double(), expected, rtol=tolerance, atol=tolerance)


@settings(max_examples=50)
@given(**MAPS)
def test_equals_unfolding_and_multiplying(geometry, positions, extra, batch, channels, seed):
    lower, upper = random_maps(geometry, positions, extra, batch=batch, channels=channels, seed=seed)
    patches = local_features(lower, **named(geometry))  # (B, D*m*n, N)
    assert patches.shape == (batch, channels[0] * prod(geometry[0]), prod(positions))
    expected = upper.flatten(2) @ patches.transpose(1, 2)
    torch.testing.assert_close(cross_layer_pool(lower, upper, **named(geometry)), expected)


def test_whole_numbers_stand_for_squares():
    lower, upper = random_maps(((3, 3), (2, 2), (1, 1), (2, 2)))
    pooled = cross_layer_pool(lower, upper, kernel_size=3, stride=2, padding=1, dilation=2)
    assert torch.equal(pooled, cross_layer_pool(lower, upper, **named(((3, 3), (2, 2), (1, 1), (2, 2)))))


def test_an_empty_batch_gives_an_empty_batch():
    lower, upper = random_maps(THREE_BY_THREE)
    assert cross_layer_pool(lower[:0], upper[:0], **named(THREE_BY_THREE)).shape == (0, 4, 27)
    assert cross_layer_pool(lower[:0, :, :2, :3], upper[:0]).shape == (0, 4, 3)


# --- a small case by hand


# Two channels of 3 x 3: the second is ten times the first.
LOWER = torch.tensor([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], [[10, 20, 30], [40, 50, 60], [70, 80, 90]]])[None]


def test_local_features_by_hand():
    # A 2 x 2 patch lies at 2 x 2 positions; each column holds channel 0's four cells, then channel 1's.
    assert local_features(LOWER, kernel_size=2)[0].T.tolist() == [
        [1, 2, 4, 5, 10, 20, 40, 50],
        [2, 3, 5, 6, 20, 30, 50, 60],
        [4, 5, 7, 8, 40, 50, 70, 80],
        [5, 6, 8, 9, 50, 60, 80, 90],
    ]


def test_local_features_by_hand_with_padding_and_stride():
    # Padded by one and with stride 2, patches start at rows and columns -1 and 1.
    assert local_features(LOWER[:, :1], kernel_size=2, stride=2, padding=1)[0].T.tolist() == [
        [0, 0, 0, 1],
        [0, 0, 2, 3],
        [0, 4, 0, 7],
        [5, 6, 8, 9],
    ]


def test_pooling_by_hand():
    # Map 0 weighs the four patches 1, 0, 0, 2; map 1 takes the second patch alone.
    upper = torch.tensor([[[1.0, 0], [0, 2]], [[0, 1], [0, 0]]])[None]
    assert cross_layer_pool(LOWER, upper, kernel_size=2)[0].tolist() == [
        [1 + 10, 2 + 12, 4 + 16, 5 + 18, 10 + 100, 20 + 120, 40 + 160, 50 + 180],
        [2, 3, 5, 6, 20, 30, 50, 60],
    ]


def test_borders_by_hand():
    # With 3 x 3 patches and padding 1, only the middle one of the nine lies inside the map.
    upper = torch.full((1, 1, 3, 3), 2.0)
    valid = cross_layer_pool(LOWER, upper, kernel_size=3, padding=1, border="valid")
    assert torch.equal(valid[0, 0], 2 * LOWER.flatten())
    # Zero-padded, the patches' centres run over the whole map, and their top left cells over its first four.
    zero = cross_layer_pool(LOWER, upper, kernel_size=3, padding=1).unflatten(2, (2, 3, 3))
    assert zero[0, 0, 0, 1, 1] == 2 * 45
    assert zero[0, 0, 0, 0, 0] == 2 * (1 + 2 + 4 + 5)


@settings(max_examples=50)
@given(geometry=GEOMETRIES, positions=pairs_of(1, 4), seed=st.integers(0, 2**16))
def test_local_features_lie_as_unfold_orders_them(geometry, positions, seed):
    lower, _ = random_maps(geometry, positions, seed=seed)
    kernel, stride, padding, dilation = geometry
    patches = local_features(lower, **named(geometry))
    assert torch.equal(patches, F.unfold(lower, kernel, dilation=dilation, padding=padding, stride=stride))
    for index in range(prod(positions)):
        row, column = divmod(index, positions[1])
        assert torch.equal(patches[1, :, index], patch_at(lower[1], row, column, geometry)[0])


# --- the identities


def convolved(geometry, seed, *, bias):
    """A lower map of one image, the weight of a convolution over it that wants a gradient, its bias and its output."""
    lower, upper = random_maps(geometry, batch=1, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    shape = (upper.shape[1], lower.shape[1], *geometry[0])
    weight = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(upper.shape[1], generator=generator, dtype=torch.float64) * bias
    _, stride, padding, dilation = geometry
    return lower, weight, shift, F.conv2d(lower, weight, shift, stride, padding, dilation)


@settings(max_examples=60)
@given(geometry=GEOMETRIES, seed=st.integers(0, 2**16))
def test_identity_1_the_gradient_of_half_the_energy(geometry, seed):
    """P is the gradient of 1/2*||A||^2 with respect to u's weight, where A = relu(u(X))."""
    lower, weight, _, output = convolved(geometry, seed, bias=True)
    upper = output.relu()
    (gradient,) = torch.autograd.grad(0.5 * upper.square().sum(), weight)
    pooled = cross_layer_pool(lower, upper.detach(), **named(geometry))
    torch.testing.assert_close(pooled.view_as(gradient), gradient)


@settings(max_examples=60)
@given(geometry=GEOMETRIES, seed=st.integers(0, 2**16))
def test_identity_2_filters_measure_their_own_block(geometry, seed):
    """<W_k, P_k> = sum_i a_ik (u(X)_ik - b_k)."""
    lower, weight, bias, output = (value.detach() for value in convolved(geometry, seed, bias=True))
    upper = output.relu()
    pooled = cross_layer_pool(lower, upper, **named(geometry))
    expected = (upper * (output - bias[:, None, None])).sum(dim=(2, 3))  # (B, K)
    torch.testing.assert_close((weight.flatten(1) * pooled).sum(dim=2), expected)


@settings(max_examples=60)
@given(geometry=GEOMETRIES, positions=pairs_of(1, 4), seed=st.integers(0, 2**16))
def test_identity_3_one_hot_maps_return_the_patches(geometry, positions, seed):
    lower, _ = random_maps(geometry, positions, batch=1, seed=seed)
    one_hot = torch.eye(prod(positions), dtype=torch.float64).view(1, -1, *positions)
    patches = local_features(lower, **named(geometry))
    torch.testing.assert_close(cross_layer_pool(lower, one_hot, **named(geometry)), patches.transpose(1, 2))


@settings(max_examples=60)
@given(geometry=GEOMETRIES, positions=pairs_of(1, 4), seed=st.integers(0, 2**16))
def test_identity_3_an_all_ones_map_is_sum_pooling(geometry, positions, seed):
    lower, _ = random_maps(geometry, positions, seed=seed)
    ones = torch.ones(len(lower), 1, *positions, dtype=torch.float64)
    summed = local_features(lower, **named(geometry)).sum(dim=2)
    torch.testing.assert_close(cross_layer_pool(lower, ones, **named(geometry))[:, 0], summed)


@settings(max_examples=40)
@given(geometry=GEOMETRIES, positions=pairs_of(1, 4), seed=st.integers(0, 2**16))
def test_identity_3_moving_all_positions_together_changes_nothing(geometry, positions, seed):
    """Pooling is orderless: local features and weights, shuffled alike, give the same P."""
    lower, upper = random_maps(geometry, positions, seed=seed)
    moved = torch.randperm(prod(positions), generator=torch.Generator().manual_seed(seed))
    patches = local_features(lower, **named(geometry))[:, :, moved]
    weights = upper.flatten(2)[:, :, moved]
    # Local features are themselves a map, whose 1 x 1 patches they are.
    shuffled = cross_layer_pool(patches[:, :, None], weights[:, :, None])
    torch.testing.assert_close(shuffled, cross_layer_pool(lower, upper, **named(geometry)))


@settings(max_examples=40)
@given(geometry=GEOMETRIES, seed=st.integers(0, 2**16))
def test_identity_3_permuting_maps_permutes_blocks(geometry, seed):
    lower, upper = random_maps(geometry, seed=seed)
    order = [2, 0, 3, 1]
    pooled = cross_layer_pool(lower, upper, **named(geometry))
    torch.testing.assert_close(cross_layer_pool(lower, upper[:, order], **named(geometry)), pooled[:, order])


@pytest.mark.parametrize("geometry", [ONE_BY_ONE, THREE_BY_THREE], ids=["1x1", "3x3"])
def test_identity_3_an_all_zero_map_gives_a_zero_block(geometry):
    lower, upper = random_maps(geometry)
    upper[:, 1] = 0
    pooled = cross_layer_pool(lower, upper, **named(geometry))
    assert torch.count_nonzero(pooled[:, 1]) == 0
    assert torch.isfinite(pooled).all()


@settings(max_examples=40)
@given(positions=pairs_of(1, 5), seed=st.integers(0, 2**16))
def test_identity_4_a_map_under_itself_is_bilinear_pooling(positions, seed):
    """With 1 x 1 patches and A = X, P is the symmetric matrix of the channels' inner products."""
    lower, _ = random_maps(ONE_BY_ONE, positions, seed=seed)
    pooled = cross_layer_pool(lower, lower)
    torch.testing.assert_close(pooled, torch.einsum("bchw,bdhw->bcd", lower, lower))
    torch.testing.assert_close(pooled, pooled.transpose(1, 2))


@settings(max_examples=40)
@given(geometry=GEOMETRIES, seed=st.integers(0, 2**16))
def test_identity_5_pooling_is_linear_in_both_maps(geometry, seed):
    lower, upper = random_maps(geometry, seed=seed)
    other, weights = random_maps(geometry, seed=seed + 1)
    first, second = cross_layer_pool(lower, upper, **named(geometry)), cross_layer_pool(other, upper, **named(geometry))
    torch.testing.assert_close(cross_layer_pool(2 * lower - other, upper, **named(geometry)), 2 * first - second)
    second = cross_layer_pool(lower, weights, **named(geometry))
    torch.testing.assert_close(cross_layer_pool(lower, 2 * upper - weights, **named(geometry)), 2 * first - second)


@settings(max_examples=40)
@given(geometry=GEOMETRIES, seed=st.integers(0, 2**16))
def test_identity_5_projecting_before_or_after(geometry, seed):
    """sum_i a_ik W(x_i - mu) = W P_k - (sum_i a_ik) W mu, for the principal axes W and mean mu of the patches."""
    lower, upper = random_maps(geometry, positions=(3, 4), seed=seed)
    patches = local_features(lower, **named(geometry))  # (B, D*m*n, N)
    columns = patches.transpose(0, 1).flatten(1)
    mean = columns.mean(dim=1, keepdim=True)
    axes = torch.linalg.svd(columns - mean, full_matrices=False).U[:, :2].T  # (2, D*m*n)
    before = cross_layer_pool((axes @ (patches - mean))[:, :, None], upper.flatten(2)[:, :, None])
    pooled = cross_layer_pool(lower, upper, **named(geometry))
    after = pooled @ axes.T - upper.sum(dim=(2, 3))[..., None] * (axes @ mean).T
    torch.testing.assert_close(before, after)
    # And a projection of patches is itself a convolution: its map, pooled 1 x 1, gives the same.
    kernel, stride, padding, dilation = geometry
    projected = F.conv2d(lower, axes.view(2, -1, *kernel), -(axes @ mean)[:, 0], stride, padding, dilation)
    torch.testing.assert_close(cross_layer_pool(projected, upper), after)


# --- manners


@pytest.mark.parametrize("border", ["zero", "valid"])
@pytest.mark.parametrize("geometry", [ONE_BY_ONE, THREE_BY_THREE], ids=["1x1", "3x3"])
def test_leaves_its_arguments_alone(geometry, border):
    lower, upper = random_maps(geometry, positions=(3, 3))
    copies = lower.clone(), upper.clone()
    cross_layer_pool(lower, upper, **named(geometry), border=border)
    local_features(lower, **named(geometry)).zero_()
    assert torch.equal(lower, copies[0])
    assert torch.equal(upper, copies[1])


@pytest.mark.parametrize("geometry", [ONE_BY_ONE, THREE_BY_THREE], ids=["1x1", "3x3"])
def test_can_be_trained_through(geometry):
    lower, upper = (value.requires_grad_() for value in random_maps(geometry))
    gradients = torch.autograd.grad(cross_layer_pool(lower, upper, **named(geometry)).square().sum(), (lower, upper))
    patches = local_features(lower, **named(geometry))
    reference = (upper.flatten(2) @ patches.transpose(1, 2)).square().sum()
    for gradient, expected in zip(gradients, torch.autograd.grad(reference, (lower, upper)), strict=True):
        torch.testing.assert_close(gradient, expected)


class LargestTensor(TorchDispatchMode):
    """Keeps the size of the largest tensor, in elements, that any operation makes."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.untyped_storage().nbytes() // value.element_size())
        return result


def largest_tensor(function, *args, **kwargs):
    with torch.no_grad(), LargestTensor() as mode:
        function(*args, **kwargs)
    return mode.elements


@pytest.mark.parametrize("border", ["zero", "valid"])
def test_never_holds_the_unfolded_patches(border):
    """The inside of torch's own convolution is not seen here, but it works on one image at a time."""
    geometry = ((5, 5), (1, 1), (2, 2), (1, 1))
    lower, upper = random_maps(geometry, positions=(28, 28), batch=8, channels=(16, 8), dtype=torch.float32)
    unfolded = lower.numel() * 25
    assert largest_tensor(local_features, lower, **named(geometry)) >= unfolded  # the measure itself
    largest = largest_tensor(cross_layer_pool, lower, upper, **named(geometry), border=border)
    assert largest <= lower.numel() < unfolded / 20


def test_few_positions_may_be_unfolded_an_image_at_a_time():
    """Where there are no more positions than maps, an image's patches are no larger than its P."""
    geometry = ((3, 3), (1, 1), (1, 1), (1, 1))
    lower, upper = random_maps(geometry, positions=(4, 4), batch=8, channels=(8, 16), dtype=torch.float32)
    pooled = 8 * 16 * 8 * 9
    assert largest_tensor(cross_layer_pool, lower, upper, **named(geometry)) == pooled
    torch.testing.assert_close(
        cross_layer_pool(lower, upper, **named(geometry)), pool_by_loop(lower, upper, geometry), rtol=1e-4, atol=1e-4
    )


def test_many_positions_are_not_unfolded_at_all():
    """Not even an image at a time, and not in a place where the measure above would not look."""
    called = []

    class Record(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            called.append(getattr(func, "__name__", ""))
            return func(*args, **(kwargs or {}))

    lower, upper = random_maps(THREE_BY_THREE)
    with Record():
        cross_layer_pool(lower, upper, **named(THREE_BY_THREE))
    assert called
    assert not [name for name in called if "unfold" in name or "im2col" in name]


# --- what does not belong together


def zeros(*shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype)


@pytest.mark.parametrize(
    ("lower", "upper", "settings_", "sentence"),
    [
        (zeros(3, 5, 5), zeros(1, 4, 5, 5), {}, r"lower map has the shape \(3, 5, 5\), not \(images, channels, rows"),
        (zeros(1, 3, 5, 5), zeros(4, 5, 5), {}, r"upper map has the shape \(4, 5, 5\)"),
        (zeros(2, 3, 5, 5), zeros(1, 4, 5, 5), {}, "2 lower maps but 1 upper maps"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 4), {}, "lie at 5×5 positions, but the upper map has 5×4"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), {"kernel_size": 3}, "lie at 3×3 positions"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), {"stride": 2}, "lie at 3×3 positions"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), {"padding": 1}, "lie at 7×7 positions"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), {"kernel_size": 3, "padding": 1, "dilation": 2}, "lie at 3×3"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), {"border": "mirror"}, "'zero' or 'valid', not 'mirror'"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), {"kernel_size": 0}, "at least 1, and padding at least 0"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), {"stride": (1, 0)}, "at least 1"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), {"padding": -1}, "padding at least 0"),
        (zeros(1, 3, 5, 5), zeros(1, 4, 5, 5, dtype=torch.float64), {}, r"torch\.float32 on cpu, but the upper one"),
        (zeros(1, 3, 2, 2), zeros(1, 4, 0, 0), {"kernel_size": 3}, "3×3 cells does not fit into the 2×2 lower map"),
        (zeros(1, 3, 3, 9), zeros(1, 4, 1, 1), {"kernel_size": (2, 1), "dilation": (3, 1)}, "4×1 cells does not fit"),
        (
            zeros(1, 3, 2, 2),
            zeros(1, 4, 2, 2),
            {"kernel_size": 3, "padding": 1, "border": "valid"},
            "No patch lies wholly",
        ),
    ],
)
def test_maps_that_do_not_belong_together(lower, upper, settings_, sentence):
    with pytest.raises(SettingError, match=sentence):
        cross_layer_pool(lower, upper, **settings_)


@pytest.mark.parametrize(
    ("lower", "settings_", "sentence"),
    [
        (zeros(5, 5), {}, r"lower map has the shape \(5, 5\)"),
        (zeros(1, 3, 5, 5), {"kernel_size": 6}, "6×6 cells does not fit into the 5×5 lower map"),
        (zeros(1, 3, 5, 5), {"dilation": 0}, "at least 1"),
    ],
)
def test_local_features_of_something_other_than_a_map(lower, settings_, sentence):
    with pytest.raises(SettingError, match=sentence):
        local_features(lower, **settings_)


@pytest.mark.parametrize("border", ["zero", "valid"])
@pytest.mark.parametrize("positions", [(3, 4), (9, 12)])  # few enough for products of patches, and too many
def test_energies_are_those_of_the_blocks(monkeypatch, positions, border):
    geometry = ((3, 2), (2, 1), (1, 1), (1, 1))
    lower, upper = random_maps(geometry, positions, channels=(8, 40), dtype=torch.float32)
    pooled = cross_layer_pool(lower, upper, **named(geometry), border=border)
    pooled_by = Mock(wraps=cross_layer_pool)
    monkeypatch.setattr(pooling, "cross_layer_pool", pooled_by)
    energies = block_energies(lower, upper, **named(geometry), border=border)
    assert pooled_by.called == (positions == (9, 12))
    torch.testing.assert_close(energies, pooled.double().square().sum(dim=2), rtol=1e-6, atol=0)
    assert block_energies(lower * 0, upper, **named(geometry), border=border).tolist() == [[0] * 40] * 2


# --- pooling projected local features


def random_projection(lower, geometry, dimension, seed=0):
    """Components W (d, D*m*n) and a mean (D*m*n), in no way principal."""
    generator = torch.Generator().manual_seed(seed)
    length = lower.shape[1] * prod(geometry[0])
    components = torch.randn(dimension, length, generator=generator, dtype=lower.dtype)
    return components, torch.randn(length, generator=generator, dtype=lower.dtype)


def both_orders(monkeypatch, *args, **kwargs):
    """`pool_projected` made to project the patches first, and the blocks afterwards."""
    for first in (True, False):
        with monkeypatch.context() as patched:
            patched.setattr(pooling, "_project_first", lambda *sizes, first=first: first)
            yield pool_projected(*args, **kwargs)


@settings(max_examples=25)
@given(**MAPS, dimension=st.integers(1, 6))
def test_projected_equals_the_loop_over_projected_patches(geometry, positions, extra, batch, channels, seed, dimension):
    """sum_i a_ik W (x_i - mu), in either order: identity 5."""
    lower, upper = random_maps(geometry, positions, extra, batch=batch, channels=channels, seed=seed)
    components, mean = random_projection(lower, geometry, dimension, seed)
    expected = torch.zeros(batch, channels[1], dimension, dtype=lower.dtype)
    for image in range(batch):
        for row in range(positions[0]):
            for column in range(positions[1]):
                projected = components @ (patch_at(lower[image], row, column, geometry)[0] - mean)
                for k in range(channels[1]):
                    expected[image, k] += upper[image, k, row, column] * projected
    with pytest.MonkeyPatch.context() as monkeypatch:
        for pooled in both_orders(monkeypatch, lower, upper, components, mean, **named(geometry)):
            torch.testing.assert_close(pooled, expected)
    torch.testing.assert_close(pool_projected(lower, upper, components, mean, **named(geometry)), expected)


def test_projection_by_hand():
    # Of the 2 x 2 patches 1 2 4 5, 2 3 5 6, 4 5 7 8 and 5 6 8 9 (less their mean 3 4 6 7) the first and the last cell.
    upper = torch.tensor([[[1.0, 0], [0, 2]], [[0, 1], [0, 0]]])[None]
    components = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]])
    mean = torch.tensor([3.0, 4, 6, 7])
    pooled = pool_projected(LOWER[:, :1], upper, components, mean, kernel_size=2)
    assert pooled.tolist() == [[[(1 - 3) + 2 * (5 - 3), (5 - 7) + 2 * (9 - 7)], [2 - 3, 6 - 7]]]


@settings(max_examples=15)
@given(geometry=GEOMETRIES, seed=st.integers(0, 2**16))
def test_projecting_on_all_components_changes_nothing(geometry, seed):
    lower, upper = random_maps(geometry, seed=seed)
    length = lower.shape[1] * prod(geometry[0])
    components, mean = torch.eye(length, dtype=lower.dtype), torch.zeros(length, dtype=lower.dtype)
    pooled = pool_projected(lower, upper, components, mean, **named(geometry))
    torch.testing.assert_close(pooled, cross_layer_pool(lower, upper, **named(geometry)))


@pytest.mark.parametrize(
    ("maps", "side", "dimension", "kernel", "first"),
    [
        (4, 3, 8, 3, False),  # few maps: their blocks are quickly projected
        (32, 3, 2, 3, True),  # many maps and a short projection
        (32, 3, 20, 1, False),  # a projection hardly shorter than the patches
        (16, 12, 2, 1, True),  # many positions
        (2, 12, 2, 3, False),
        (6, 2, 3, 5, True),
    ],
)
def test_projects_where_it_takes_fewer_multiplications(monkeypatch, maps, side, dimension, kernel, first):
    """Counted by torch for the real work, not by the formula that chooses."""
    geometry = ((kernel, kernel), (1, 1), (kernel // 2, kernel // 2), (1, 1))
    lower, upper = random_maps(geometry, (side, side), batch=1, channels=(5, maps), dtype=torch.float32)
    components, mean = random_projection(lower, geometry, dimension)

    def multiplications():
        with FlopCounterMode(display=False) as counter:
            pool_projected(lower, upper, components, mean, **named(geometry))
        return counter.get_total_flops() // 2

    chosen = multiplications()
    monkeypatch.setattr(pooling, "_project_first", lambda *sizes: True)
    before = multiplications()
    monkeypatch.setattr(pooling, "_project_first", lambda *sizes: False)
    after = multiplications()
    assert (before < after) == first
    assert chosen == min(before, after)


def test_projection_leaves_its_arguments_alone(monkeypatch):
    lower, upper = random_maps(THREE_BY_THREE)
    given_ = (lower, upper, *random_projection(lower, THREE_BY_THREE, 2))
    copies = [value.clone() for value in given_]
    for _ in both_orders(monkeypatch, *given_, **named(THREE_BY_THREE)):
        assert all(torch.equal(value, copy) for value, copy in zip(given_, copies, strict=True))


@pytest.mark.parametrize(
    ("components", "mean", "sentence"),
    [
        (zeros(2, 26), zeros(26), r"shape \(2, 26\) with a mean of shape \(26,\) does not fit patches of 27 numbers"),
        (zeros(2, 27), zeros(26), r"mean of shape \(26,\) does not fit"),
        (zeros(27), zeros(27), r"shape \(27,\) with"),
        (zeros(2, 27), zeros(), r"mean of shape \(\) does not fit"),
    ],
)
def test_a_projection_that_does_not_fit(components, mean, sentence):
    with pytest.raises(SettingError, match=sentence):
        pool_projected(zeros(1, 3, 5, 5), zeros(1, 4, 5, 5), components, mean, kernel_size=3, padding=1)


def test_projecting_maps_that_do_not_belong_together():
    with pytest.raises(SettingError, match="lie at 5×5 positions"):
        pool_projected(zeros(1, 3, 5, 5), zeros(1, 4, 4, 4), zeros(2, 27), zeros(27), kernel_size=3, padding=1)
