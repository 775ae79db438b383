"""Parts of tensors: for each axis the first and the last index, and which part of an operation's input they read.

Every function answers for a part of an operation's output. Where the indices that are read have gaps, the answer spans
them: it is never too small.
"""

import math
from collections.abc import Sequence

Interval = tuple[int, int]  # the first and the last index
Region = tuple[Interval, ...]  # of each axis
Shape = tuple[int, ...]


def whole(shape: Shape) -> Region:
    return tuple((0, length - 1) for length in shape)


def union(first: Region, second: Region) -> Region:
    """The smallest region around both."""
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(first, second, strict=True))


def with_whole_axes(region: Region, shape: Shape, axes: Sequence[int]) -> Region:
    """The region with all indices of some axes."""
    full = {axis % len(shape) for axis in axes}
    return tuple((0, shape[axis] - 1) if axis in full else span for axis, span in enumerate(region))


def clipped(span: Interval, length: int) -> Interval:
    """The part of an interval from 0 to length - 1, or the nearest end if no part of it is there."""
    first, last = (min(max(index, 0), length - 1) for index in span)
    return first, last


# --- one axis


def window(span: Interval, kernel: int, stride: int, padding: int, dilation: int) -> Interval:
    """What positions of a convolution or pooling read, which may reach into the padding."""
    return span[0] * stride - padding, span[1] * stride - padding + dilation * (kernel - 1)


def transposed_window(span: Interval, kernel: int, stride: int, padding: int, dilation: int) -> Interval:
    """What positions of a transposed convolution read."""
    return -(-(span[0] + padding - dilation * (kernel - 1)) // stride), (span[1] + padding) // stride


def adaptive(span: Interval, length: int, cells: int) -> Interval:
    """What cells of an adaptive pooling read."""
    return span[0] * length // cells, -(-(span[1] + 1) * length // cells) - 1


def padded(span: Interval, before: int, length: int, mode: str) -> Interval:
    """What positions of a padded axis read; `before` is the padding at its beginning, negative where it is cut."""
    first, last = span[0] - before, span[1] - before
    if mode == "circular":
        return (first % length, last % length) if first // length == last // length else (0, length - 1)
    if mode == "reflect":
        indices = [_mirrored(index, length) for index in range(first, last + 1)]
        return min(indices), max(indices)
    return clipped((first, last), length)


def _mirrored(index: int, length: int) -> int:
    return min(abs(index), 2 * (length - 1) - abs(index))


def interpolated(span: Interval, length: int, scale: float, mode: str, *, aligned: bool, smooth: bool) -> Interval:
    """What positions of an interpolation read, where `scale` is the step in the input from one to the next."""
    rounding = 0.0 if (1024 * scale).is_integer() else 1e-4  # steps such as 1/2 are exact in single precision
    if mode == "nearest":
        return clipped((math.floor(span[0] * scale - rounding), math.floor(span[1] * scale + rounding)), length)
    first, last = ((index * scale) if aligned else ((index + 0.5) * scale - 0.5) for index in span)
    reach = (2.0 if mode == "bicubic" else 1.0) * (max(scale, 1.0) if smooth else 1.0)
    return clipped((math.floor(first - reach - rounding) + 1, math.ceil(last + reach + rounding) - 1), length)


def rolled(span: Interval, shift: int, length: int) -> Interval:
    """What positions of a rolled axis read: all where they come from both ends."""
    first, last = span[0] - shift, span[1] - shift
    return (first % length, last % length) if first // length == last // length else (0, length - 1)


# --- all axes


def broadcast(region: Region, shape: Shape) -> Region:
    """What an operation on each value reads of an input with this shape, which may be stretched."""
    spans = region[len(region) - len(shape) :] if len(shape) <= len(region) else region
    return tuple((0, 0) if length == 1 else span for span, length in zip(spans, shape, strict=True))


def reshaped(region: Region, shape: Shape, before: Shape) -> Region:
    """What a part of a tensor of `shape` was before it was reshaped."""
    spans = [span for span, length in zip(region, shape, strict=True) if length != 1]
    lengths, old = [length for length in shape if length != 1], [length for length in before if length != 1]
    parts: list[Interval] = []
    while lengths or old:
        new_count, old_count = _first_group(lengths, old)
        parts += _regrouped(spans[:new_count], lengths[:new_count], old[:old_count])
        spans, lengths, old = spans[new_count:], lengths[new_count:], old[old_count:]
    rest = iter(parts)
    return tuple((0, 0) if length == 1 else next(rest) for length in before)


def _first_group(lengths: Sequence[int], old: Sequence[int]) -> tuple[int, int]:
    """How many of the first axes hold the same numbers after and before a reshape."""
    new_count = old_count = 1
    while (new := math.prod(lengths[:new_count])) != (earlier := math.prod(old[:old_count])):
        if new < earlier:
            new_count += 1
        else:
            old_count += 1
    return new_count, old_count


def _regrouped(spans: Sequence[Interval], lengths: Sequence[int], old: Sequence[int]) -> list[Interval]:
    if len(lengths) == len(old) == 1:
        return list(spans)
    first, last = (_flat([span[end] for span in spans], lengths) for end in (0, 1))
    parts: list[Interval] = []
    for axis in range(len(old)):
        inner = math.prod(old[axis + 1 :])
        if first // inner != last // inner:
            return [*parts, (first // inner, last // inner), *whole(tuple(old[axis + 1 :]))]
        parts.append((first // inner, first // inner))
        first, last = first % inner, last % inner
    return parts


def _flat(index: Sequence[int], lengths: Sequence[int]) -> int:
    number = 0
    for each, length in zip(index, lengths, strict=True):
        number = number * length + each
    return number
