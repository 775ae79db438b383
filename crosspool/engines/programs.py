"""Parts of a network that are ready to run."""

import threading
from typing import Protocol

import numpy as np
import onnxruntime
import torch
from cachetools import LRUCache
from torch import Tensor, fx, nn

from crosspool.tracing import BETWEEN_NODES, run_graph

TORCH = "torch"
COMPILED = f"onnxruntime {onnxruntime.__version__}"
MOST_SESSIONS = 2  # of one part, each for another number of threads, and with the weights in memory
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

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        self._model, self._graph = model, graph

    def __call__(self, batch: Tensor) -> list[Tensor]:
        return list(run_graph(self._model, self._graph, batch))


class CompiledProgram:
    """A part of a network that ONNX Runtime runs on the CPU, from the bytes of its graph.

    Images pass one at a time, so that their bits do not depend on the others in the batch.
    """

    engine = COMPILED

    def __init__(self, graph: bytes) -> None:
        self._graph = graph
        self._sessions: LRUCache[int, onnxruntime.InferenceSession] = LRUCache(MOST_SESSIONS)
        self._loading = threading.Lock()

    def __call__(self, batch: Tensor) -> list[Tensor]:
        session, between = self._session(torch.get_num_threads()), BETWEEN_NODES.get()
        name, outputs = session.get_inputs()[0].name, []
        for image in batch.split(1):
            between()
            outputs.append(session.run(None, {name: image.contiguous().numpy()}))
        return [torch.from_numpy(np.concatenate(each)) for each in zip(*outputs, strict=True)]

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        with self._loading:
            session = self._sessions.get(threads)
            if session is None:
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
                options.log_severity_level = ERRORS_ONLY
                session = onnxruntime.InferenceSession(self._graph, options, providers=["CPUExecutionProvider"])
                self._sessions[threads] = session
            return session
