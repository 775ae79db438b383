"""Convert a part of a network to ONNX, in a process of its own: `python -m crosspool.engines.conversion FOLDER`.

torch.export changes torch.nn for all threads while it works, keeps Python busy for seconds, and leaves hundreds of
megabytes behind. None of that reaches whoever computes meanwhile, nor would a crash.
"""

import contextlib
import gc
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from crosspool.errors import BackboneError
from crosspool.recorded_calls import Constant
from crosspool.tracing import BETWEEN_NODES

MODULE, GRAPH = "module.pt", "graph.onnx"
GUARD = "crosspool.backbones.torchvision_guard"  # where it was imported, the network may have torchvision's modules
SECONDS = 300.0
POLL_SECONDS = 0.05
NICENESS = 10


class ConversionError(BackboneError):
    """A part of a network that cannot be converted, with the reason in a clause."""


def converted(model: nn.Module, graph: fx.Graph, size: int) -> bytes:
    """The ONNX graph of a part of a network for an image of `size` pixels a side.

    Raises ConversionError where that is impossible.
    """
    with tempfile.TemporaryDirectory(prefix="crosspool-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            torch.save((as_module(model, graph), size), folder / MODULE)
        except Exception as error:  # of pickle, which any class may raise
            raise ConversionError(f"its modules cannot be handed to another process ({error})") from error
        _run_child(folder)
        return (folder / GRAPH).read_bytes()


def as_module(model: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """A part of a network by itself, with what it needs of the network, which it shares; constants become buffers."""
    copy = fx.Graph()
    copy.output(copy.graph_copy(graph, {}))
    parts: dict[str, Any] = {}
    for node in list(copy.nodes):
        if isinstance(node.target, Constant):
            node.op, node.target, value = "get_attr", f"constant_{len(parts)}", node.target.value
            parts[node.target] = value
        elif node.op in ("call_module", "get_attr"):
            path, _, name = node.target.rpartition(".")
            parts[node.target] = getattr(model.get_submodule(path), name)
    return fx.GraphModule(parts, copy).eval()


def _run_child(folder: Path) -> None:
    """Convert in a child process, which ends with this one, or as soon as nobody waits for it."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    between, deadline = BETWEEN_NODES.get(), time.monotonic() + SECONDS
    needed = [GUARD] if GUARD in sys.modules else []
    with (
        (folder / "errors").open("w+b") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "crosspool.engines.conversion", str(folder), *needed],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=environment,
        ) as child,
    ):  # fmt: skip
        try:
            while child.poll() is None:
                between()
                if time.monotonic() > deadline:
                    raise ConversionError(f"converting it took more than {SECONDS:g} seconds")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(POLL_SECONDS)
        finally:
            child.kill()
        if child.returncode != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            raise ConversionError(f"it cannot be converted to ONNX ({lines[-1] if lines else child.returncode})")


def main(folder: Path, needed: Sequence[str]) -> None:
    """Convert what lies in the folder, once the modules that it needs are imported."""
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    warnings.simplefilter("ignore")
    gc.disable()  # this process ends before garbage matters; looking for it took a seventh of the time
    torch.set_num_threads(1)
    for name in needed:
        importlib.import_module(name)
    # The file was written by the parent, into a folder that is its user's alone.
    module, size = torch.load(folder / MODULE, weights_only=False)
    torch.onnx.export(
        module, (torch.zeros(1, 3, size, size),), folder / GRAPH, dynamo=True, external_data=False, verbose=False
    )


def _end_with_parent(folder: Path) -> None:
    """End this process where the parent has ended, whose end of the pipe is then closed."""
    os.read(sys.stdin.fileno(), 1)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except Exception as failure:  # of torch's or of the network's own code; the parent gives its first cause
        while failure.__cause__ is not None and isinstance(failure.__cause__, Exception):
            failure = failure.__cause__
        sys.exit(f"{type(failure).__name__}: {next(iter(str(failure).strip().splitlines()), '')}")
