"""Images of the collection as thumbnails, with the patch on which a channel has its peak marked."""

import io
from collections.abc import Iterable

from PIL import Image

from crosspool.backbones import spec_of
from crosspool.framing import Rectangle, framed_part
from crosspool.text import number
from crosspool.ui.maps.patch_window import patch_window
from crosspool.ui.runtime.collection import ArrangedStore, StoreMaps
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.widgets.thumbnails import Mark, Thumbnail


def strongest_tiles(ready: ArrangedStore, channel: int, places: Iterable[int]) -> list[Thumbnail]:
    """Images with a channel's peak on each, in words and as a frame around its patch."""
    return [_tile(ready, place, f"{number(ready.collection.peak(channel, place)[0])}", channel) for place in places]


def plain_tiles(ready: ArrangedStore, notes: Iterable[tuple[int, str]]) -> list[Thumbnail]:
    """Images with a note on each, which may be empty."""
    return [_tile(ready, place, note) for place, note in notes]


def _tile(ready: ArrangedStore, place: int, note: str, channel: int | None = None) -> Thumbnail:
    texts = ready.collection.texts
    path, name = texts["path"][place] or "", label_title(ready, place)
    title = " · ".join(filter(None, (note, name or short_name(path))))
    about = f"{path}, {name}" if name else path
    mark = None
    if channel is not None and ready.maps is not None:
        about += f"; the frame is around the peak of map {channel}"
        size = picture_size(ready, place)
        mark = tile_mark(size, peak_box(ready, ready.maps, channel, place, size))
    return Thumbnail(str(place), title, about, ready.picture(place), mark=mark)


def label_title(ready: ArrangedStore, place: int) -> str:
    """An image's label for people, or ""."""
    label = ready.collection.texts["label"][place]
    return "" if label is None else ready.titles[label]


def short_name(path: str) -> str:
    """The last part of a path or an address."""
    return path.rstrip("/").rpartition("/")[2] or path


def peak_box(ready: ArrangedStore, maps: StoreMaps, channel: int, place: int, size: tuple[int, int]) -> Rectangle:
    """The patch of a channel's peak on an image with sides of `size` (width, height), in parts of these."""
    cell = divmod(ready.collection.peak(channel, place)[1], maps.grid[1])
    request = MapRequest(
        ImageHash(""), maps.backbone, maps.weights, maps.pair, maps.size, maps.framing, signed=False, border="zero"
    )
    window = patch_window(request, cell)
    width, height = size
    left, top, right, bottom = framed_part(size, spec_of(maps.backbone).preprocessing, maps.framing)
    across, down = (right - left) / maps.size, (bottom - top) / maps.size
    return (
        (left + window.left * across) / width, (top + window.top * down) / height,
        (left + window.right * across) / width, (top + window.bottom * down) / height,
    )  # fmt: skip


def tile_mark(size: tuple[int, int], box: Rectangle) -> Mark:
    """Where a box, in parts of the image's sides, lies on a square tile, which shows the square of the image around it.

    Args:
        size: The image's width and height.
        box: Left, top, right, bottom.
    """
    side, moved, spans = min(size), [], []
    for length, start, stop in zip(size, box[:2], box[2:], strict=True):
        room = length - side
        first = min(max((start + stop) / 2 * length - side / 2, 0), room)
        moved.append(first / room if room else 0.5)
        edges = [min(max((edge * length - first) / side, 0), 1) for edge in (start, stop)]
        spans.append((edges[0], edges[1] - edges[0]))
    return Mark(spans[0][0], spans[1][0], spans[0][1], spans[1][1], (moved[0], moved[1]))


def picture_size(ready: ArrangedStore, place: int) -> tuple[int, int]:
    """The width and the height of an image's small picture."""
    with Image.open(io.BytesIO(ready.collection.thumbnail(place))) as image:
        return image.size
