"""What the names of folders and files say: the part of a split that they hold, and whether they hold masks."""

import re
from collections.abc import Sequence
from typing import Literal

Role = Literal["train", "val", "test"]

_ROLES: dict[Role, str] = {
    "train": "train|training|trainval|trn|extra",
    "val": "val|valid|validation|dev|eval|evaluation",
    "test": "test|testing|tst|holdout|heldout",
}
_ROLE_WORDS = {role: re.compile(f"(?:{words})(?:sets?|data|images?|imgs?)?") for role, words in _ROLES.items()}
_EXACT: dict[str, Role] = {
    **dict.fromkeys(("train", "training", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_IMAGES = re.compile(r"images?|imgs?|jpegimages|photos?|pictures?|rgb|colou?r|originals?|raw")
_MASKS = re.compile(r"masks?|segmentations?|segmented|segmask|seg|annotations?|trimaps?|labels?|gt|groundtruth")
_MASK_FILE = re.compile(
    r"(.+?)[ _.-]*(?<![^\W\d_])(?:mask|segmentation|seg|trimap|gt|groundtruth)(?:[ _.-]*\d+)?", re.IGNORECASE
)


def role_of(name: str) -> Role | None:
    """The part of a split that a folder called `name` holds, such as seg_train; None where its words do not say."""
    words = _words(name)
    roles = [role for role, pattern in _ROLE_WORDS.items() if any(map(pattern.fullmatch, words))]
    return roles[0] if len(roles) == 1 else None


def exact_role(name: str) -> Role | None:
    """The part that a folder holds whose whole name is that of a part."""
    return _EXACT.get(name.lower())


def holds_images(name: str) -> bool:
    """Whether a folder's whole name says no more than that it holds images."""
    return _IMAGES.fullmatch(name.lower()) is not None


def holds_masks(name: str) -> bool:
    return any(map(_MASKS.fullmatch, _words(name)))


def masked_stem(stem: str) -> str | None:
    """The name of the image that a file called 1_mask or 1_mask_2 belongs to; None for any other name."""
    match = _MASK_FILE.fullmatch(stem)
    return match[1] if match else None


def enumeration(names: Sequence[str], most: int = 4) -> str:
    """a, b and c: names in a sentence; of many, the first and how many more there are."""
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _words(name: str) -> list[str]:
    """The words of a name in small letters: SegmentationClass, seg_train and 01-train2 have them."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
