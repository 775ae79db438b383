"""Processes that write over and over until they are killed, and checks of what they wrote.

`python -m benchmarks.harness.writers NAME FOLDER` is such a process: every entry that a killed one leaves is exactly
what was written, bit by bit, or absent.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from crosspool.cache import Array, ArrayCache
from crosspool.errors import CrosspoolError
from crosspool.whole_files import ABANDONED_SECONDS

if TYPE_CHECKING:
    from crosspool.classifiers import TrainedClassifier

ENTRIES = 12  # of the cache, written again and again
PHOTO = "assets/samples/cat.jpg"
EXPORTS = ("npz", "png", "html", "csv")
READY = b"ready"
KILL_SECONDS = 0.4  # until a writer is killed, at most


@dataclass(frozen=True)
class Writer:
    """`write` writes one thing into a folder, by its number; `check` counts the things there, all of them exact.

    `share` is that of all kills.
    """

    write: Callable[[Path, int], None]
    check: Callable[[Path], int]
    share: float = 0.2


# --- writing and checking


def _array(number: int) -> Array:
    return np.random.default_rng(number).standard_normal((100, 50 + number)).astype(np.float32)


def put(folder: Path, number: int) -> None:
    number %= ENTRIES
    ArrayCache(folder).put(f"{number:064x}", _array(number))


def check_cache(folder: Path) -> int:
    arrays = [ArrayCache(folder).get(f"{number:064x}") for number in range(ENTRIES)]
    for number, array in enumerate(arrays):
        assert array is None or np.array_equal(array, _array(number)), f"entry {number} is wrong"
        assert (array is None) == (f"{number:064x}" not in ArrayCache(folder)), f"entry {number} is damaged"
    return sum(array is not None for array in arrays)


def save_model(folder: Path, number: int) -> None:
    _model(number).save(folder / "birds.safetensors")


def _model(number: int) -> "TrainedClassifier":
    """One of two classifiers, whose weights tell them apart."""
    from benchmarks.harness.fuzzing.models import METHODS, valid
    from crosspool import classifier_files
    from crosspool.classifiers import assembled_classifier

    first = assembled_classifier("birds", *classifier_files.read(valid(METHODS[0]), "birds"))
    return first if number % 2 == 0 else replace(first, weights=-first.weights)


def check_model(folder: Path) -> int:
    from crosspool.classifiers import load_classifier

    path = folder / "birds.safetensors"
    if not path.exists():
        return 0
    classifier, first = load_classifier(path), _model(0)
    assert any(np.array_equal(classifier.weights, sign * first.weights) for sign in (1, -1)), "neither classifier"
    return 1


def export(folder: Path, number: int) -> None:
    """Run `crosspool maps` as on the command line."""
    from crosspool.cli.app import run

    kind = EXPORTS[number % len(EXPORTS)]
    out = folder / f"maps.{kind}"
    if status := run(["maps", PHOTO, "--size", "128", "--device", "cpu", "--out", str(out)]):
        sys.exit(status)


def check_exports(folder: Path) -> int:
    from PIL import Image

    paths = [path for kind in EXPORTS if (path := folder / f"maps.{kind}").exists()]
    for path in paths:
        data = path.read_bytes()
        if path.suffix == ".npz":
            with np.load(BytesIO(data), allow_pickle=False) as arrays:  # zip checks its sums
                assert all(arrays[name].size for name in arrays.files)
        elif path.suffix == ".png":
            Image.open(BytesIO(data)).load()
        else:
            assert data.endswith((b"</html>", b"</html>\n") if path.suffix == ".html" else b"\n"), f"{path.name} is cut"
    return len(paths)


WEIGHTS = np.random.default_rng(0).bytes(3_000_000)


def download(folder: Path, number: int) -> None:
    from crosspool.backbones.weights import WeightsFile, fetch_weights

    checksum = hashlib.sha256(WEIGHTS).hexdigest()[:8]
    file = WeightsFile(os.environ["WEIGHTS_URL"], "some.pth", len(WEIGHTS) / 1e6, checksum)
    if number:
        file.path.unlink()
    fetch_weights(file)


def check_weights(folder: Path) -> int:
    path = folder / "hub" / "checkpoints" / "some.pth"
    assert not path.exists() or path.read_bytes() == WEIGHTS, "the weights are damaged"
    return int(path.exists())


WRITERS: Mapping[str, Writer] = {
    "cache": Writer(put, check_cache, 0.4),
    "classifier": Writer(save_model, check_model),
    "exports": Writer(export, check_exports),
    "weights": Writer(download, check_weights),
}


# --- killing


def start_writer(name: str, folder: Path, url: str, *more: str) -> "subprocess.Popen[bytes]":
    """Start a writer; it downloads weights from the URL into its folder, and one thread is enough for it."""
    command = [sys.executable, "-m", "benchmarks.harness.writers", name, str(folder), *more]
    environment = {**os.environ, "TORCH_HOME": str(folder), "WEIGHTS_URL": url, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def kill_writer(name: str, folder: Path, random: Random, url: str = "") -> int:
    """Start a writer, kill it at a random moment, and return how many things it left, all of them exact."""
    with start_writer(name, folder, url) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline().strip()) != READY:  # the command also prints what it wrote
            assert line or process.poll() is None, f"the writer of {name} does not start"
        time.sleep(KILL_SECONDS * random.random())
        process.kill()
        assert process.wait() == -signal.SIGKILL, f"the writer of {name} had ended before"
    return WRITERS[name].check(folder)


def leftovers(folder: Path) -> list[Path]:
    """The temporary files that killed writers left."""
    return [path for path in folder.rglob("*") if path.name.startswith(".crosspool-") or path.suffix == ".partial"]


def write_again(name: str, folder: Path, url: str = "") -> None:
    """Check that the next writer succeeds, and removes what killed ones left, once that is old."""
    for path in leftovers(folder):
        os.utime(path, (time.time() - 2 * ABANDONED_SECONDS,) * 2)
    with start_writer(name, folder, url, str(2 * ENTRIES)) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert WRITERS[name].check(folder) == {"cache": ENTRIES, "exports": len(EXPORTS)}.get(name, 1)
    assert leftovers(folder) == [], "what killed writers left is not removed"


def refusal(name: str, folder: Path, url: str) -> str:
    """The sentence of a writer that cannot write; what was in the folder is still there."""
    before = WRITERS[name].check(folder)
    with start_writer(name, folder, url) as process:
        sentence = process.communicate()[1].decode().strip()
    assert process.returncode == 2, f"status {process.returncode}: {sentence}"
    assert "\n" not in sentence, sentence
    assert WRITERS[name].check(folder) == before or name == "weights"  # its writer removes the old file
    assert leftovers(folder) == []
    return sentence.replace(str(folder), "FOLDER")


def main(name: str, folder: Path, times: int | None = None) -> None:
    """Write again and again; print READY after the first time."""
    try:
        for number in count() if times is None else range(times):
            WRITERS[name].write(folder, number)
            if number == 0:
                print(READY.decode(), flush=True)
    except CrosspoolError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
