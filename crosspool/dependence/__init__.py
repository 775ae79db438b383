"""On which part of its inputs a part of an operation's output depends.

What an operation reads is stated for each that is listed here; one that is not may read all of its inputs, so that what
follows from it is never too small.
"""

from collections.abc import Callable

from torch import fx, nn

from crosspool import regions
from crosspool.dependence import axes, windows
from crosspool.dependence.call import Call, Reads
from crosspool.regions import Region
from crosspool.tracing import ACTIVATION_MODULES, Layout

Rule = Callable[[Call, Region], Reads | None]

POINTWISE_MODULES = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d,
    nn.AlphaDropout, nn.FeatureAlphaDropout, nn.SELU, nn.CELU, nn.LogSigmoid, nn.Softsign, nn.Tanhshrink,
    nn.Hardshrink, nn.Softshrink, nn.Threshold, nn.RReLU, *ACTIVATION_MODULES,
)  # fmt: skip
# Of functions, methods and operators, without the underscores around them.
POINTWISE = frozenset((
    "add", "sub", "mul", "div", "truediv", "floordiv", "true_divide", "floor_divide", "radd", "rsub", "rmul", "rdiv",
    "rtruediv", "pow", "rpow", "neg", "abs", "exp", "expm1", "log", "log1p", "log2", "sqrt", "rsqrt", "square", "sin",
    "cos", "tanh", "erf", "sigmoid", "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "silu", "gelu",
    "hardswish", "hardsigmoid", "hardtanh", "mish", "softplus", "softsign", "logsigmoid", "threshold", "clamp", "clip",
    "clamp_min", "clamp_max", "maximum", "minimum", "where", "floor", "ceil", "round", "sign", "reciprocal", "dropout",
    "dropout2d", "alpha_dropout", "feature_dropout", "stochastic_depth", "batch_norm", "contiguous", "clone", "detach",
    "to", "float", "double", "type_as", "masked_fill", "eq", "ne", "gt", "lt", "ge", "le", "nan_to_num", "lerp",
    "addcmul", "zeros_like", "ones_like", "expand", "expand_as", "broadcast_to", "data",
))  # fmt: skip
PARTED = frozenset(("chunk", "split", "unbind"))
SEVERAL = frozenset(("max", "min", "sort", "topk", "var_mean", "std_mean"))
MODULES: dict[type[nn.Module] | tuple[type[nn.Module], ...], Rule] = {
    POINTWISE_MODULES: axes.pointwise,
    (nn.Conv1d, nn.Conv2d, nn.Conv3d): windows.convolution_module,
    (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d): windows.transposed_module,
    (nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d): windows.pool_module,
    (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d): windows.adaptive,
    tuple(windows.PADDING_MODULES): windows.pad,
    nn.Upsample: windows.interpolation,
    nn.PixelShuffle: windows.pixel_shuffle,
    nn.PixelUnshuffle: windows.pixel_unshuffle,
    nn.Unfold: windows.image_patches,
    (nn.Flatten, nn.Unflatten): axes.reshape,
    nn.Linear: axes.last_axis,
    nn.LayerNorm: axes.last_axes,
    (nn.LocalResponseNorm, nn.ChannelShuffle, nn.Softmax2d): axes.channels,
    (nn.GroupNorm, nn.InstanceNorm2d): axes.each_image,
    (nn.Softmax, nn.LogSoftmax): axes.along_an_axis,
}
FUNCTIONS: dict[str, Rule] = {
    **dict.fromkeys(POINTWISE, axes.pointwise),
    **dict.fromkeys(
        ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"), axes.reshape
    ),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), windows.convolution),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"), windows.pool),
    **dict.fromkeys(("adaptive_avg_pool2d", "adaptive_max_pool2d"), windows.adaptive),
    "pad": windows.pad,
    "interpolate": windows.interpolation,
    "pixel_shuffle": windows.pixel_shuffle,
    "pixel_unshuffle": windows.pixel_unshuffle,
    "permute": axes.permuted,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims", "t", "T", "mT"), axes.transposed),
    **dict.fromkeys(("movedim", "moveaxis"), axes.moved),
    "flip": axes.flipped,
    "roll": axes.rolled,
    **dict.fromkeys(("repeat", "tile"), axes.repeated),
    **dict.fromkeys(("cat", "concat", "concatenate"), axes.concatenated),
    "stack": axes.stacked,
    "getitem": axes.indexed,
    "narrow": axes.narrowed,
    "select": axes.selected,
    **dict.fromkeys(
        ("mean", "sum", "amax", "amin", "prod", "std", "var", "logsumexp", "max", "min", "norm"), axes.reduced
    ),
    **dict.fromkeys(("softmax", "log_softmax", "cumsum", "cumprod", "normalize"), axes.along_an_axis),
    "linear": axes.last_axis,
    "layer_norm": axes.last_axes,
    "local_response_norm": axes.channels,
    **dict.fromkeys(("group_norm", "instance_norm"), axes.each_image),
    **dict.fromkeys(("matmul", "bmm"), axes.matrix_product),
}


def read_by(node: fx.Node, region: Region, layout: Layout, modules: dict[str, nn.Module]) -> Reads:
    """The part of each of its inputs on which a part of a node's output depends; () for none of an input."""
    call = Call(node, layout, modules[str(node.target)] if node.op == "call_module" else None)
    inputs = [read for read in node.all_input_nodes if read.name in layout.shapes]
    everything = {read: regions.whole(layout.shapes[read.name]) for read in inputs}
    if node.name in layout.opaque or node.name not in layout.shapes or not inputs:
        return everything
    reads = _reads(call, region)
    return everything if reads is None else everything | reads


def _reads(call: Call, region: Region) -> Reads | None:
    """What is stated of an operation; None where nothing is."""
    if call.module is not None:
        rule = next((rule for kinds, rule in MODULES.items() if isinstance(call.module, kinds)), None)
        return rule(call, region) if rule else None
    if call.name == "unfold":
        return windows.image_patches(call, region) if call.node.op == "call_function" else axes.unfolded(call, region)
    if call.name in ("max", "min") and len(call.node.all_input_nodes) > 1:
        return axes.pointwise(call, region)
    if call.name == "getitem" and call.node.op == "call_function":
        is_module = call.source.op == "call_module"
        whole = "" if is_module else Call(call.source, call.layout, None).name
        if whole in PARTED:
            return axes.part_of(call, Call(call.source, call.layout, None), region)
        if "number" in call.node.meta or whole in SEVERAL:  # one of several results
            return {call.source: region} if call.shape == call.source_shape else None
    rule = FUNCTIONS.get(call.name)
    return rule(call, region) if rule else None
