"""A network as a picture: the stages of its maps drawn to scale from the image to the last layers, to choose from."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from crosspool.ui.widgets.browser import Id, component, one_of

_draw = component("ui/widgets/network", '<div class="network"></div>', chosen=Id)


@dataclass(frozen=True)
class DrawnPair:
    """A pair of neighbouring layers, each with its channels and the side of its maps; `words` say the same."""

    id: str
    name: str
    words: str
    lower: tuple[int, int]
    upper: tuple[int, int]


@dataclass(frozen=True)
class DrawnStage:
    """Pairs whose maps are of about one size; the last of them is chosen with the stage."""

    title: str
    pairs: Sequence[DrawnPair]


def network_picture(
    stages: Sequence[DrawnStage], *, size: int, selected: str, choose: Callable[[str], None], key: str
) -> None:
    """Show the stages below the chosen photo, of `size` pixels; `choose(id)` is called when a pair is chosen."""
    picture = {"size": size, "stages": [asdict(stage) for stage in stages]}
    ids = {pair.id for stage in stages for pair in stage.pairs}
    signature = hashlib.sha256(repr(picture).encode()).hexdigest()
    data = {**picture, "selected": selected, "signature": signature}
    _draw(data, key, chosen=one_of(ids, choose))
