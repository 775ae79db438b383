"""Parts of a network that are ready to run."""

import logging
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from cachetools import LRUCache
from torch import Tensor, fx, nn

from crosspool.engines.conversion import ConversionError
from crosspool.tracing import BETWEEN_NODES, run_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_LOG = logging.getLogger(__name__)

TORCH = "torch"
SESSION_BYTES = 2**31  # of one network's sessions; a graph is a protobuf message, which has no more
ACTIVATION_BYTES = 2**25  # about what a session keeps besides its weights: Lite0's 16 MB at 224 pixels, 43 MB at 448
ERRORS_ONLY = 3  # of onnxruntime's log


class Program(Protocol):
    """A part of a network that is ready to run, in any number of threads at once."""

    @property
    def engine(self) -> str:
        """What runs it, with its version."""

    def __call__(self, batch: Tensor) -> list[Tensor]:
        """The outputs for a batch, (B, 3, S, S), with as many threads as torch would use in this thread."""


class TorchProgram:
    """A part of a network that torch runs node by node."""

    engine = TORCH

    def __init__(
        self, model: nn.Module, graph: fx.Graph, memory_format: torch.memory_format = torch.contiguous_format
    ) -> None:
        self.model, self.graph, self._memory_format = model, graph, memory_format

    def __call__(self, batch: Tensor) -> list[Tensor]:
        return list(run_graph(self.model, self.graph, batch.contiguous(memory_format=self._memory_format)))


class Bfloat16Program:
    """A part of a network that torch runs with numbers of 16 bits; what it yields has 32 again.

    The first batch is computed with 32 bits as well, and by how much the outputs `names` differ is logged.
    """

    engine = "torch bfloat16"

    def __init__(self, program: TorchProgram, names: Sequence[str]) -> None:
        self._program, self._names = program, names
        self._first = threading.Lock()  # never released: the thread that acquires it gets the first batch

    def __call__(self, batch: Tensor) -> list[Tensor]:
        with torch.autocast(batch.device.type, torch.bfloat16):
            outputs = [output.float() for output in self._program(batch)]
        if self._first.acquire(blocking=False):
            pairs = zip(self._names, outputs, self._program(batch), strict=True)
            errors = (f"{name} {100 * _error(output, exact):.2f} %" for name, output, exact in pairs)
            _LOG.warning("bfloat16: differences from single precision, of the norm: %s.", ", ".join(errors))
        return outputs


def _error(output: Tensor, exact: Tensor) -> float:
    """The norm of the difference over the norm."""
    return float((output - exact).norm() / exact.norm().clamp_min(torch.finfo(exact.dtype).tiny))


def compiled_engine() -> str:
    """ONNX Runtime with its version, or "" where it is not installed."""
    try:
        return f"onnxruntime {version('onnxruntime')}"
    except PackageNotFoundError:
        return ""


class CompiledProgram:
    """A part of a network that ONNX Runtime runs on the CPU; `graph` reads the bytes of its graph.

    Images pass one at a time, so that their bits do not depend on the others in the batch.
    """

    def __init__(self, graph: Callable[[], bytes], sessions: "Sessions") -> None:
        self.engine = compiled_engine()
        self._graph, self._sessions = graph, sessions

    def __call__(self, batch: Tensor) -> list[Tensor]:
        between = BETWEEN_NODES.get()
        session = self._sessions.session(self, torch.get_num_threads(), self._graph)
        name, outputs = session.get_inputs()[0].name, []
        for image in batch.split(1):
            between()
            outputs.append(session.run(None, {name: image.contiguous().numpy()}))
        return [torch.from_numpy(np.concatenate(each)) for each in zip(*outputs, strict=True)]


class Sessions:
    """The sessions of one network's programs, one for each program and number of threads.

    Those that were used last are kept, as many as take `limit` bytes with their activations. `run` of a session may be
    called in any number of threads at once.
    """

    def __init__(self, limit: int = SESSION_BYTES) -> None:
        self._sessions: LRUCache[tuple[Any, int], tuple[InferenceSession, int]] = LRUCache(
            limit, lambda kept: min(kept[1] + ACTIVATION_BYTES, limit)
        )
        self._loading: dict[tuple[Any, int], threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """The memory that their weights take."""
        with self._lock:
            return sum(nbytes for _, nbytes in self._sessions.values())

    def session(self, program: CompiledProgram, threads: int, graph: Callable[[], bytes]) -> "InferenceSession":
        """The session of a program, made once. Raises ConversionError where ONNX Runtime does not take the graph."""
        key = program, threads
        with self._lock:
            if key in self._sessions:
                return self._sessions[key][0]
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            with self._lock:
                if key in self._sessions:
                    return self._sessions[key][0]
            data = graph()
            session = _new_session(data, threads)
            with self._lock:
                self._sessions[key] = session, len(data)
                self._loading.pop(key, None)
        return session

    def clear(self) -> None:
        """Drop all sessions; those that are used again are made again."""
        with self._lock:
            self._sessions.clear()


def _new_session(graph: bytes, threads: int) -> "InferenceSession":
    import onnxruntime  # takes a second

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others compute meanwhile
    options.log_severity_level = ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        reason = str(error).strip().splitlines()[0]
        raise ConversionError(f"ONNX Runtime does not take its graph ({reason})") from error
