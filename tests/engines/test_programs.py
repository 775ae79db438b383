"""Each engine gives torch's numbers, and the same bits however images are grouped and whatever runs beside it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from crosspool.backbones import load_backbone
from crosspool.engines.conversion import ConversionError, converted
from crosspool.engines.programs import ACTIVATION_BYTES, CompiledProgram, Sessions
from crosspool.tracing import BETWEEN_NODES, run_graph
from tests.engines.networks import ALL, ManyOperations, images, made, programs, whole

ENGINES = ("torch", "onnxruntime")


def test_each_kind_of_operation_gives_torchs_numbers(kept, no_conversion):
    model, batch = made(ManyOperations), images(3)
    outputs, engine = programs("onnxruntime").run(ALL, batch)
    assert engine.startswith("onnxruntime 1.")
    for given, expected in zip(outputs, run_graph(model, whole(model), batch), strict=True):
        assert given.shape == expected.shape
        assert (given - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_an_embedded_network_gives_torchs_maps():
    """The others have the same kinds of layers, only more of them."""
    backbone = load_backbone("efficientnet_lite0", device="cpu")
    pair, batch = backbone.architecture.default_pair, images(2, 128)
    graph = backbone.architecture.subgraph((pair.lower, pair.upper), 128)
    data = converted(backbone.model, graph, 128)
    outputs = CompiledProgram(lambda: data, Sessions())(batch)
    for given, expected in zip(outputs, run_graph(backbone.model, graph, batch), strict=True):
        assert (given - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("engine", ENGINES)
def test_eight_threads_compute_the_bits_of_one(engine, kept, no_conversion, one_core):
    network, batches = programs(engine), [images(1, seed=seed) for seed in range(50)]
    alone = [network.run(ALL, batch)[0] for batch in batches]
    with ThreadPoolExecutor(8, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        runs = list(pool.map(lambda _: [network.run(ALL, batch)[0] for batch in batches], range(8)))
    for run in runs:
        assert all(a.equal(b) for each, other in zip(alone, run, strict=True) for a, b in zip(each, other, strict=True))


def test_numbers_of_16_bits_are_told_apart_once(kept, no_conversion, caplog):
    network, batch = programs("bfloat16"), images(3)
    outputs, engine = network.run(ALL, batch)
    assert engine == "torch bfloat16"
    expected, _ = programs("torch").run(ALL, batch)
    errors = [float((given - exact).norm() / exact.norm()) for given, exact in zip(outputs, expected, strict=True)]
    assert {output.dtype for output in outputs} == {torch.float32}
    assert 1e-4 < max(errors) < 0.05
    network.run(ALL, batch)
    (record,) = caplog.records
    told = ", ".join(f"{name} {100 * error:.2f} %" for name, error in zip(ALL, errors, strict=True))
    assert record.getMessage().endswith(f": {told}.")


def test_bits_do_not_depend_on_how_images_are_grouped(kept, no_conversion):
    network, batch = programs("onnxruntime"), images(7)
    (together, _), _ = network.run(ALL, batch)
    for count in (1, 2, 3):
        parts = [network.run(ALL, part)[0][0] for part in batch.split(count)]
        assert torch.cat(parts).equal(together)


def test_others_may_go_first_before_each_image(kept, no_conversion):
    network, steps = programs("onnxruntime"), []
    network.run(ALL, images(1))
    token = BETWEEN_NODES.set(lambda: steps.append(1))
    network.run(ALL, images(3))
    BETWEEN_NODES.reset(token)
    assert len(steps) == 3


def test_a_session_is_made_once_for_a_number_of_threads(kept, no_conversion):
    part = programs("onnxruntime")._part(ALL, 32)
    program, reads = part.program(), []
    sessions = Sessions()

    def graph():
        reads.append(1)
        return part._graph_bytes()

    with ThreadPoolExecutor(8) as pool:
        made_sessions = set(pool.map(lambda _: id(sessions.session(program, 1, graph)), range(16)))
    assert (len(made_sessions), len(reads)) == (1, 1)
    assert sessions.nbytes == len(part._graph_bytes())
    sessions.clear()
    assert sessions.nbytes == 0


@pytest.mark.parametrize(("room", "made_in_all", "left"), [(None, 20, 20), (20, 20, 20), (19, 60, 19), (0.1, 60, 1)])
def test_a_run_of_many_parts_makes_each_session_once_where_there_is_room(kept, no_conversion, room, made_in_all, left):
    """Three images, each of which passes through twenty parts; the last session is kept however large it is."""
    part, reads = programs("onnxruntime")._part(ALL, 32), []
    data = part._graph_bytes()
    sessions = Sessions() if room is None else Sessions(limit=int(room * (len(data) + ACTIVATION_BYTES)))

    def graph():
        reads.append(1)
        return data

    parts = [CompiledProgram(graph, sessions) for _ in range(20)]
    for _ in range(3):
        for program in parts:
            program(images(1))
            program(images(1))
    assert len(reads) == made_in_all
    assert sessions.nbytes == left * len(data)


def test_what_is_no_graph_is_refused_in_a_sentence():
    with pytest.raises(ConversionError, match="ONNX Runtime does not take its graph"):
        CompiledProgram(lambda: b"no graph", Sessions())(images(1))
