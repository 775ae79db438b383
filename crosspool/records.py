"""The maps and vectors of images that methods need: what goes through the network together, and what comes out."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import prod
from operator import attrgetter

import torch
from PIL import Image
from torch import Tensor

from crosspool.backbones import Architecture, Backbone
from crosspool.cache import Array
from crosspool.framing import VIEW_COUNTS, Source, image_views
from crosspool.image_maps import IMAGE_MAPS, image_map

Pass = tuple[Source, ...]  # sources of the same views of an image, which go through the network at once
Views = list[list[Image.Image]]
"""What the network sees of an image, for each pass."""


def compute_record(
    backbone: Backbone, image: Image.Image, sources: Iterable[Source], images: int = 1
) -> dict[Source, Array]:
    """The maps and vectors of an image that a method needs; one pass of the network for each size and kind of views.

    Args:
        backbone: The network.
        image: Upright RGB, as `load_image` gives it.
        sources: The sources of a method: `method.sources`.
        images: How many there are in all: for many, the quickest engine is found first, which takes a few seconds.

    Returns:
        dict: An array for each source, float32, whose first axis is the V views of the image: (V, D, H, W) for a map,
        (V, D) for a vector.

    Example:
        >>> import crosspool
        >>> backbone = crosspool.load_backbone()
        >>> method = crosspool.parse_method("global@128", backbone.architecture)
        >>> record = crosspool.compute_record(
        ...     backbone, crosspool.load_image("assets/samples/cat.jpg"), method.sources
        ... )
        >>> [array.shape for array in record.values()]
        [(1, 1280)]
    """
    passes = passes_of(sources)
    for each in passes:
        settle(backbone, images, each)
    (outputs,) = outputs_of_views(backbone, passes, [views_of(backbone, image, passes)])
    return {source: output.cpu().numpy() for source, output in outputs.items()}


def views_of(backbone: Backbone, image: Image.Image, passes: Iterable[Pass]) -> Views:
    """What the network sees of an image, for each pass."""
    return [
        image_views(image, backbone.of(first.network).spec.preprocessing, first.size, first.views, first.framing)
        for first, *_ in passes
    ]


def outputs_of_views(backbone: Backbone, passes: Sequence[Pass], images: Sequence[Views]) -> list[dict[Source, Tensor]]:
    """What the network yields for images from their views, which go through it together; on its device."""
    records: list[dict[Source, Tensor]] = [{} for _ in images]
    for number, each in enumerate(passes):
        framed = [view for views in images for view in views[number]]
        for source, output in _outputs(backbone, each, framed).items():
            parts = output.contiguous().split(VIEW_COUNTS[source.views])
            for record, part in zip(records, parts, strict=True):
                record[source] = part
    return records


def _outputs(backbone: Backbone, each: Pass, framed: list[Image.Image]) -> dict[Source, Tensor]:
    """What the sources of a pass have for all its views: the network runs only if one of them is a node of it."""
    of_pixels = [source for source in each if source.node in IMAGE_MAPS]
    of_network = [source for source in each if source.node not in IMAGE_MAPS]
    outputs = {source: torch.from_numpy(image_map(source.node, framed)) for source in of_pixels}
    if of_network:
        nodes = tuple(source.node for source in of_network)
        outputs |= zip(of_network, backbone.of(each[0].network).outputs(framed, nodes), strict=True)
    return outputs


def settle(backbone: Backbone, images: int, each: Pass) -> None:
    """Let the engine be chosen that computes a pass of so many images."""
    first, nodes = each[0], tuple(source.node for source in each if source.node not in IMAGE_MAPS)
    if nodes:
        backbone.of(first.network).settle(nodes, first.side, passes=images * VIEW_COUNTS[first.views])


def passes_of(sources: Iterable[Source]) -> list[Pass]:
    """The sources of the same views together."""
    view_settings = attrgetter("network", "size", "views", "framing")
    return [tuple(group) for _, group in groupby(sorted(sorted(sources), key=view_settings), view_settings)]


def count_numbers(source: Source, backbone: Backbone) -> int:
    """How many numbers a source has for one image."""
    return VIEW_COUNTS[source.views] * prod(shape_of(source, backbone.of(source.network).architecture))


def shape_of(source: Source, architecture: Architecture) -> tuple[int, ...]:
    """The shape of what a source has for one view."""
    if source.node in IMAGE_MAPS:
        return IMAGE_MAPS[source.node].shape(source.side)
    return tuple(architecture.layout(source.side).shapes[source.node][1:])
