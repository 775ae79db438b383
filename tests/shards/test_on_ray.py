"""Actors of a Ray cluster of two simulated machines, one of which is taken away; the store comes out the same."""

from dataclasses import replace

import pytest

from crosspool.errors import SettingError
from crosspool.shards import schedule as schedules
from crosspool.shards.on_ray import MEMORY, extract_on_ray
from crosspool.shards.schedule import Schedule
from tests.shards.conftest import IMAGES, checksums

ray = pytest.importorskip("ray", reason="Ray is not installed here; make test-ray installs it")


@pytest.fixture
def cluster():
    """A cluster of one machine, without processors."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    cluster.shutdown()


def test_a_machine_is_taken_away_and_another_one_comes(job, undisturbed, cluster, capsys, monkeypatch):
    """The shard that it was at is not to blame, or this would be one failure too many."""
    monkeypatch.setattr(schedules, "ATTEMPTS", 1)
    job, listing = job
    machines = [cluster.add_node(num_cpus=1) for _ in range(2)]
    done: list[int] = []

    def take_one_away(number, count):
        done.append(count)
        if sum(done) > IMAGES and len(machines) == 2:  # what is learned is done
            cluster.remove_node(machines.pop())
            cluster.add_node(num_cpus=1)

    schedule = Schedule(job, listing, take_one_away)
    seconds = extract_on_ray(schedule, cluster.address, None)
    assert schedule.is_done
    assert checksums(job.place.folder) == undisturbed
    with capsys.disabled():
        print(f"\nRay was ready after {seconds:.1f} s")


def test_machines_without_room_are_one_sentence(job, cluster):
    cluster.add_node(num_cpus=1, memory=MEMORY // 2)
    with pytest.raises(
        SettingError, match=r"No machine of the Ray cluster has a processor and .* of memory for a worker"
    ):
        extract_on_ray(Schedule(job[0], job[1], lambda number, count: None), cluster.address, None)


def test_a_cluster_that_is_not_there_is_one_sentence(job):
    with pytest.raises(SettingError, match="Ray cannot be reached at"):
        extract_on_ray(Schedule(job[0], job[1], print), "127.0.0.1:1", None)


def test_a_network_that_an_actor_cannot_load_is_its_sentence(job, cluster):
    cluster.add_node(num_cpus=1)
    without = replace(job[0], weights="/no-such-folder/own.safetensors")
    with pytest.raises(SettingError, match=r"^/no-such-folder/own\.safetensors was not found"):
        extract_on_ray(Schedule(without, job[1], lambda number, count: None), cluster.address, None)


def test_machines_without_crosspool_are_one_sentence(job, monkeypatch, tmp_path_factory, request):
    """What the cluster's Python finds first by this name is not the package, wherever that is installed."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "crosspool.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    monkeypatch.chdir(elsewhere)
    cluster = request.getfixturevalue("cluster")
    cluster.add_node(num_cpus=1)
    with pytest.raises(SettingError, match="cannot import crosspool"):
        extract_on_ray(Schedule(job[0], job[1], lambda number, count: None), cluster.address, None)


def test_actors_that_find_no_room_hold_no_shard(job, undisturbed, cluster):
    """A machine of four processors has memory for one."""
    job, listing = job
    cluster.add_node(num_cpus=4, memory=MEMORY + MEMORY // 2)
    schedule = Schedule(job, listing, lambda number, count: None)
    extract_on_ray(schedule, cluster.address, None)
    assert checksums(job.place.folder) == undisturbed
