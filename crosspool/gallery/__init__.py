"""The gallery of all weighting maps as a browser shows it: what is sent, and the scripts and styles that draw it."""

from importlib.resources import files

MAX_PINS = 8  # maps pinned side by side
LARGEST_TOP = 1e6  # of a fixed scale
# The scripts of the class Gallery, in the order in which they need each other.
GALLERY = (
    "elements.js", "mapset.js", "paint.js", "pointing.js", "toolbar.js", "lens.js", "wall.js", "gallery.js",
)  # fmt: skip


def asset(name: str) -> str:
    """The text of a script or stylesheet of this package."""
    return files("crosspool.gallery").joinpath(name).read_text(encoding="utf-8")
