"""Methods in words: cross-layer pooling, 448 px, for cl@448."""

from collections.abc import Iterable

from crosspool.methods.grammar import TUNING, PartSpec, parse_parts

CROSS_LAYER = ("cl", "cl-f", "cl-c")
CROSS_LAYER_KIND, FULLY_CONNECTED_KIND = "cross-layer", "fully-connected"
OF_PARTS = ("parts-rcnn", "dpd", "dpd-cnn")
FULLY_CONNECTED = ("global", "jitter", "cnn-svm", "cnnaug-svm")
_WORDS = {
    TUNING: "fine-tuned network",
    "cl": "cross-layer pooling",
    "cl-f": "cross-layer pooling of four tiles",
    "cl-c": "cross-layer pooling of the whole and four tiles",
    "guided": "cross-layer pooling under learned maps",
    "global": "fully-connected layer",
    "jitter": "fully-connected layer, mean of 10 crops",
    "cnn-svm": "fully-connected layer, input of the classes",
    "cnnaug-svm": "fully-connected layer, 16 views",
    "sum": "sum of a map",
    "max": "maximum of a map",
    "pyramid": "maxima over a pyramid of regions",
    "gem": "generalised mean of a map",
    "scda": "mean and maximum of the selected region",
    "bilinear": "bilinear pooling",
    "isqrt": "square root of the covariance",
    "compact": "compact bilinear pooling",
    "compact-cl": "compact cross-layer pooling",
    "fv": "Fisher vector",
    "scfv": "Fisher vector of sparse codes",
    "vlad": "vector of locally aggregated descriptors",
    "dpd": "gradients and colours of deformable parts",
    "dpd-cnn": "activations of deformable parts",
    "parts-rcnn": "part-based R-CNN",
}


def method_in_words(name: str) -> str:
    """A method for people: cl@448/ternary is "cross-layer pooling, 448 px, 2 bits per number".

    Raises SettingError if the name is not understood.
    """
    parts, threshold = parse_parts(name)
    words = " with ".join(_part_in_words(part) for part in parts)
    return words if threshold is None else f"{words}, 2 bits per number"


def rivals(names: Iterable[str]) -> dict[str, list[str]]:
    """The cross-layer and the fully-connected methods among some, by their kind; a kind without any is left out.

    Where both are there, a method counts if the other kind has one of the same networks, as the names spell them: a
    better network says nothing about the pooling.
    """
    networks: dict[str, dict[str, set[str]]] = {}
    for name in names:
        if kind := _kind(name):
            networks.setdefault(kind, {})[name] = {part.network or "" for part in parse_parts(name)[0]}
    found = {
        kind: [name for name, own in each.items() if all(own in others.values() for others in networks.values())]
        for kind, each in networks.items()
    }
    return {kind: each for kind, each in found.items() if each}


def _kind(name: str) -> str:
    """The kind that all parts of a method are of, or empty."""
    kinds = {part.name for part in parse_parts(name)[0]}
    if kinds <= set(CROSS_LAYER):
        return CROSS_LAYER_KIND
    return FULLY_CONNECTED_KIND if kinds <= set(FULLY_CONNECTED) else ""


def learns_parts(name: str) -> bool:
    """Whether a method learns from boxes of the parts of objects."""
    return any(part.name in OF_PARTS for part in parse_parts(name)[0])


def _part_in_words(part: PartSpec) -> str:
    details = {
        f"{part.network}": part.network,
        f"layer {part.where}": part.where,
        f"{part.size} px": part.size,
        f"{part.pca} components": part.pca,
        f"power {part.power}": part.power,
        "blocks normalised": part.blocks,
        "as a whole": part.whole,
        "lower layer": part.lower,
        "upper layer": part.upper,
        "parts inside the whole": part.box,
        "true parts": part.true,
        f"p {part.p}": part.p,
        f"{part.d} numbers": part.d,
        f"{part.gaussians} Gaussians": part.gaussians,
        f"{part.centres} centres": part.centres,
        f"{part.atoms} atoms": part.atoms,
        f"{part.guides} guides": part.guides,
        "of local features": part.local,
        f"at most {part.epochs} epochs": part.epochs is not None,
        f"at most {part.share} of the multiplications": part.share is not None,
    }
    return ", ".join([_WORDS[part.name], *(words for words, value in details.items() if value)])
