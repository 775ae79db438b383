"""Fold BatchNorm into the convolution before it, which leaves the maps as they are and saves their passes."""

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(model: nn.Module, graph: fx.Graph) -> None:
    """Fold every BatchNorm that alone reads a convolution of `model` (in eval mode) into it, in place.

    The BatchNorm becomes an Identity, so names in `graph` stay valid.
    """
    modules = dict(model.named_modules())
    calls = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    for node in graph.nodes:
        if node.op != "call_module" or len(node.users) != 1:
            continue
        follower = next(iter(node.users))
        if follower.op != "call_module":
            continue
        convolution, norm = modules[str(node.target)], modules[str(follower.target)]
        once = calls.count(str(node.target)) == calls.count(str(follower.target)) == 1
        if once and isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            model.set_submodule(str(node.target), fuse_conv_bn_eval(convolution, norm))
            model.set_submodule(str(follower.target), nn.Identity())
