"""torchvision's classification CNNs, described by torchvision's own `Weights` enums.

Attention networks (ViT, Swin, MaxViT) are left out: their tokens are not the maps of a convolution.
"""

import re
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import urlparse

from torch import nn

from crosspool.backbones.structure import BackboneSpec
from crosspool.backbones.torchvision_guard import torchvision
from crosspool.backbones.weights import WeightsFile
from crosspool.framing import Preprocessing

NOT_CONVOLUTIONAL = ("vit_", "swin_", "maxvit_")
LISTED_FIRST = ("alexnet", "vgg16", "vgg16_bn")  # the paper's network and its successors lead the list
# The options with which these networks are as they were trained: input rescaled, and no auxiliary heads.
BUILD_OPTIONS = {
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": False},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": False},
}
PARAMETERS = {"inception_v3": 23_834_568}  # torchvision also counts its auxiliary head
AUXILIARY_HEADS = ("aux1.", "aux2.", "AuxLogits.")
# The names of torchvision's enums, and the titles that the papers gave these networks.
TITLES = tuple(
    (re.compile(pattern), title)
    for pattern, title in (
        (r"RegNet_([XY])_(\d+)_(\d+)GF", r"RegNet\1-\2.\3GF"),
        (r"RegNet_([XY])_(\d+[GM]F)", r"RegNet\1-\2"),
        (r"ShuffleNet_V2_X(\d)_(\d)", r"ShuffleNetV2 x\1.\2"),
        (r"(MNASNet|SqueezeNet)(\d)_(\d+)", r"\1 \2.\3"),
        (r"(ResNeXt)(\d+)_(\d+)X(\d+)D", r"\1-\2 \3x\4d"),
        (r"Wide_ResNet(\d+)_2", r"Wide ResNet-\1-2"),
        (r"(ResNet|DenseNet|VGG)(\d+)", r"\1-\2"),
        (r"(VGG)(\d+)_BN", r"\1-\2-BN"),
        (r"Inception_V3", r"Inception-v3"),
        (r"(EfficientNet|MobileNet)_(V\d)", r"\1\2"),
        (r"(EfficientNet|MobileNet)_(V\d)_(\w+)", r"\1\2-\3"),
        (r"(EfficientNet|ConvNeXt)_(B\d|[A-Z][a-z]+)", r"\1-\2"),
    )
)
# DenseNet's files date from when the layers of a block were called norm.1, conv.1, ...
OLD_DENSENET_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


def torchvision_specs() -> tuple[BackboneSpec, ...]:
    """Every classification CNN of the installed torchvision: the paper's first, then by name."""
    models = torchvision.models
    names = [name for name in models.list_models(module=models) if not name.startswith(NOT_CONVOLUTIONAL)]
    names.sort(key=lambda name: (LISTED_FIRST.index(name) if name in LISTED_FIRST else len(LISTED_FIRST), name))
    return tuple(_spec(name) for name in names)


def _spec(name: str) -> BackboneSpec:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    transform = weights.transforms()
    crop, resize = transform.crop_size[0], transform.resize_size[0]
    mean, std = tuple(transform.mean), tuple(transform.std)
    path = PurePosixPath(urlparse(weights.url).path)
    megabytes = weights.meta["_file_size"] * 2**20 / 1e6
    return BackboneSpec(
        name=name,
        title=_title(type(weights).__name__.removesuffix("_Weights")),
        preprocessing=Preprocessing(crop, crop / resize, transform.interpolation.value, mean, std),
        parameters=PARAMETERS.get(name, weights.meta["num_params"]),
        weights=WeightsFile(weights.url, path.name, megabytes, checksum=path.stem.rsplit("-", 1)[-1]),
        weights_licence=_licence(weights),
        build=partial(_build, name),
        rename=_rename,
        classes=partial(_classes, name),
    )


def _title(name: str) -> str:
    """The title of the network with this name among torchvision's enums."""
    return next((match.expand(title) for pattern, title in TITLES if (match := pattern.fullmatch(name))), name)


def _licence(weights: object) -> str:
    """The licence of a file: BSD-3-Clause unless torchvision's entry says otherwise."""
    own = weights.meta.get("license")  # type: ignore[attr-defined]
    return f"CC-BY-NC-4.0 ({own})" if own else "BSD-3-Clause"


def _build(name: str, num_classes: int) -> nn.Module:
    options = BUILD_OPTIONS.get(name, {})
    model: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)
    return model


def _classes(name: str) -> tuple[str, ...]:
    return tuple(torchvision.models.get_model_weights(name).DEFAULT.meta["categories"])


def _rename(name: str) -> str | None:
    if name.startswith(AUXILIARY_HEADS):
        return None
    return OLD_DENSENET_NAME.sub(r"\1\2", name)
