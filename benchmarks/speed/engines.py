"""What torch and ONNX Runtime take for the maps of a network's last pair: `python -m benchmarks.speed.engines`.

Justifies the engine of `crosspool.engines`. The engines take turns, and times are medians; the ratio is ONNX Runtime's
time to torch's with the same threads. Images a second are those of as many single-threaded passes at a time as there
are cores. Memory is what the process grows by when a graph is loaded and has run. OpenVINO takes part where it is
installed. Networks without weights of their own here have random ones.
"""

import importlib.util
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is imported

import psutil
import torch
import typer

from benchmarks.harness.command import interleaved, machine, milliseconds, print_table
from crosspool.backbones import Backbone, load_backbone, spec_of
from crosspool.engines.conversion import as_module, converted
from crosspool.engines.programs import CompiledProgram, Sessions, TorchProgram
from crosspool.flow import available_cores

NETWORKS = "efficientnet_lite0,efficientnet_lite1,efficientnet_lite2,resnet50,alexnet,vgg16,densenet121,convnext_tiny"
THREADS = (1, 2)
PASSES = 16  # of which the images a second are taken
MB = 2**20
Pass = Callable[[], object]


def openvino_pass(backbone: Backbone, names: tuple[str, ...], batch: torch.Tensor, threads: int) -> Pass:
    """A pass of OpenVINO, which only one thread may run."""
    import openvino

    module = as_module(backbone.model, backbone.architecture.subgraph(names, batch.shape[-1]))
    model = openvino.convert_model(torch.export.export(module, (batch,)))
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda: request.infer([batch.numpy()])


def images_a_second(run: Pass) -> float:
    """With as many single-threaded passes at a time as there are cores."""
    with ThreadPoolExecutor(available_cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(lambda _: run(), range(available_cores())))
        return 1000 * PASSES / milliseconds(lambda: list(pool.map(lambda _: run(), range(PASSES))))


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def measured(backbone: Backbone, size: int, rounds: int) -> list[list[str]]:
    """A row for each number of threads."""
    pair = backbone.architecture.default_pair
    names, batch = (pair.lower, pair.upper), torch.randn(1, 3, size, size)
    graph = backbone.architecture.subgraph(names, size)
    data: list[bytes] = []
    seconds = milliseconds(lambda: data.append(converted(backbone.model, graph, size))) / 1000
    torch_program = TorchProgram(backbone.model, graph, backbone.architecture.memory_format)
    compiled = CompiledProgram(lambda: data[0], Sessions())
    expected, rows = torch_program(batch), []
    for threads in THREADS:
        torch.set_num_threads(threads)
        before = resident()
        first = milliseconds(lambda: compiled(batch))
        grown = (resident() - before) / MB
        difference = max(
            float((given - one).abs().max() / one.abs().max())
            for given, one in zip(compiled(batch), expected, strict=True)
        )
        runs: dict[str, Pass] = {"torch": lambda: torch_program(batch), "onnxruntime": lambda: compiled(batch)}
        if importlib.util.find_spec("openvino") is not None:
            runs["openvino"] = openvino_pass(backbone, names, batch, threads)
        times = {name: timing.median for name, timing in interleaved(runs, repetitions=rounds, seldom={}).items()}
        rates = [f"{images_a_second(runs[name]):.1f}" if threads == 1 else "" for name in ("torch", "onnxruntime")]
        rows.append([
            f"{backbone.spec.name}, {size} px", str(threads), f"{times['torch']:.1f}", f"{times['onnxruntime']:.1f}",
            f"{times['onnxruntime'] / times['torch']:.2f}",
            f"{times['openvino']:.1f}" if "openvino" in times else "", *rates,
            f"{seconds:.1f}" if threads == 1 else "", f"{max(first - times['onnxruntime'], 0):.0f}", f"{grown:.0f}",
            f"{difference:.0e}",
        ])  # fmt: skip
    return rows


def main(
    networks: Annotated[str, typer.Option(help="Names, with commas.")] = NETWORKS,
    sizes: Annotated[str, typer.Option(help="Sides of the input in pixels, with commas.")] = "224,448",
    rounds: int = 15,
) -> None:
    """Print what each engine takes for each network and size."""
    torch.manual_seed(0)
    rows: list[list[str]] = []
    for name in networks.split(","):
        backbone = load_backbone(name, None if spec_of(name).weights.is_here else "untrained", "cpu")
        for size in map(int, sizes.split(",")):
            rows += measured(backbone, size, rounds)
    print(machine())
    header = [
        "network", "threads", "torch, ms", "ONNX Runtime, ms", "ratio", "OpenVINO, ms", "torch, images/s",
        "ONNX Runtime, images/s", "convert, s", "load, ms", "memory, MB", "difference",
    ]  # fmt: skip
    print_table("Maps of the last pair, one image", header, rows)


if __name__ == "__main__":
    typer.run(main)
