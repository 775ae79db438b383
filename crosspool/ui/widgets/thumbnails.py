"""Thumbnails to choose an image from: in a row that scrolls, or wrapped into several rows."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from crosspool.ui.widgets.browser import component

_draw = component("ui/widgets/strip", '<div class="strip"></div>')


@dataclass(frozen=True)
class Thumbnail:
    """`image` is a data URL, `alt` a description for people who cannot see it."""

    id: str
    title: str
    alt: str
    image: str


def thumbnails(
    items: Sequence[Thumbnail], *, selected: str, choose: Callable[[str], None], key: str, wrapped: bool = False
) -> None:
    """Show the thumbnails; `choose(id)` is called when one is pressed."""
    ids = {item.id for item in items}
    data = {"items": [asdict(item) for item in items], "selected": selected, "wrapped": wrapped}
    _draw(data, key, chosen=lambda id_: choose(id_) if id_ in ids else None)
