"""What convolutions, poolings, padding and interpolation read."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from crosspool import regions
from crosspool.dependence.call import Call, Reads
from crosspool.regions import Interval, Region

MAXIMA = ("max_pool1d", "max_pool2d")
PAD_MODES = {"zeros": "constant"}
PADDING_MODULES = {
    nn.ConstantPad2d: "constant", nn.ReflectionPad2d: "reflect", nn.ReplicationPad2d: "replicate",
    nn.CircularPad2d: "circular",
}  # fmt: skip


def _windowed(call: Call, region: Region, spans: Sequence[Interval], *, mixes: bool) -> Reads:
    """The region with other spans for the last axes; where channels are mixed, with all of them."""
    last = list(spans)
    read = (*region[: len(region) - len(last)], *last)
    channels = len(read) - len(last) - 1
    return {call.source: regions.with_whole_axes(read, call.source_shape, [channels]) if mixes else read}


def _window(
    call: Call, region: Region, kernel: Any, stride: Any, padding: Any, dilation: Any, axes: int, *, mixes: bool,
    mode: str = "constant",
) -> Reads:  # fmt: skip
    spans = []
    for axis in range(axes):
        k, s, d = (_along(value, axis) for value in (kernel, stride, dilation))
        p = _padding_before(padding, k, d, axis)
        first, last = regions.window(region[axis - axes], k, s, p, d)
        spans.append(regions.padded((first + p, last + p), p, call.source_shape[axis - axes], mode))
    return _windowed(call, region, spans, mixes=mixes)


def _padding_before(padding: Any, kernel: int, dilation: int, axis: int) -> int:
    if isinstance(padding, str):
        return dilation * (kernel - 1) // 2 if padding == "same" else 0
    return _along(padding, axis)


def _along(value: Any, axis: int) -> int:
    if isinstance(value, tuple | list):
        return int(value[axis] if len(value) > 1 else value[0])
    return int(value)


def convolution_module(call: Call, region: Region) -> Reads:
    module: Any = call.module
    mode = PAD_MODES.get(module.padding_mode, module.padding_mode)
    geometry = module.kernel_size, module.stride, module.padding, module.dilation
    return _window(call, region, *geometry, len(module.kernel_size), mixes=True, mode=mode)


def convolution(call: Call, region: Region) -> Reads:
    weight = call.value(1, "weight")
    kernel = call.layout.shapes[weight.name][2:]
    stride, padding, dilation = (call.value(3, "stride", 1), call.value(4, "padding", 0), call.value(5, "dilation", 1))
    return _window(call, region, kernel, stride, padding, dilation, len(kernel), mixes=True)


def transposed_module(call: Call, region: Region) -> Reads:
    module: Any = call.module
    geometry = module.kernel_size, module.stride, module.padding, module.dilation
    axes = len(module.kernel_size)
    spans = [
        regions.clipped(
            regions.transposed_window(region[axis - axes], *(int(value[axis]) for value in geometry)),
            call.source_shape[axis - axes],
        )
        for axis in range(axes)
    ]
    return _windowed(call, region, spans, mixes=True)


def pool_module(call: Call, region: Region) -> Reads:
    module: Any = call.module
    axes = 1 if isinstance(module, nn.MaxPool1d | nn.AvgPool1d) else 2
    stride = module.kernel_size if module.stride is None else module.stride
    dilation = getattr(module, "dilation", 1)
    return _window(call, region, module.kernel_size, stride, module.padding, dilation, axes, mixes=False)


def pool(call: Call, region: Region) -> Reads:
    kernel, stride = call.value(1, "kernel_size"), call.value(2, "stride")
    dilation = call.value(4, "dilation", 1) if call.name in MAXIMA else 1
    axes = 1 if call.name.endswith("1d") else 2
    padding = call.value(3, "padding", 0)
    return _window(
        call, region, kernel, kernel if stride in (None, ()) else stride, padding, dilation, axes, mixes=False
    )


def adaptive(call: Call, region: Region) -> Reads:
    axes = 2
    sizes = zip(call.source_shape[-axes:], call.shape[-axes:], strict=True)
    return _windowed(
        call,
        region,
        [regions.adaptive(span, *size) for span, size in zip(region[-axes:], sizes, strict=True)],
        mixes=False,
    )


def pad(call: Call, region: Region) -> Reads:
    module: Any = call.module
    if module is not None:
        mode = next(mode for kind, mode in PADDING_MODULES.items() if isinstance(module, kind))
        pads = module.padding
    else:
        mode, pads = call.value(2, "mode", "constant"), call.value(1, "pad")
    read = list(region)
    for number, before in enumerate(pads[::2]):
        axis = -1 - number
        read[axis] = regions.padded(region[axis], int(before), call.source_shape[axis], mode)
    return {call.source: tuple(read)}


def interpolation(call: Call, region: Region) -> Reads | None:
    """Of `interpolate` and of Upsample."""
    module: Any = call.module
    if module is not None:
        mode, scales, aligned, smooth, again = module.mode, module.scale_factor, module.align_corners, False, False
        again = bool(module.recompute_scale_factor)
    else:
        mode, scales, aligned = (
            call.value(3, "mode", "nearest"),
            call.value(2, "scale_factor"),
            call.value(4, "align_corners"),
        )
        again, smooth = bool(call.value(5, "recompute_scale_factor")), bool(call.value(6, "antialias", False))
    if mode == "area":
        return adaptive(call, region)
    if mode not in ("nearest", "linear", "bilinear", "bicubic"):
        return None
    axes = len(region) - 2
    spans = []
    for axis in range(axes):
        length, new = call.source_shape[axis - axes], call.shape[axis - axes]
        scale = (
            length / new
            if scales is None or again
            else 1 / float(scales[axis] if isinstance(scales, tuple | list) else scales)
        )
        if aligned:
            scale = (length - 1) / max(new - 1, 1)
        spans.append(
            regions.interpolated(region[axis - axes], length, scale, mode, aligned=bool(aligned), smooth=smooth)
        )
    return _windowed(call, region, spans, mixes=False)


def pixel_shuffle(call: Call, region: Region) -> Reads:
    """Channels that become pixels."""
    factor = call.shape[-1] // call.source_shape[-1]
    return _windowed(call, region, [(first // factor, last // factor) for first, last in region[-2:]], mixes=True)


def pixel_unshuffle(call: Call, region: Region) -> Reads:
    """Pixels that become channels."""
    factor = call.source_shape[-1] // call.shape[-1]
    spans = [(first * factor, last * factor + factor - 1) for first, last in region[-2:]]
    return _windowed(call, region, spans, mixes=True)


def image_patches(call: Call, region: Region) -> Reads:
    """Of `torch.nn.functional.unfold` and of Unfold: a patch in each column."""
    module: Any = call.module
    names = ("kernel_size", "dilation", "padding", "stride")
    given = [
        getattr(module, name) if module else call.value(n + 1, name, int(name != "padding"))
        for n, name in enumerate(names)
    ]
    kernel, dilation, padding, stride = ([_along(value, axis) for axis in (0, 1)] for value in given)
    across = (call.source_shape[-1] + 2 * padding[1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    first, last = region[-1]
    is_one_row = first // across == last // across
    places = [(first // across, last // across), (first % across, last % across) if is_one_row else (0, across - 1)]
    spans = []
    for axis, place in enumerate(places):
        span = regions.window(place, kernel[axis], stride[axis], padding[axis], dilation[axis])
        spans.append(regions.clipped(span, call.source_shape[axis - 2]))
    batch = region[:-2]
    return {call.source: (*batch, (0, call.source_shape[-3] - 1), *spans)}
