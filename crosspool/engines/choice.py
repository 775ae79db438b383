"""Which engine runs each part of a network: measured once, and kept with the converted graph."""

import hashlib
import platform
import threading
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from torch import Tensor, fx, nn

from crosspool.cache import ArrayCache, CacheError, default_cache
from crosspool.engines import EngineName
from crosspool.engines.conversion import ConversionError, converted
from crosspool.engines.programs import TORCH, CompiledProgram, Program, TorchProgram
from crosspool.errors import BackboneError
from crosspool.strict_json import json_text

GRAPH_FORMAT = 1  # to be increased when the same part is converted otherwise
GRAPHS_LIMIT = 2 * 2**30  # bytes on disk
CONVERSION_SECONDS = 5.0  # about; torch computes as long before a conversion begins behind it
WORTH_SECONDS = 2 * CONVERSION_SECONDS  # of torch's passes, for which a run waits for the conversion first
ROUNDS = 5  # in which both engines take turns
TOLERANCE = 1e-4  # of an output's largest number; 5e-6 was the most that was measured


def graph_store() -> ArrayCache:
    """Where converted graphs are kept, with what was measured of them."""
    return ArrayCache(default_cache() / "graphs", GRAPHS_LIMIT)


class Programs:
    """The programs of one network, one for each part that is asked for; shared by any number of threads.

    `fingerprint` gives what stands for the network's parameters, and `subgraph` the graph of some nodes at a size.
    """

    def __init__(
        self, engine: EngineName, model: nn.Module, device: torch.device, fingerprint: Callable[[], str],
        subgraph: Callable[[tuple[str, ...], int], fx.Graph],
    ) -> None:  # fmt: skip
        self.engine: EngineName = engine if device.type == "cpu" else "torch"
        self._model, self._fingerprint, self._subgraph = model, fingerprint, subgraph
        self._parts: dict[tuple[tuple[str, ...], int], Part] = {}
        self._lock = threading.Lock()

    def run(self, names: tuple[str, ...], batch: Tensor) -> tuple[list[Tensor], str]:
        """The named nodes' outputs for a batch, and the engine that computed them. Raises BackboneError."""
        part = self._part(names, batch.shape[-1])
        program = part.program()
        start = time.perf_counter()
        outputs = dict(zip(part.names, program(batch), strict=True))
        if program.engine == TORCH:
            part.spend(time.perf_counter() - start)
        return [outputs[name] for name in names], program.engine

    def settle(self, names: tuple[str, ...], size: int, passes: int) -> None:
        """Choose the engine for a run of so many passes, with this thread's number of threads, from now on."""
        self._part(names, size).settle(passes)

    def prepare(self, names: tuple[str, ...], size: int) -> None:
        """Begin to measure in the background, as if torch had computed for long."""
        self._part(names, size).spend(CONVERSION_SECONDS)

    def _part(self, names: tuple[str, ...], size: int) -> "Part":
        names = tuple(sorted(set(names)))  # in whatever order they are asked for, it is the same part
        with self._lock:
            part = self._parts.get((names, size))
            if part is None:
                graph = self._subgraph(names, size)
                part = Part(self.engine, self._model, graph, names, size, self._fingerprint)
                self._parts[names, size] = part
            return part


class Part:
    """One part of a network at one size, and what is known of the engines that can run it."""

    def __init__(
        self, engine: EngineName, model: nn.Module, graph: fx.Graph, names: tuple[str, ...], size: int,
        fingerprint: Callable[[], str],
    ) -> None:  # fmt: skip
        self._engine, self._model, self._graph, self.names, self._size = engine, model, graph, names, size
        self._torch = TorchProgram(model, graph)
        self._about = [GRAPH_FORMAT, names, size, str(graph), onnxruntime.__version__, torch.__version__]
        self._fingerprint = fingerprint
        self._compiled: CompiledProgram | None = None
        self._is_faster: dict[int, bool] = {}  # whether the compiled program is, by the number of threads
        self._refused = 0  # the most passes for which a conversion was found not to pay
        self._reason = ""  # why it cannot be converted
        self._spent = 0.0
        self._measuring = threading.Lock()
        self._is_in_background = False

    def program(self) -> Program:
        """What runs the part now, with this thread's number of threads. Raises BackboneError."""
        if self._engine == TORCH:
            return self._torch
        if self._engine == "auto":
            faster = self._is_faster.get(torch.get_num_threads(), False)
            return self._compiled if faster and self._compiled is not None else self._torch
        with self._measuring:
            self._compile()
        if self._compiled is None:
            raise BackboneError(
                f"ONNX Runtime cannot run this part of the network: {self._reason}; choose the engine torch, or auto."
            )
        return self._compiled

    def spend(self, seconds: float) -> None:
        """Count torch's time; what it has taken is what a conversion may take, in the background."""
        self._spent += seconds
        threads = torch.get_num_threads()
        if self._engine != "auto" or threads in self._is_faster or self._reason or self._is_in_background:
            return
        if self._spent < CONVERSION_SECONDS and self._key() not in graph_store():
            return
        self._is_in_background = True
        threading.Thread(target=self._measure_behind, args=(threads,), name="crosspool-engine", daemon=True).start()

    def _measure_behind(self, threads: int) -> None:
        torch.set_num_threads(threads)
        with self._measuring:
            self._measure()
        self._is_in_background = False

    def settle(self, passes: int) -> None:
        """Choose the engine for so many passes: measured, where that takes less time than it may save."""
        threads = torch.get_num_threads()
        with self._measuring:
            if self._engine != "auto" or threads in self._is_faster or self._reason or passes <= self._refused:
                return
            if self._key() in graph_store() or passes * _seconds(self._torch, self._noise()) > WORTH_SECONDS:
                self._measure()
            else:
                self._refused = passes

    def _measure(self) -> None:
        """Find out which engine is faster with this thread's number of threads."""
        threads, noise = torch.get_num_threads(), self._noise()
        self._compile()
        if self._compiled is None:
            self._is_faster[threads] = False
            return
        store, key = graph_store(), self._key(platform.machine(), torch.backends.cpu.get_cpu_capability(), threads)
        kept = _kept(store, key)
        if kept is None:
            times = [[_seconds(program, noise) for program in (self._torch, self._compiled)] for _ in range(ROUNDS)]
            kept = np.median(np.array(times, np.float32), axis=0)
            _keep(store, key, kept)
        self._is_faster[threads] = bool(kept[1] < kept[0])

    def _compile(self) -> None:
        """Take the converted graph from disk, or convert; it is used only if it computes what torch computes."""
        if self._compiled is not None or self._reason:
            return
        store, key = graph_store(), self._key()
        try:
            kept = _kept(store, key)
            graph = converted(self._model, self._graph, self._size) if kept is None else kept.tobytes()
            compiled = CompiledProgram(graph)
            self._expect_equal(compiled)
        except ConversionError as error:
            self._reason = str(error)
            return
        if kept is None:
            _keep(store, key, np.frombuffer(graph, np.uint8))
        self._compiled = compiled

    def _expect_equal(self, compiled: Program) -> None:
        noise = self._noise()
        for expected, given in zip(self._torch(noise), compiled(noise), strict=True):
            if expected.shape != given.shape or not torch.allclose(
                expected, given, rtol=0, atol=TOLERANCE * float(expected.abs().max())
            ):
                raise ConversionError("its numbers are not those of torch")

    def _noise(self) -> Tensor:
        return torch.randn(1, 3, self._size, self._size, generator=torch.Generator().manual_seed(self._size))

    def _key(self, *more: object) -> str:
        return hashlib.sha256(json_text([*self._about, self._fingerprint(), *more]).encode()).hexdigest()


def _seconds(program: Program, batch: Tensor) -> float:
    start = time.perf_counter()
    program(batch)
    return time.perf_counter() - start


def _kept(store: ArrayCache, key: str) -> np.ndarray | None:
    """What is kept; nothing where the folder cannot be read, as it can be made again."""
    try:
        return store.get(key)
    except CacheError:
        return None


def _keep(store: ArrayCache, key: str, array: np.ndarray) -> None:
    """Keep an array; where the folder cannot be written, it is made again next time."""
    try:
        store.put(key, array)
    except CacheError:
        return
