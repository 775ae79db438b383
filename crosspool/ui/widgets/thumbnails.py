"""Thumbnails to choose an image from: in a row that scrolls, to which images can be added, or in several rows."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from crosspool.ui.widgets.browser import component

_draw = component("ui/widgets/strip", '<div class="strip"></div>')


@dataclass(frozen=True)
class Thumbnail:
    """`image` is a data URL, `alt` a description for people who cannot see it; `own` ones can be removed."""

    id: str
    title: str
    alt: str
    image: str
    own: bool = False


@dataclass(frozen=True)
class RefusedFile:
    """A file that is not sent to the server, and why: it is too `large`, a `folder`, or there are too `many`."""

    name: str
    reason: Literal["large", "folder", "many"]
    nbytes: int


@dataclass(frozen=True)
class Adding:
    """How images are added to a row: by a tile at its end, dropped anywhere on the page, or pasted.

    Another `button` of the page, by its key, does what the tile does. The files go into the uploader in the container
    with the key `uploader`, up to `room` of them with at most `largest` bytes; `refuse` is called before with the
    others, or with none while there are `complaints` about the last ones, and raises the number of `refusals`.
    `photograph` is called for the camera, `remove` with the id of an own image.
    """

    uploader: str
    button: str
    largest: int
    room: int
    complaints: bool
    refusals: int
    refuse: Callable[[Sequence[RefusedFile]], None]
    photograph: Callable[[], None]
    remove: Callable[[str], None]


def thumbnails(
    items: Sequence[Thumbnail],
    *,
    selected: str,
    choose: Callable[[str], None],
    key: str,
    wrapped: bool = False,
    adding: Adding | None = None,
) -> None:
    """Show the thumbnails; `choose(id)` is called when one is pressed."""
    ids = {item.id for item in items}
    data = {"items": [asdict(item) for item in items], "selected": selected, "wrapped": wrapped, "adding": None}
    actions: dict[str, Callable[..., None]] = {"chosen": lambda id_: choose(id_) if id_ in ids else None}
    if adding is not None:
        fields = ("uploader", "button", "largest", "room", "complaints", "refusals")
        data["adding"] = {name: getattr(adding, name) for name in fields}
        actions |= {
            "refused": lambda refused: adding.refuse([RefusedFile(*file) for file in refused["files"]]),
            "camera": lambda pressed: adding.photograph(),
            "removed": lambda id_: adding.remove(id_) if id_ in ids else None,
        }
    _draw(data, key, **actions)
