"""Image representations by name: the variants of cross-layer pooling, and the methods they are compared with.

`cl:features.10@448/pca64` is cross-layer pooling of that layer pair at an input of 448 pixels, its local features
projected onto 64 principal components; `cl@448+global@448` puts two parts side by side, each of unit length. Every
method is the same kind of object: the maps that it needs of an image, and an encoder from these to a vector, for
scikit-learn.

A name is read in two steps: `MethodSpec.parse` parses it without a network, and `MethodSpec.on` looks up its layers
and sizes in one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crosspool.methods.building import MethodSpec, parse_method, parse_method_specs, parse_methods
    from crosspool.methods.representation import Method, Part, parts_and_rest, pooled_record

_LAZY = {  # so that the grammar of names loads no torch
    "building": ("MethodSpec", "parse_method", "parse_method_specs", "parse_methods"),
    "representation": ("Method", "Part", "parts_and_rest", "pooled_record"),
}

__all__ = [
    "Method", "MethodSpec", "Part", "parse_method", "parse_method_specs", "parse_methods", "parts_and_rest",
    "pooled_record",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name where it is first used."""
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
