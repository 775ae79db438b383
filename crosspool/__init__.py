"""Cross-convolutional-layer pooling (Liu, Shen, van den Hengel, CVPR 2015): see and use what lies beneath.

>>> import crosspool
>>> image = crosspool.load_image("assets/samples/cat.jpg")
>>> backbone = crosspool.load_backbone("efficientnet_lite0")
>>> pair = backbone.layer_pairs[-1]
>>> maps = backbone.activations(image, pair)
>>> crosspool.cross_layer_pool(maps.lower, maps.upper, **pair.geometry).shape
torch.Size([1, 1280, 320])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crosspool.activations import PairActivations
    from crosspool.backbones import Backbone, architecture, backbone_specs, load_backbone
    from crosspool.errors import BackboneError, CrosspoolError, ImageError, LayerPairError, SettingError
    from crosspool.images import load_image
    from crosspool.layer_pairs import LayerPair
    from crosspool.pooling import cross_layer_pool, local_features
    from crosspool.statistics import channel_statistics

__version__ = "0.1.0"

_HOME = {
    "Backbone": "backbones",
    "BackboneError": "errors",
    "CrosspoolError": "errors",
    "ImageError": "errors",
    "LayerPair": "layer_pairs",
    "LayerPairError": "errors",
    "PairActivations": "activations",
    "SettingError": "errors",
    "architecture": "backbones",
    "backbone_specs": "backbones",
    "channel_statistics": "statistics",
    "cross_layer_pool": "pooling",
    "load_backbone": "backbones",
    "load_image": "images",
    "local_features": "pooling",
}

__all__ = [
    "Backbone",
    "BackboneError",
    "CrosspoolError",
    "ImageError",
    "LayerPair",
    "LayerPairError",
    "PairActivations",
    "SettingError",
    "architecture",
    "backbone_specs",
    "channel_statistics",
    "cross_layer_pool",
    "load_backbone",
    "load_image",
    "local_features",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that importing crosspool itself is cheap."""
    if name not in _HOME:
        raise AttributeError(f"module 'crosspool' has no attribute {name!r}")
    return getattr(import_module(f"crosspool.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
