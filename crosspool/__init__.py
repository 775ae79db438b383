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

from crosspool.errors import (
    BackboneError,
    CrosspoolError,
    DatasetError,
    ImageError,
    LayerPairError,
    ModelError,
    SettingError,
)

if TYPE_CHECKING:
    from crosspool.backbones import Backbone, architecture, backbone_specs, load_backbone
    from crosspool.backbones.activations import PairActivations
    from crosspool.channel_meaning import ChannelClasses, channel_classes
    from crosspool.classifiers import load_classifier, own_classifier
    from crosspool.contributions import explain
    from crosspool.datasets import open_dataset
    from crosspool.gallery.notebook import show
    from crosspool.images import load_image
    from crosspool.layer_pairs import LayerPair
    from crosspool.methods import parse_method
    from crosspool.pooling import cross_layer_pool, local_features, pool_projected
    from crosspool.records import compute_record
    from crosspool.statistics import channel_statistics

__version__ = "0.1.0"

_LAZY = {  # names that are imported when they are first used, by their module
    "backbones": ("Backbone", "architecture", "backbone_specs", "load_backbone"),
    "backbones.activations": ("PairActivations",),
    "channel_meaning": ("ChannelClasses", "channel_classes"),
    "classifiers": ("load_classifier", "own_classifier"),
    "contributions": ("explain",),
    "datasets": ("open_dataset",),
    "records": ("compute_record",),
    "gallery.notebook": ("show",),
    "images": ("load_image",),
    "layer_pairs": ("LayerPair",),
    "methods": ("parse_method",),
    "pooling": ("cross_layer_pool", "local_features", "pool_projected"),
    "statistics": ("channel_statistics",),
}

__all__ = [
    "Backbone",
    "BackboneError",
    "ChannelClasses",
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
    "channel_classes",
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
    "show",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that importing crosspool itself is cheap."""
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(f"crosspool.{module}"), name)
    raise AttributeError(f"module 'crosspool' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
