"""The class scores of a network whose last step makes probabilities of them."""

from torch import fx, nn

SOFTMAX = ("softmax", "log_softmax", "Softmax", "LogSoftmax")
SIGMOID = ("sigmoid", "Sigmoid")


def before_probabilities(returned: fx.Node, model: nn.Module, classes: int) -> fx.Node:
    """The node of the scores whose softmax, or whose sigmoid if there is one class, is returned; else `returned`."""
    if returned.op == "call_module":
        module = model.get_submodule(str(returned.target))
        name, axis = type(module).__name__, getattr(module, "dim", None)
    else:
        name = getattr(returned.target, "__name__", str(returned.target))
        axis = returned.kwargs.get("dim", returned.args[1] if len(returned.args) > 1 else None)
    if (classes == 1 and name in SIGMOID) or (classes > 1 and name in SOFTMAX and axis in (None, 1, -1)):
        return returned.all_input_nodes[0]
    return returned
