"""Which engine runs each part of a network: measured once, and kept with the converted graph."""

import hashlib
import os
import platform
import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from cachetools import LRUCache
from torch import Tensor, fx, nn

from crosspool.cache import Array, ArrayCache, CacheError, default_cache
from crosspool.engines import EngineName
from crosspool.engines.behind import begin_behind
from crosspool.engines.conversion import ConversionError, converted
from crosspool.engines.programs import (
    TORCH,
    Bfloat16Program,
    CompiledProgram,
    Program,
    Sessions,
    TorchProgram,
    compiled_engine,
)
from crosspool.errors import BackboneError
from crosspool.recorded_calls import Constant
from crosspool.strict_json import json_text
from crosspool.tracing import BETWEEN_NODES

GRAPH_FORMAT = 2  # to be increased when the same part is converted otherwise
GRAPHS_LIMIT = 2 * 2**30  # bytes on disk
CONVERSION_SECONDS = 5.0  # about; torch computes as long before a conversion begins behind it
WORTH_SECONDS = 4 * CONVERSION_SECONDS  # of torch's passes, for which a run waits for the conversion first
ROUNDS = 5  # in which both engines take turns
TOLERANCE = 1e-4  # of an output's largest number; 5e-6 was the most that was measured
MOST_PARTS = 32  # of one network, of which is known what they took
POLL_SECONDS = 0.05  # between two looks at whether anybody still waits


def graph_store() -> ArrayCache:
    """Where converted graphs are kept, with what was measured of them."""
    return ArrayCache(default_cache() / "graphs", GRAPHS_LIMIT)


class Programs:
    """The programs of one network, one for each part that is asked for; shared by any number of threads.

    `fingerprint` gives what stands for the network's parameters, `subgraph` the graph of some nodes at a size, and
    `memory_format` is the order of an image's numbers in memory that suits the network in torch.
    """

    def __init__(
        self, engine: EngineName, model: nn.Module, device: torch.device, fingerprint: Callable[[], str],
        subgraph: Callable[[tuple[str, ...], int], fx.Graph],
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:  # fmt: skip
        self.engine: EngineName = engine if device.type == "cpu" or engine == "bfloat16" else "torch"
        self._model, self.fingerprint, self._subgraph = model, fingerprint, subgraph
        self._memory_format = memory_format
        self._parts: LRUCache[tuple[tuple[str, ...], int], Part] = LRUCache(MOST_PARTS)
        self.sessions = Sessions()
        self._lock = threading.Lock()

    def run(self, names: tuple[str, ...], batch: Tensor) -> tuple[list[Tensor], str]:
        """The named nodes' outputs for a batch, and the engine that computed them. Raises BackboneError."""
        part = self._part(names, batch.shape[-1])
        program = part.program()
        start = time.thread_time()  # without what others compute meanwhile
        outputs = dict(zip(part.names, program(batch), strict=True))
        if program.engine == TORCH:
            part.spend(time.thread_time() - start)
        return [outputs[name] for name in names], program.engine

    def settle(self, names: tuple[str, ...], size: int, passes: int) -> None:
        """Choose the engine for a run of so many passes, with this thread's number of threads, from now on."""
        self._part(names, size).settle(passes)

    def prepare(self, names: tuple[str, ...], size: int) -> None:
        """Begin to measure behind whoever computes, as if torch had computed for long."""
        self._part(names, size).spend(CONVERSION_SECONDS)

    def _part(self, names: tuple[str, ...], size: int) -> "Part":
        names = tuple(sorted(set(names)))  # in whatever order they are asked for, it is the same part
        with self._lock:
            part = self._parts.get((names, size))
            if part is None:
                graph = self._subgraph(names, size)
                program = TorchProgram(self._model, graph, self._memory_format)
                part = Part(self.engine, program, names, size, self.fingerprint, self.sessions)
                self._parts[names, size] = part
            return part


class Part:
    """One part of a network at one size, and what is known of the engines that can run it.

    Converting and measuring go on behind whoever computes. Those who wait for that hold no lock, so that in a server
    they can let others go first.
    """

    def __init__(
        self, engine: EngineName, program: TorchProgram, names: tuple[str, ...], size: int,
        fingerprint: Callable[[], str], sessions: Sessions,
    ) -> None:  # fmt: skip
        self._engine, self._torch, self.names, self._size = engine, program, names, size
        self._bfloat16 = Bfloat16Program(program, names)
        graph = program.graph
        self._about = [GRAPH_FORMAT, names, size, str(graph), *_constants(graph), compiled_engine(), torch.__version__]
        self._fingerprint, self._sessions = fingerprint, sessions
        self._compiled: CompiledProgram | None = None
        self._unkept: bytes | None = None  # the graph, where it could not be kept on disk
        self._is_faster: dict[int, bool] = {}  # whether the compiled program is, by the number of threads
        self._looked: set[int] = set()  # numbers of threads for which was looked for a kept graph
        self._refused = 0  # the most passes for which a conversion was found not to pay
        self.reason = ""  # why it cannot be converted
        self._spent = 0.0
        self._lock = threading.Lock()  # around `_behind`, never for long
        self._behind: threading.Event | None = None

    def program(self) -> Program:
        """What runs the part now, with this thread's number of threads. Raises BackboneError."""
        if self._engine == "torch":
            return self._torch
        if self._engine == "bfloat16":
            return self._bfloat16
        if self._engine == "auto":
            faster = self._is_faster.get(torch.get_num_threads(), False)
            return self._compiled if faster and self._compiled is not None else self._torch
        while self._compiled is None and not self.reason:
            self._wait(self._begin(self._compile))
        if self._compiled is None:
            raise BackboneError(
                f"ONNX Runtime cannot run this part of the network: {self.reason}; choose the engine torch, or auto."
            )
        return self._compiled

    def spend(self, seconds: float) -> None:
        """Count torch's time; what it has taken is what a conversion may take, behind it."""
        self._spent += seconds
        threads = torch.get_num_threads()
        if not self._is_open(threads) or self._refused:  # a run was promised one engine
            return
        if self._spent >= CONVERSION_SECONDS:
            self._begin(partial(self._measure, threads))
        elif threads not in self._looked and os.path.isdir(graph_store().folder):
            self._looked.add(threads)
            self._begin(partial(self._measure_kept, threads))

    def settle(self, passes: int) -> None:
        """Choose the engine for so many passes: measured, where that takes less time than it may save."""
        threads = torch.get_num_threads()
        if not self._is_open(threads) or passes <= self._refused:
            return
        if self._key() not in graph_store() and passes * _seconds(self._torch, self._noise()) <= WORTH_SECONDS:
            self._refused = passes
            return
        while self._is_open(threads):
            self._wait(self._begin(partial(self._measure, threads)))

    def _is_open(self, threads: int) -> bool:
        """Whether it is not known yet which engine is faster with so many threads."""
        return self._engine == "auto" and not self.reason and threads not in self._is_faster

    # --- behind whoever computes

    def _begin(self, work: Callable[[], None]) -> threading.Event:
        """Begin this work, unless some is under way. Returns what is set when that has ended."""
        with self._lock:
            if self._behind is None or self._behind.is_set():
                self._behind = begin_behind(partial(self._attempt, work), torch.get_num_threads())
            return self._behind

    def _wait(self, ended: threading.Event) -> None:
        """Wait, and meanwhile do what is done between two nodes of a network: let others go first, or stop."""
        between = BETWEEN_NODES.get()
        while not ended.wait(POLL_SECONDS):
            between()

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do the work; where it fails, torch goes on, for a reason that is kept."""
        is_done = False
        try:
            work()
            is_done = True
        except ConversionError as error:
            self.reason = str(error)
        finally:
            if not is_done:
                self.reason = self.reason or "converting or measuring it failed"

    def _measure_kept(self, threads: int) -> None:
        if self._key() in graph_store():
            self._measure(threads)

    def _measure(self, threads: int) -> None:
        """Find out which engine is faster with so many threads, as many as this thread has."""
        self._compile()
        store, key, programs = graph_store(), self._key(*_processor(), threads), (self._torch, self._compiled)
        times = _kept(store, key)
        if times is None or times.shape != (len(programs),) or times.dtype != np.float32:
            noise = self._noise()
            rounds = [[_seconds(program, noise) for program in programs if program] for _ in range(ROUNDS)]
            times = np.median(np.array(rounds, np.float32), axis=0)
            _keep(store, key, times)
        self._is_faster[threads] = bool(times[1] < times[0])

    def _compile(self) -> None:
        """Take the converted graph from disk, or convert; it is used only if it computes what torch computes."""
        if self._compiled is not None:
            return
        compiled = CompiledProgram(self._graph_bytes, self._sessions)
        if self._kept_graph() is not None:
            try:
                self._expect_equal(compiled)
            except ConversionError:  # what is kept is of no use, whatever wrote it
                self._convert()
                compiled = CompiledProgram(self._graph_bytes, self._sessions)
                self._expect_equal(compiled)
        else:
            self._convert()
            self._expect_equal(compiled)
        self._compiled = compiled

    def _expect_equal(self, compiled: Program) -> None:
        noise = self._noise()
        expected, given = self._torch(noise), compiled(noise)
        if [output.shape for output in expected] != [output.shape for output in given] or not all(
            torch.allclose(output, other, rtol=0, atol=TOLERANCE * float(output.abs().max()))
            for output, other in zip(expected, given, strict=True)
        ):
            raise ConversionError("its numbers are not those of torch")

    def _noise(self) -> Tensor:
        return torch.randn(1, 3, self._size, self._size, generator=torch.Generator().manual_seed(self._size))

    # --- graphs on disk

    def _graph_bytes(self) -> bytes:
        """The converted graph; again converted where it is gone."""
        graph = self._unkept or self._kept_graph()
        return self._convert() if graph is None else graph

    def _kept_graph(self) -> bytes | None:
        """The graph that is kept, if it is this part's."""
        entry = _kept(graph_store(), self._key())
        data = b"" if entry is None else entry.tobytes()
        mark = self._key().encode()
        return data.removeprefix(mark) if data.startswith(mark) else None

    def _convert(self) -> bytes:
        graph = converted(self._torch.model, self._torch.graph, self._size)
        entry = np.frombuffer(self._key().encode() + graph, np.uint8)
        self._unkept = None if _keep(graph_store(), self._key(), entry) else graph
        return graph

    def _key(self, *more: object) -> str:
        return hashlib.sha256(json_text([*self._about, self._fingerprint(), *more]).encode()).hexdigest()


def _constants(graph: fx.Graph) -> list[str]:
    """The numbers of a graph that are no parameters of the network."""
    values = [node.target.value for node in graph.nodes if isinstance(node.target, Constant)]
    return [hashlib.sha256(value.cpu().contiguous().numpy().tobytes()).hexdigest() for value in values]


def _processor() -> list[str]:
    return [platform.machine(), platform.processor(), torch.backends.cpu.get_cpu_capability()]


def _seconds(program: Program, batch: Tensor) -> float:
    start = time.perf_counter()
    program(batch)
    return time.perf_counter() - start


def _kept(store: ArrayCache, key: str) -> Array | None:
    """What is kept; nothing where the folder cannot be read, as it can be made again."""
    try:
        return store.get(key)
    except CacheError:
        return None


def _keep(store: ArrayCache, key: str, array: Array) -> bool:
    """Keep an array. Returns False where the folder cannot be written: it is made again next time."""
    try:
        store.put(key, array)
    except CacheError:
        return False
    return True
