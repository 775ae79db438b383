"""What there is to choose from for a comparison: methods by name, and networks whose weights are here."""

from crosspool.backbones import UNTRAINED, Architecture, backbone_specs
from crosspool.errors import LayerPairError, SettingError
from crosspool.methods import parse_method
from crosspool.ui.visit.link import PRETRAINED

# Names with the network's own input size and the fine one, twice that, to be filled in. The first four are compared
# when nobody says.
_METHODS = {
    "cl@{fine}": "cross-layer pooling",
    "cl@{own}": "cross-layer pooling",
    "global@{own}": "fully-connected layer",
    "global@{fine}": "fully-connected layer",
    "cl@{fine}/ternary": "cross-layer pooling in two bits a number",
    "cl@{fine}/pca64": "cross-layer pooling of 64 principal components",
    "cl-f@{fine}": "cross-layer pooling of four tiles",
    "cl-c@{fine}": "whole and tiles side by side",
    "cl@{fine}+global@{fine}": "both side by side",
    "sum@{fine}": "sum of the upper map",
    "max@{fine}": "maximum of the upper map",
    "pyramid@{fine}": "maxima over a pyramid of regions",
    "jitter@{own}": "fully-connected layer, mean over 10 crops",
    "cnnaug-svm@{own}": "fully-connected layer, 16 views",
}
_DEFAULTS = 4


def method_menu(structure: Architecture) -> dict[str, str]:
    """The methods that a network offers, each with what it is."""
    own = structure.spec.preprocessing.size
    named = {name.format(own=own, fine=2 * own): title for name, title in _METHODS.items()}
    return {name: title for name, title in named.items() if _is_offered(name, structure)}


def default_methods(structure: Architecture) -> list[str]:
    """Cross-layer pooling and the fully-connected layer, at both sizes where the network takes both."""
    own = structure.spec.preprocessing.size
    usual = [name.format(own=own, fine=2 * own) for name in list(_METHODS)[:_DEFAULTS]]
    return [name for name in usual if name in method_menu(structure)]


def _is_offered(name: str, structure: Architecture) -> bool:
    try:
        parse_method(name, structure)
    except (SettingError, LayerPairError):  # too large for it, or it has no such layer
        return False
    return True


def network_menu() -> dict[tuple[str, str], str]:
    """The networks whose pretrained weights are here, then all of them untrained: names, weights and titles."""
    specs = backbone_specs()
    here = {
        (name, PRETRAINED): spec.title
        for name, spec in specs.items()
        if spec.weights.availability != "needs a download"
    }
    return here | {(name, UNTRAINED): f"{spec.title}, untrained (random weights)" for name, spec in specs.items()}
