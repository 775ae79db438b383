"""Files of weights as training programs write them."""

import torch
from safetensors.torch import save_file


def save(state, path, **metadata):
    """Write an object to `path`, in the form that its suffix says, and return the path."""
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path, metadata or None)
    else:
        torch.save(state, path)
    return path


def prefixed(state, prefix):
    """The state dict with `prefix` before each name."""
    return {f"{prefix}{name}": value for name, value in state.items()}
