"""Which engine runs a part: what was measured decides, nobody waits, and what is kept is never read wrongly."""

import os
import subprocess
import sys
import threading

import numpy as np
import onnx
import pytest
import torch

from crosspool.engines import choice
from crosspool.engines.behind import begin_behind
from crosspool.engines.conversion import ConversionError
from crosspool.errors import BackboneError
from crosspool.tracing import BETWEEN_NODES
from crosspool.ui.runtime.gate import FairSemaphore
from tests.engines.networks import ALL, SIZE, ManyOperations, all_ended, images, made, programs, with_constant


def engine_of(network):
    return network.run(ALL, images(1))[1].split()[0]


def entries(cache):
    """The files of graphs, the largest first: the graph, then what was measured."""
    return sorted((cache / "graphs").glob("*/*.z"), key=lambda path: -path.stat().st_size)


@pytest.mark.parametrize(("seconds", "faster"), [(1.0, "onnxruntime"), (3.0, "torch")])
def test_what_was_measured_decides_and_is_kept(kept, no_conversion, times, monkeypatch, seconds, faster):
    times["onnxruntime"] = seconds
    network = programs()
    network.settle(ALL, SIZE, passes=100)
    assert engine_of(network) == faster
    monkeypatch.setattr(choice, "_seconds", lambda *_: pytest.fail("measured again"))
    again = programs()
    again.settle(ALL, SIZE, passes=1)
    assert engine_of(again) == faster


def test_a_run_that_is_short_stays_on_torch(cache, no_conversion, times):
    network = programs()
    network.settle(ALL, SIZE, passes=5)  # of two seconds each, which is no more than a conversion is worth
    assert engine_of(network) == "torch"
    assert not cache.exists()


def test_torch_computes_as_long_as_a_conversion_takes_before_one_begins(cache, monkeypatch):
    begun = []

    def begin(work, threads):
        begun.append(threads)
        return threading.Event()

    monkeypatch.setattr(choice, "begin_behind", begin)
    part = programs()._part(ALL, SIZE)
    for _ in range(4):
        part.spend(choice.CONVERSION_SECONDS / 4 - 0.01)
    assert begun == []
    part.spend(0.1)
    part.spend(100.0)  # while the first is under way
    assert begun == [torch.get_num_threads()]


def test_nobody_waits_for_a_kept_graph_that_is_taken_behind(kept, no_conversion, times):
    network = programs()
    assert engine_of(network) == "torch"
    all_ended()
    assert engine_of(network) == "onnxruntime"


def test_prepared_it_is_measured_behind(kept, no_conversion, times):
    network = programs()
    network.prepare(ALL, SIZE)
    all_ended()
    assert engine_of(network) == "onnxruntime"


@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_another_device_is_torchs(engine, no_conversion):
    model = made(ManyOperations)
    network = choice.Programs(engine, model, torch.device("meta"), str, lambda *_: pytest.fail("asked"))
    assert network.engine == "torch"


def test_what_is_measured_behind_leaves_the_threads_of_others_alone(kept, no_conversion, times):
    before, seen = torch.get_num_threads(), list[int]()
    torch.set_num_threads(2)
    try:
        worker = threading.Thread(target=lambda: seen.append(int(begin_behind(lambda: None, 1).wait())))
        worker.start()
        worker.join()
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert seen == [1, 2]
    finally:
        torch.set_num_threads(before)


def test_two_computations_of_a_server_settle_the_same_part(kept, no_conversion, monkeypatch):
    """The first lets the second go first while it waits, which must not wait for the first."""
    turns, network = FairSemaphore(1), programs()
    monkeypatch.setattr(choice, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr("crosspool.ui.runtime.gate.LONG_SECONDS", 0.0)
    monkeypatch.setattr("crosspool.ui.runtime.gate.SLICE_SECONDS", 0.0)

    def settle():
        with turns.turn():
            network.settle(ALL, SIZE, passes=1000)

    threads = [threading.Thread(target=settle, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_who_waits_can_be_stopped(cache, monkeypatch):
    class StoppedError(Exception):
        pass

    def stop():
        raise StoppedError

    never = threading.Event()
    monkeypatch.setattr(choice, "begin_behind", lambda *_: never)
    token = BETWEEN_NODES.set(stop)
    with pytest.raises(StoppedError):
        programs("onnxruntime").run(ALL, images(1))
    BETWEEN_NODES.reset(token)


# --- what is kept


def damaged(data):
    return data[:100] + bytes([data[100] ^ 255]) + data[101:]


def first(parts):
    """The beginning of what was written, so many sixteenths of it, as where a kill cut it off."""
    return lambda data: data[: len(data) * parts // 16]


@pytest.mark.parametrize("change", [damaged, *map(first, (0, 1, 5, 9, 15)), lambda data: data[:-1], lambda data: b"x"])
def test_a_damaged_graph_is_made_again(kept, monkeypatch, change):
    (path, *_) = entries(kept)
    whole, right = path.read_bytes(), programs()._part(ALL, SIZE)._kept_graph()
    path.write_bytes(change(whole))
    assert programs()._part(ALL, SIZE)._kept_graph() is None
    made_again = []

    def convert(*_):
        made_again.append(1)
        return right

    monkeypatch.setattr(choice, "converted", convert)
    assert engine_of(programs("onnxruntime")) == "onnxruntime"
    assert made_again == [1]
    assert path.read_bytes() == whole


def without_an_output(graph):
    """A sound graph, but of another part."""
    model = onnx.load_from_string(graph)
    del model.graph.output[1:]
    return model.SerializeToString()


@pytest.mark.parametrize("change", [*map(first, (0, 1, 9, 15)), lambda graph: graph[:-1], without_an_output])
def test_an_intact_entry_with_a_wrong_graph_is_made_again(kept, monkeypatch, change):
    part = programs()._part(ALL, SIZE)
    right = part._kept_graph()
    entry = part._key().encode() + change(right)
    choice.graph_store().put(part._key(), np.frombuffer(entry, np.uint8))
    monkeypatch.setattr(choice, "converted", lambda *_: right)
    assert engine_of(programs("onnxruntime")) == "onnxruntime"
    assert programs()._part(ALL, SIZE)._kept_graph() == right


def test_another_networks_graph_under_this_ones_name_is_not_read(kept, monkeypatch):
    (path, *_) = entries(kept)
    other = programs(model=made(ManyOperations, seed=1), fingerprint="another")._part(ALL, SIZE)
    place = choice.graph_store()._path(other._key())
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(path.read_bytes())
    assert other._kept_graph() is None


def test_a_graph_that_computes_something_else_is_refused(kept, monkeypatch):
    """As if the network's own code had changed in a way that no fingerprint tells."""
    graph = programs()._part(ALL, SIZE)._kept_graph()
    monkeypatch.setattr(choice, "converted", lambda *_: graph)
    network = programs("onnxruntime", made(ManyOperations, seed=1))
    with pytest.raises(BackboneError, match=r"its numbers are not those of torch; choose the engine torch, or auto"):
        network.run(ALL, images(1))


def test_constants_belong_to_the_name_of_a_graph():
    keys = {programs(None, *with_constant(torch.full((1,), value)))._part(ALL, SIZE)._key() for value in (1.0, 2.0)}
    assert len(keys) == 2


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch, converted_once):
    monkeypatch.setenv("CROSSPOOL_CACHE", str(converted_once))
    graph = programs()._part(ALL, SIZE)._kept_graph()
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(choice, "converted", lambda *_: graph)
    assert engine_of(programs("onnxruntime")) == "onnxruntime"


# --- what cannot be converted


def test_where_converting_fails_torch_goes_on_and_the_reason_is_kept(cache, monkeypatch, times):
    def fail(*_):
        raise ConversionError("it is odd")

    monkeypatch.setattr(choice, "converted", fail)
    network = programs()
    network.settle(ALL, SIZE, passes=100)
    assert engine_of(network) == "torch"
    assert network._part(ALL, SIZE).reason == "it is odd"
    with pytest.raises(BackboneError, match="cannot run this part of the network: it is odd; choose the engine torch"):
        programs("onnxruntime").run(ALL, images(1))


ENDS_MEANWHILE = """
import torch
from tests.engines.networks import images, programs
network = programs()
network.prepare(("maps", "scores"), 32)
print("ends", flush=True)
"""


def test_a_program_that_ends_meanwhile_ends_quietly(cache):
    command = [sys.executable, "-c", ENDS_MEANWHILE]
    environment = os.environ | {"PYTHONPATH": "."}
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "ends\n", "")
    assert not list(cache.glob("graphs/*/*"))
