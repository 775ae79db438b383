"""Cross-convolutional-layer pooling: local features and Eq. 1 of Liu, Shen and van den Hengel (CVPR 2015)."""

from math import prod
from typing import Literal

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from crosspool.errors import SettingError

Border = Literal["zero", "valid"]
IntOrPair = int | tuple[int, int]
_Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]


def local_features(
    lower: Tensor, *, kernel_size: IntOrPair = 1, stride: IntOrPair = 1, padding: IntOrPair = 0, dilation: IntOrPair = 1
) -> Tensor:
    """The local features of a lower map: its patches x_i, as columns.

    They take m*n times the memory of the lower map, and are meant for looking at one image. `cross_layer_pool` does not
    need them.

    Args:
        lower: The lower map X, (B, D_t, H_t, W_t).
        kernel_size: Rows and columns of a patch, m x n, or one number for both.
        stride: Steps between patches, likewise, in cells of the lower map.
        padding: Rows and columns of zeros around the lower map.
        dilation: Steps between the cells of a patch.

    Returns:
        Tensor: (B, D_t*m*n, N), channel-major as `torch.nn.functional.unfold` orders a patch, with the N positions in
        row-major order.

    Raises:
        SettingError: The geometry is impossible, or no patch fits into the map.

    Example:
        >>> import crosspool, torch
        >>> crosspool.local_features(torch.arange(9.0).view(1, 1, 3, 3), kernel_size=2)[0, :, 0]
        tensor([0., 1., 3., 4.])

    References:
        Liu, Shen and van den Hengel, CVPR 2015, section 3: local features of a convolutional layer.
    """
    geometry = kernel, strides, pads, gaps = _geometry(kernel_size, stride, padding, dilation)
    _check_map(lower, "lower")
    _positions(lower, geometry)
    return F.unfold(lower, kernel, dilation=gaps, padding=pads, stride=strides)


def cross_layer_pool(
    lower: Tensor,
    upper: Tensor,
    *,
    kernel_size: IntOrPair = 1,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    border: Border = "zero",
) -> Tensor:
    """Pool the lower map's patches under every channel of the upper map: P_k = sum_i a_ik x_i.

    Kernel, stride, padding and dilation are those of the convolution that joins the two maps: `LayerPair.geometry`.

    P is the gradient of 1/2*||A||^2 with respect to the convolution's weight, and is computed as that, one image at a
    time, so that patches are not unfolded. Only the patches of an image with fewer positions than maps are unfolded,
    which is faster and takes no more memory than P.

    Args:
        lower: The lower map X, (B, D_t, H_t, W_t).
        upper: The upper map A, (B, D_{t+1}, H, W), used as it is: rectify it first for the paper's weights.
        kernel_size: Rows and columns of a patch, m x n, or one number for both.
        stride: Steps between patches, likewise, in cells of the lower map.
        padding: Rows and columns of zeros around the lower map.
        dilation: Steps between the cells of a patch.
        border: "zero" pads patches with zeros as the convolution does; "valid" leaves out positions whose patch crosses
            the border. The paper does not say which it uses.

    Returns:
        Tensor: P, (B, D_{t+1}, D_t*m*n), each block channel-major as `torch.nn.functional.unfold` orders a patch.

    Raises:
        SettingError: The two maps do not belong together, or no position is valid.

    Example:
        >>> import crosspool, torch
        >>> lower, upper = torch.tensor([[[[2.0, 3.0]]]]), torch.tensor([[[[1.0, 0.0]], [[1.0, 1.0]]]])
        >>> crosspool.cross_layer_pool(lower, upper)[0]  # the first map keeps 2, the second one sums both
        tensor([[2.],
                [5.]])

    References:
        Liu, Shen and van den Hengel, CVPR 2015, Eq. 1.
    """
    lower, upper, (kernel, strides, pads, gaps) = _pooled_maps(
        lower, upper, _geometry(kernel_size, stride, padding, dilation), border
    )
    if kernel == (1, 1) and pads == (0, 0):
        units = lower[..., :: strides[0], :: strides[1]].flatten(2)  # (B, D, N)
        return upper.flatten(2) @ units.transpose(1, 2)  # (B, K, N) @ (B, N, D)
    weight_shape = (upper.shape[1], lower.shape[1], *kernel)
    pooled = lower.new_empty(upper.shape[0], weight_shape[0], lower.shape[1] * kernel[0] * kernel[1])
    few_positions = upper.shape[2] * upper.shape[3] <= upper.shape[1]  # then an image's patches are no larger than P
    for image in range(len(pooled)):
        x, a = lower[image : image + 1], upper[image : image + 1]
        if few_positions:
            patches = F.unfold(x, kernel, dilation=gaps, padding=pads, stride=strides)[0]  # (D*m*n, N)
            pooled[image] = a[0].flatten(1) @ patches.T
        else:
            pooled[image] = conv2d_weight(x, weight_shape, a, strides, pads, gaps).flatten(1)  # (K, D*m*n)
    return pooled


def block_energies(
    lower: Tensor,
    upper: Tensor,
    *,
    kernel_size: IntOrPair = 1,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    border: Border = "zero",
) -> Tensor:
    """The energy of every block of P, ||P_k||^2, without P where that takes fewer multiplications.

    As P_k = sum_i a_ik x_i, it is a_k^T G a_k, where G = X^T X holds the products of all patches with each other.

    Args:
        lower: The lower map X, (B, D_t, H_t, W_t).
        upper: The upper map A, (B, D_{t+1}, H, W), used as it is.
        kernel_size: This and what follows as in `cross_layer_pool`.
        stride: Steps between patches.
        padding: Rows and columns of zeros around the lower map.
        dilation: Steps between the cells of a patch.
        border: Which patches are pooled.

    Returns:
        Tensor: (B, D_{t+1}), in double precision, on the CPU.

    Raises:
        SettingError: The two maps do not belong together, or no position is valid.
    """
    lower, upper, (kernel, strides, pads, gaps) = _pooled_maps(
        lower, upper, _geometry(kernel_size, stride, padding, dilation), border
    )
    maps, positions, length = upper.shape[1], upper.shape[2] * upper.shape[3], lower.shape[1] * prod(kernel)
    if positions * (maps + length) > maps * length:
        pooled = cross_layer_pool(lower, upper, kernel_size=kernel, stride=strides, padding=pads, dilation=gaps)
        energies: Tensor = vector_norm(pooled.cpu(), dim=2, dtype=torch.float64).square()
        return energies
    # On the CPU, as Apple's MPS has no double precision.
    patches = F.unfold(lower.cpu().double(), kernel, dilation=gaps, padding=pads, stride=strides)  # (B, D*m*n, N)
    weights = upper.cpu().double().flatten(2)  # (B, K, N)
    products = weights @ (patches.transpose(1, 2) @ patches)  # (B, K, N) @ (B, N, N)
    return (products * weights).sum(2).clamp_min(0)


def pool_projected(
    lower: Tensor,
    upper: Tensor,
    components: Tensor,
    mean: Tensor,
    *,
    kernel_size: IntOrPair = 1,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Tensor:
    """Pool projected local features: P_k = sum_i a_ik W (x_i - mu).

    As pooling is linear, this is W P_k - (sum_i a_ik) W mu, and as projecting the patches is itself a convolution,
    either the patches are projected before pooling or the blocks afterwards, whichever takes fewer multiplications.

    Args:
        lower: The lower map X, (B, D_t, H_t, W_t).
        upper: The upper map A, (B, D_{t+1}, H, W), used as it is.
        components: W, (d, D_t*m*n), channel-major as `torch.nn.functional.unfold` orders a patch.
        mean: mu, (D_t*m*n), in the same order.
        kernel_size: Rows and columns of a patch, m x n, or one number for both.
        stride: Steps between patches, likewise, in cells of the lower map.
        padding: Rows and columns of zeros around the lower map.
        dilation: Steps between the cells of a patch.

    Returns:
        Tensor: The pooled blocks, (B, D_{t+1}, d).

    Raises:
        SettingError: The two maps, or the projection and the patches, do not belong together.

    Example:
        >>> import crosspool, torch
        >>> lower, upper = torch.rand(1, 3, 4, 4), torch.rand(1, 5, 4, 4)
        >>> components, mean = torch.eye(3)[:2], torch.zeros(3)  # keeps the first two of three channels
        >>> projected = crosspool.pool_projected(lower, upper, components, mean)
        >>> torch.allclose(projected, crosspool.cross_layer_pool(lower, upper)[..., :2])
        True

    References:
        Liu, Shen and van den Hengel, CVPR 2015, section 3: principal components of local features, then Eq. 1.
    """
    geometry = kernel, strides, pads, gaps = _geometry(kernel_size, stride, padding, dilation)
    _check_maps(lower, upper, geometry)
    patch_length = lower.shape[1] * prod(kernel)
    if components.ndim != 2 or components.shape[1:] != mean.shape or len(mean) != patch_length:
        projection = f"A projection of shape {tuple(components.shape)} with a mean of shape {tuple(mean.shape)}"
        raise SettingError(f"{projection} does not fit patches of {patch_length} numbers.")
    offset = components @ mean  # (d,)
    if _project_first(upper.shape[1], upper.shape[2] * upper.shape[3], *components.shape):
        weight = components.unflatten(1, (lower.shape[1], *kernel))
        projected = F.conv2d(lower, weight, -offset, strides, pads, gaps)  # (B, d, H, W)
        return cross_layer_pool(projected, upper)
    pooled = cross_layer_pool(lower, upper, kernel_size=kernel, stride=strides, padding=pads, dilation=gaps)
    return pooled @ components.T - upper.flatten(2).sum(2, keepdim=True) * offset


def _project_first(maps: int, positions: int, dimension: int, patch_length: int) -> bool:
    """Whether projecting patches and then pooling takes fewer multiplications than pooling and then projecting."""
    return positions * dimension * (patch_length + maps) <= maps * patch_length * (positions + dimension)


def _geometry(kernel_size: IntOrPair, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair) -> _Geometry:
    kernel, strides, pads, gaps = (_pair_of_ints(value) for value in (kernel_size, stride, padding, dilation))
    if min(*kernel, *strides, *gaps) < 1 or min(pads) < 0:
        raise SettingError("Kernel size, stride and dilation are at least 1, and padding at least 0.")
    return kernel, strides, pads, gaps


def _pair_of_ints(value: IntOrPair) -> tuple[int, int]:
    try:
        rows, columns = value if isinstance(value, tuple | list) else (value, value)
        return int(rows), int(columns)
    except (TypeError, ValueError) as error:
        raise SettingError(f"{value!r} is neither a whole number nor a pair of them (rows, columns).") from error


def _positions(lower: Tensor, geometry: _Geometry) -> tuple[int, int]:
    """The rows and columns of positions of patches. Raises SettingError if no patch fits into the map."""
    size = (lower.shape[2], lower.shape[3])
    rows, columns = (
        (length + 2 * pad - gap * (kernel - 1) - 1) // stride + 1
        for length, kernel, stride, pad, gap in zip(size, *geometry, strict=True)
    )
    if min(rows, columns) < 1:
        kernel, _, _, gaps = geometry
        reach = "×".join(str(gap * (k - 1) + 1) for k, gap in zip(kernel, gaps, strict=True))
        raise SettingError(f"A patch of {reach} cells does not fit into the {size[0]}×{size[1]} lower map.")
    return rows, columns


def _check_map(value: Tensor, name: str) -> None:
    if value.ndim != 4:
        raise SettingError(f"The {name} map has the shape {tuple(value.shape)}, not (images, channels, rows, columns).")


def _check_maps(lower: Tensor, upper: Tensor, geometry: _Geometry) -> None:
    _check_map(lower, "lower")
    _check_map(upper, "upper")
    if lower.shape[0] != upper.shape[0]:
        raise SettingError(f"There are {lower.shape[0]} lower maps but {upper.shape[0]} upper maps.")
    if (lower.dtype, lower.device) != (upper.dtype, upper.device):
        lower_kind, upper_kind = (f"{value.dtype} on {value.device}" for value in (lower, upper))
        raise SettingError(f"The lower map is {lower_kind}, but the upper one {upper_kind}.")
    rows, columns = _positions(lower, geometry)
    if tuple(upper.shape[2:]) != (rows, columns):
        lower_size, upper_size = (f"{value.shape[2]}×{value.shape[3]}" for value in (lower, upper))
        patches = f"Patches of a {lower_size} map with this kernel, stride, padding and dilation"
        raise SettingError(f"{patches} lie at {rows}×{columns} positions, but the upper map has {upper_size}.")


def _pooled_maps(lower: Tensor, upper: Tensor, geometry: _Geometry, border: Border) -> tuple[Tensor, Tensor, _Geometry]:
    """Both maps, checked, without the positions that are left out, and the geometry that joins what remains."""
    _check_maps(lower, upper, geometry)
    if border == "valid":
        return _without_border(lower, upper, geometry)
    if border != "zero":
        raise SettingError(f"The border is 'zero' or 'valid', not {border!r}.")
    return lower, upper, geometry


def _without_border(lower: Tensor, upper: Tensor, geometry: _Geometry) -> tuple[Tensor, Tensor, _Geometry]:
    """Both maps, cropped to the positions whose patches lie inside, and the geometry without padding."""
    kernel, strides, pads, gaps = geometry
    for axis in (0, 1):
        stride, pad, reach = strides[axis], pads[axis], gaps[axis] * (kernel[axis] - 1)
        first = -(-pad // stride)  # the first position whose patch starts inside
        start = first * stride - pad
        count = min((lower.shape[2 + axis] - start - reach - 1) // stride + 1, upper.shape[2 + axis] - first)
        if count < 1:
            raise SettingError("No patch lies wholly inside the lower map; choose zero padding or a larger input.")
        lower = lower.narrow(2 + axis, start, (count - 1) * stride + reach + 1)
        upper = upper.narrow(2 + axis, first, count)
    return lower, upper, (kernel, strides, (0, 0), gaps)
