"""Whether a backbone has the layers that are asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import fx

from crosspool.errors import BackboneError

if TYPE_CHECKING:
    from crosspool.backbones.backbone import Backbone


def expect_layers(backbone: "Backbone", names: tuple[str, ...], size: int | None = None) -> fx.Graph:
    """The graph that yields the named nodes. Raises BackboneError if it needs a layer that the weights lack."""
    graph = backbone.architecture.subgraph(names, size)
    targets = {str(node.target) for node in graph.nodes} if backbone.missing else set()
    lacked = [layer for layer in sorted(backbone.missing) if targets & {layer, f"{layer}.weight", f"{layer}.bias"}]
    if lacked:
        file, network = Path(backbone.weights).name, backbone.spec.name
        if names == (backbone.architecture.layout(size).output,):
            raise BackboneError(
                f"{network} with {file} names no classes without {lacked[0]}; choose weights that have it."
            )
        problem = f"{file} has no layer {lacked[0]} of the right shape for {network}, and this needs it"
        raise BackboneError(f"{problem}; choose an earlier layer pair, or weights with that layer.")
    return graph
