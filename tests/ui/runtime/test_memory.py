"""The memory that the server may use: the tightest of the limits around it."""

import psutil
import pytest

from crosspool import memory_limits
from crosspool.ui.runtime import memory

MACHINE = psutil.virtual_memory().total


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write files of cgroups below a folder, with those that this process is in."""

    def write(own, **texts):
        monkeypatch.setattr(memory_limits, "CGROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(memory_limits, "OWN_CGROUPS", tmp_path / "own")
        (tmp_path / "own").write_text(own)
        for name, text in texts.items():
            path = tmp_path / "cgroup" / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def test_version_2_with_a_limit_above(files):
    files(
        "0::/box/app\n",
        box__app__memory_DOT_max="max\n", box__app__memory_DOT_current="5\n",
        box__memory_DOT_max="4000\n", box__memory_DOT_current="70\n",
    )  # fmt: skip
    use = memory.memory_use()
    assert (use.used, use.limit) == (70, 4000)
    assert use.server > 10_000_000


def test_version_1_seen_from_inside_a_container(files):
    files(
        "4:memory:/docker/0123\n0::/\n",
        memory__memory_DOT_limit_in_bytes="3000\n", memory__memory_DOT_usage_in_bytes="10\n",
    )  # fmt: skip
    assert memory.memory_limit() == memory_limits.usable_memory() == 3000


def test_without_any_limit_it_is_the_machine(files):
    files("4:memory:/\n", memory__memory_DOT_limit_in_bytes="9223372036854771712\n")
    assert memory.memory_limit() == MACHINE
    files("0::/\n", memory_DOT_max="max\n")
    assert memory.memory_limit() == memory_limits.usable_memory() == MACHINE


def test_memory_is_that_of_this_process_within_that_of_the_machine():
    use = memory.memory_use()
    assert 0 < use.server < use.limit
    assert 0 < use.used <= use.limit
