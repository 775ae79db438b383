"""What a backbone gives for images and a layer pair: both maps, and all that decided them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from crosspool.engines.programs import TORCH
from crosspool.framing import Framing
from crosspool.layer_pairs import LayerPair

if TYPE_CHECKING:
    from crosspool.backbones.backbone import Backbone


@dataclass(frozen=True)
class PairActivations:
    """The maps of B images for one layer pair.

    Attributes:
        pair: The layer pair.
        lower: X, (B, D_t, H_t, W_t).
        upper: A, (B, D_{t+1}, H, W): the weights, rectified unless signed ones were asked for.
        framed: The images that the network saw, of size x size pixels.
        backbone: The network.
        framing: How the images were made square: "crop" or "squash".
        signed: Whether signed weights were asked for.
        engine: What computed the maps, such as "torch" or "onnxruntime 1.32.0".

    Example:
        >>> import crosspool
        >>> maps = crosspool.load_backbone().activations(crosspool.load_image("assets/samples/cat.jpg"), size=128)
        >>> maps.pair.id, maps.upper.shape, maps.framed[0].size
        ('conv_head', torch.Size([1, 1280, 4, 4]), (128, 128))
    """

    pair: LayerPair
    lower: Tensor
    upper: Tensor
    framed: tuple[Image.Image, ...]
    backbone: "Backbone" = field(repr=False)
    framing: Framing
    signed: bool
    engine: str = TORCH
