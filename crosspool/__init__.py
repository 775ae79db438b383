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
    from crosspool.classifiers import load_classifier, own_classifier
    from crosspool.contributions import explain
    from crosspool.datasets import open_dataset
    from crosspool.errors import (
        BackboneError,
        CrosspoolError,
        DatasetError,
        ImageError,
        LayerPairError,
        ModelError,
        SettingError,
    )
    from crosspool.features import compute_record
    from crosspool.images import load_image
    from crosspool.layer_pairs import LayerPair
    from crosspool.methods import parse_method
    from crosspool.pooling import cross_layer_pool, local_features, pool_projected
    from crosspool.statistics import channel_statistics

__version__ = "0.1.0"

_HOME = {
    "Backbone": "backbones",
    "BackboneError": "errors",
    "CrosspoolError": "errors",
    "DatasetError": "errors",
    "ImageError": "errors",
    "LayerPair": "layer_pairs",
    "LayerPairError": "errors",
    "ModelError": "errors",
    "PairActivations": "activations",
    "SettingError": "errors",
    "architecture": "backbones",
    "backbone_specs": "backbones",
    "channel_statistics": "statistics",
    "compute_record": "features",
    "cross_layer_pool": "pooling",
    "explain": "contributions",
    "load_backbone": "backbones",
    "load_classifier": "classifiers",
    "load_image": "images",
    "local_features": "pooling",
    "open_dataset": "datasets",
    "own_classifier": "classifiers",
    "parse_method": "methods",
    "pool_projected": "pooling",
}

__all__ = [
    "Backbone",
    "BackboneError",
    "CrosspoolError",
    "DatasetError",
    "ImageError",
    "LayerPair",
    "LayerPairError",
    "ModelError",
    "PairActivations",
    "SettingError",
    "architecture",
    "backbone_specs",
    "channel_statistics",
    "compute_record",
    "cross_layer_pool",
    "explain",
    "load_backbone",
    "load_classifier",
    "load_image",
    "local_features",
    "open_dataset",
    "own_classifier",
    "parse_method",
    "pool_projected",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that importing crosspool itself is cheap."""
    if name not in _HOME:
        raise AttributeError(f"module 'crosspool' has no attribute {name!r}")
    return getattr(import_module(f"crosspool.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
