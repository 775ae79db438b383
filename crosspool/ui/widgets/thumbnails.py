"""Thumbnails to choose an image from: in a row that scrolls, to which images can be added, or in several rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field, Strict

from crosspool.ui.widgets.browser import Id, Message, Pressed, component, one_of

Reason = Literal["large", "folder", "many", "together"]
MOST_NAMED = 4  # refused files of each reason, as in file_taker.js
LONGEST_NAME = 255  # characters of a file's name, likewise
MOST_FILES = 2**20  # that are counted

_Name = Annotated[str, Strict(), Field(max_length=LONGEST_NAME)]
_Bytes = Annotated[int, Strict(), Field(ge=0, lt=2**53)]


@dataclass(frozen=True)
class Mark:
    """A frame on a square thumbnail, in parts of its side; `shown` says which square of a longer image is shown.

    Of that, 0 is the left or upper end of the image, and 1 the other one.
    """

    left: float
    top: float
    width: float
    height: float
    shown: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Thumbnail:
    """`image` is a URL, `alt` a description for people who cannot see it; `own` ones can be removed."""

    id: str
    title: str
    alt: str
    image: str
    own: bool = False
    mark: Mark | None = None


@dataclass(frozen=True)
class RefusedFile:
    """A file that is not sent, and why: it is too `large`, a `folder`, one too `many`, or too large `together`."""

    name: str
    reason: Reason
    nbytes: int


class RefusedFiles(Message):
    """What the script sends of files that were not sent: the first of each reason, and how many there are of each."""

    files: Annotated[list[tuple[_Name, Reason, _Bytes]], Field(max_length=MOST_NAMED * len(get_args(Reason)))]
    counts: dict[Reason, Annotated[int, Strict(), Field(ge=0, le=MOST_FILES)]]


_draw = component(
    "ui/widgets/strip", '<div class="strip"></div>', chosen=Id, refused=RefusedFiles, camera=Pressed, removed=Id
)


@dataclass(frozen=True)
class Adding:
    """How images are added to a row: by a tile at its end, dropped anywhere on the page, or pasted.

    Another `button` of the page, by its key, does what the tile does. The files go into the uploader in the container
    with the key `uploader`, up to `room` of them with at most `largest` bytes each and `together` in all; `refuse` is
    called before with the first of the others and how many there are of each reason, or with none while there are
    `complaints` about the last ones, and raises the number of `refusals`. `photograph` is called for the camera,
    `remove` with the id of an own image.
    """

    uploader: str
    button: str
    largest: int
    together: int
    room: int
    complaints: bool
    refusals: int
    refuse: Callable[[Sequence[RefusedFile], Mapping[Reason, int]], None]
    photograph: Callable[[], None]
    remove: Callable[[str], None]


def thumbnails(
    items: Sequence[Thumbnail],
    *,
    selected: str,
    choose: Callable[[str], None],
    key: str,
    wrapped: bool = False,
    small: bool = False,
    adding: Adding | None = None,
) -> None:
    """Show the thumbnails; `choose(id)` is called when one is pressed. Of `small` ones, more are in a row."""
    ids = {item.id for item in items}
    data = {"items": [asdict(item) for item in items], "selected": selected, "wrapped": wrapped, "adding": None}
    data["small"] = small
    actions: dict[str, Callable[..., None]] = {"chosen": one_of(ids, choose)}
    if adding is not None:
        fields = ("uploader", "button", "largest", "together", "room", "complaints", "refusals")
        data["adding"] = {name: getattr(adding, name) for name in fields}
        actions |= {
            "refused": lambda told: adding.refuse([RefusedFile(*file) for file in told.files], told.counts),
            "camera": lambda pressed: adding.photograph(),
            "removed": one_of({item.id for item in items if item.own}, adding.remove),
        }
    _draw(data, key, **actions)
