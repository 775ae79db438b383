"""What operations read that move, join, cut and sum up along axes."""

from math import prod
from types import EllipsisType
from typing import Any, cast

from torch import fx

from crosspool import regions
from crosspool.dependence.call import Call, Reads
from crosspool.regions import Interval, Region

Index = int | slice | EllipsisType | None


def pointwise(call: Call, region: Region) -> Reads:
    shapes = {
        node: call.layout.shapes[node.name] for node in call.node.all_input_nodes if node.name in call.layout.shapes
    }
    return {
        node: regions.broadcast(region, shape) if len(shape) <= len(region) else regions.whole(shape)
        for node, shape in shapes.items()
    }


def reshape(call: Call, region: Region) -> Reads | None:
    if prod(call.shape) != prod(call.source_shape):
        return None  # another type of number
    return {call.source: regions.reshaped(region, call.shape, call.source_shape)}


# --- axes in another order


def permuted(call: Call, region: Region) -> Reads:
    order = [axis % len(region) for axis in call.numbers("dims")]
    return {call.source: tuple(region[order.index(axis)] for axis in range(len(region)))}


def transposed(call: Call, region: Region) -> Reads:
    """Of two axes that change places: the last two for `t`, `T` and `mT`."""
    is_last_two = call.name in ("t", "T", "mT")
    pair = (-2, -1) if is_last_two else (int(call.value(1, "dim0")), int(call.value(2, "dim1")))
    first, second = (axis % len(region) for axis in pair)
    read = list(region)
    read[first], read[second] = region[second], region[first]
    return {call.source: tuple(read)}


def moved(call: Call, region: Region) -> Reads:
    """Of `movedim`."""
    starts, ends = (_listed(call.value(place, name), region) for place, name in ((1, "source"), (2, "destination")))
    rest = iter(axis for axis in range(len(region)) if axis not in starts)
    order = [starts[ends.index(axis)] if axis in ends else next(rest) for axis in range(len(region))]
    return {call.source: tuple(region[order.index(axis)] for axis in range(len(region)))}


def flipped(call: Call, region: Region) -> Reads:
    read = list(region)
    for axis in (axis % len(region) for axis in call.numbers("dims")):
        end = call.shape[axis] - 1
        read[axis] = (end - region[axis][1], end - region[axis][0])
    return {call.source: tuple(read)}


def rolled(call: Call, region: Region) -> Reads | None:
    shifts, axes = call.value(1, "shifts"), call.value(2, "dims")
    if axes in (None, ()):
        return None  # as one long row
    read = list(region)
    shifts = shifts if isinstance(shifts, tuple | list) else [shifts]
    for shift, axis in zip(shifts, _listed(axes, region), strict=True):
        read[axis] = regions.rolled(read[axis], shift, call.shape[axis])
    return {call.source: tuple(read)}


def repeated(call: Call, region: Region) -> Reads:
    """Of `repeat` and `tile`."""
    before = call.source_shape
    spans = region[len(region) - len(before) :]
    return {
        call.source: tuple(
            (first % length, last % length) if first // length == last // length else (0, length - 1)
            for (first, last), length in zip(spans, before, strict=True)
        )
    }


# --- joined and cut


def concatenated(call: Call, region: Region) -> Reads | None:
    if isinstance(call.node.args[0], fx.Node):
        return None  # all parts of a map that was cut
    axis, start, reads = int(call.value(1, "dim", 0)) % len(region), 0, Reads()
    for part in cast("list[fx.Node]", call.value(0, "tensors")):
        length = call.layout.shapes[part.name][axis]
        first, last = max(region[axis][0] - start, 0), min(region[axis][1] - start, length - 1)
        if first <= last:
            read = (*region[:axis], (first, last), *region[axis + 1 :])
            reads[part] = regions.union(read, reads[part]) if part in reads else read
        elif part not in reads:
            reads[part] = ()  # nothing
        start += length
    return reads


def stacked(call: Call, region: Region) -> Reads:
    axis, reads = int(call.value(1, "dim", 0)) % len(region), Reads()
    for number, part in enumerate(cast("list[fx.Node]", call.value(0, "tensors"))):
        if region[axis][0] <= number <= region[axis][1]:
            reads[part] = (*region[:axis], *region[axis + 1 :])
        elif part not in reads:
            reads[part] = ()
    return reads


def part_of(call: Call, whole: Call, region: Region) -> Reads:
    """Of one of the tensors that `chunk`, `split` or `unbind` cut a map into; `whole` is that call."""
    number, shape = int(cast("int", call.node.args[1])), whole.source_shape
    if whole.name == "unbind":
        axis = int(whole.value(1, "dim", 0)) % len(shape)
        number %= shape[axis]
        return {call.source: (), whole.source: (*region[:axis], (number, number), *region[axis:])}
    axis = int(whole.value(2, "dim", 0)) % len(shape)
    sizes = whole.value(1, "split_size")
    if whole.name == "chunk":
        step = -(-shape[axis] // int(whole.value(1, "chunks")))
        start = number % -(-shape[axis] // step) * step
    elif isinstance(sizes, tuple | list):
        start = sum(sizes[: number % len(sizes)])
    else:
        step = int(whole.value(1, "split_size", sizes))
        start = number % -(-shape[axis] // step) * step
    first, last = region[axis]
    return {call.source: (), whole.source: (*region[:axis], (first + start, last + start), *region[axis + 1 :])}


def indexed(call: Call, region: Region) -> Reads | None:
    """Of `x[...]` with numbers, slices, None and an ellipsis."""
    index = call.value(1, "index")
    index = list(index) if isinstance(index, tuple) else [index]
    if not all(isinstance(each, int | slice | EllipsisType | None) and not isinstance(each, bool) for each in index):
        return None
    axes = sum(each is not None and each is not ... for each in index)
    rest = [slice(None)] * (len(call.source_shape) - axes)
    at = next((place for place, each in enumerate(index) if each is ...), len(index))
    spans, read = iter(region), list[Interval]()
    for each in cast("list[Index]", [*index[:at], *rest, *index[at + 1 :]]):
        if each is None:
            next(spans)
            continue
        length = call.source_shape[len(read)]
        if isinstance(each, slice):
            start, _, step = each.indices(length)
            first, last = next(spans)
            read.append((start + first * step, start + last * step))
        else:
            read.append((cast("int", each) % length,) * 2)
    return {call.source: tuple(read)}


def narrowed(call: Call, region: Region) -> Reads:
    axis, start = int(call.value(1, "dim")) % len(region), int(call.value(2, "start"))
    start %= call.source_shape[axis]
    return {call.source: (*region[:axis], (region[axis][0] + start, region[axis][1] + start), *region[axis + 1 :])}


def unfolded(call: Call, region: Region) -> Reads:
    """Of a tensor's own `unfold`, which puts windows along an axis into another one at the end."""
    axis, step = int(call.value(1, "dimension")) % len(call.source_shape), int(call.value(3, "step"))
    (first, last), (near, far) = region[axis], region[-1]
    read = (*region[:axis], (first * step + near, last * step + far), *region[axis + 1 : -1])
    return {call.source: read}


def selected(call: Call, region: Region) -> Reads:
    shape = call.source_shape
    axis = int(call.value(1, "dim")) % len(shape)
    number = int(call.value(2, "index")) % shape[axis]
    return {call.source: (*region[:axis], (number, number), *region[axis:])}


# --- summed up


def reduced(call: Call, region: Region) -> Reads:
    """Of a mean, a sum, a maximum ... over some axes, or over all."""
    shape, axes = call.source_shape, call.value(2 if call.name == "norm" else 1, "dim")
    if axes in (None, ()) or isinstance(axes, bool):
        return {call.source: regions.whole(shape)}
    full = _listed(axes, shape)
    rest = iter(region if len(region) < len(shape) else [span for axis, span in enumerate(region) if axis not in full])
    return {call.source: tuple((0, length - 1) if axis in full else next(rest) for axis, length in enumerate(shape))}


def along_an_axis(call: Call, region: Region) -> Reads:
    """Of what compares the values along an axis, such as softmax."""
    module: Any = call.module
    usual = 1 if call.name == "normalize" else -1
    axis = module.dim if module is not None else call.value(2 if call.name == "normalize" else 1, "dim", usual)
    if axis is None:
        return {call.source: regions.whole(call.source_shape)}
    return {call.source: regions.with_whole_axes(region, call.source_shape, [axis])}


def last_axis(call: Call, region: Region) -> Reads:
    """Of a linear layer."""
    return {call.source: (*region[:-1], (0, call.source_shape[-1] - 1))}


def last_axes(call: Call, region: Region) -> Reads:
    """Of a layer normalisation."""
    module: Any = call.module
    count = len(module.normalized_shape if module is not None else call.value(1, "normalized_shape"))
    return {call.source: regions.with_whole_axes(region, call.source_shape, range(-count, 0))}


def channels(call: Call, region: Region) -> Reads:
    """Of what mixes the channels at each position."""
    return {call.source: regions.with_whole_axes(region, call.source_shape, [1])}


def each_image(call: Call, region: Region) -> Reads:
    """Of normalisations over all positions."""
    return {call.source: regions.with_whole_axes(region, call.source_shape, range(1, len(region)))}


def matrix_product(call: Call, region: Region) -> Reads | None:
    first, second = (call.value(place, name) for place, name in ((0, "input"), (1, "other")))
    shapes = [call.layout.shapes[node.name] for node in (first, second)]
    if min(map(len, shapes)) < 2 or call.name == "rmatmul":
        return None
    batch = region[:-2]
    reads = Reads()
    for node, shape, ends in (
        (first, shapes[0], (region[-2], (0, shapes[0][-1] - 1))),
        (second, shapes[1], ((0, shapes[1][-2] - 1), region[-1])),
    ):
        read = (*regions.broadcast(batch, shape[:-2]), *ends)
        reads[node] = regions.union(read, reads[node]) if node in reads else read
    return reads


def _listed(axes: Any, region: Any) -> list[int]:
    return [int(axis) % len(region) for axis in (axes if isinstance(axes, tuple | list) else [axes])]
