"""Image representations by name: cross-layer pooling's variants and what they are compared with.

`cl:features.10@448/pca64` is cross-layer pooling of that layer pair at an input of 448 pixels, its local features
projected on 64 principal components; `cl@448+global@448` puts two parts side by side, each of unit length. Every method
is the same kind of object: it says which maps it needs of an image, and makes a scikit-learn encoder from those to a
vector.

A name is understood in two steps. `MethodSpec.parse` reads it and knows no network; `MethodSpec.on` looks up its layers
and sizes in one.
"""

from crosspool.methods.grammar import PRESETS
from crosspool.methods.representation import Method, Part, parts_and_rest
from crosspool.methods.spec import MethodSpec, parse_method, parse_method_specs, parse_methods

__all__ = [
    "PRESETS",
    "Method",
    "MethodSpec",
    "Part",
    "parse_method",
    "parse_method_specs",
    "parse_methods",
    "parts_and_rest",
]
