"""What a backbone is: data about a network, and how to build it. Nothing here holds weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from crosspool.backbones.weights import WeightsFile
from crosspool.framing import Preprocessing


@dataclass(frozen=True)
class BackboneSpec:
    """A network that crosspool can load.

    `build(num_classes)` makes it with random weights. `rename` maps a pretrained file's parameter names to the
    network's; a name that maps to None is left out (auxiliary heads). `classes()` names the pretrained classes.
    """

    name: str
    title: str
    preprocessing: Preprocessing
    parameters: int
    weights: WeightsFile
    weights_licence: str
    build: Callable[[int], nn.Module]
    rename: Callable[[str], str | None]
    classes: Callable[[], tuple[str, ...]]

    def renamed(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors by the network's parameter names, in single precision."""
        return {
            new: value.float() if value.is_floating_point() else value
            for old, value in state.items()
            if (new := self.rename(old)) is not None
        }

    def titled(self, weights: str) -> str:
        """EfficientNet-Lite0; with UNTRAINED (random) weights, or the name of your own file, where that is so."""
        mark = {"pretrained": "", "untrained": " with UNTRAINED (random) weights"}
        return self.title + mark.get(weights, f" with weights from {Path(weights).name}")
