"""Is what crosspool writes whole, whenever it is killed? Writers are killed now and then.

`python -m benchmarks.robustness.crashes` prints what was read back.

A real process writes over and over; SIGKILL ends it, and everything that lies there is read back: each entry is what
was put, bit by bit, or absent. Another writer then has to succeed, and to clear up what is old. After that the same
writers meet a full disk and a folder that is only to be read, where they have to say so in one sentence.
"""

import argparse
import hashlib
import http.server
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from crosspool.cache import Array, ArrayCache
from crosspool.errors import CrosspoolError
from crosspool.tables import Column, pipes
from crosspool.whole_files import ABANDONED

if TYPE_CHECKING:
    from crosspool.backbones.weights import WeightsFile
    from crosspool.classifiers import TrainedClassifier

ENTRIES = 12  # that a writer puts again and again
PHOTO = "assets/samples/cat.jpg"
EXPORTS = ("npz", "png", "html", "csv")
READY = b"ready"
LONGEST = 0.4  # seconds until a writer is killed, at most
ROOM = "2m"  # of the small disk


@dataclass(frozen=True)
class Writer:
    """`write` writes one more thing into a folder, by its number; `check` counts what lies there, all exact."""

    write: Callable[[Path, int], None]
    check: Callable[[Path], int]
    share: float = 0.2


# --- what is written, and what may be read


def _array(number: int) -> Array:
    return np.random.default_rng(number).standard_normal((100, 50 + number)).astype(np.float32)


def put(folder: Path, number: int) -> None:
    number %= ENTRIES
    ArrayCache(folder).put(f"{number:064x}", _array(number))


def check_cache(folder: Path) -> int:
    found = [ArrayCache(folder).get(f"{number:064x}") for number in range(ENTRIES)]
    for number, array in enumerate(found):
        assert array is None or np.array_equal(array, _array(number)), f"entry {number} is wrong"
        assert (array is None) == (f"{number:064x}" not in ArrayCache(folder)), f"entry {number} is damaged"
    return sum(array is not None for array in found)


def save_model(folder: Path, number: int) -> None:
    _model(number).save(folder / "birds.safetensors")


def _model(number: int) -> "TrainedClassifier":
    """One of two classifiers, whose weights tell them apart."""
    from benchmarks.harness.fuzzing.models import METHODS, valid
    from crosspool.classifiers import classifier_in_memory

    first = classifier_in_memory(valid(METHODS[0]), "birds")
    return first if number % 2 == 0 else replace(first, weights=-first.weights)


def check_model(folder: Path) -> int:
    from crosspool.classifiers import load_classifier

    path = folder / "birds.safetensors"
    if not path.exists():
        return 0
    found, one = load_classifier(path), _model(0)
    assert any(np.array_equal(found.weights, sign * one.weights) for sign in (1, -1)), "the classifier is neither"
    return 1


def export(folder: Path, number: int) -> None:
    """`crosspool maps`, as on the command line."""
    from crosspool.cli.app import run

    kind = EXPORTS[number % len(EXPORTS)]
    status = run(["maps", PHOTO, "--size", "128", "--device", "cpu", "--out", str(folder / f"maps.{kind}")])
    if status:
        sys.exit(status)


def check_exports(folder: Path) -> int:
    from PIL import Image

    for path in (found := [path for kind in EXPORTS if (path := folder / f"maps.{kind}").exists()]):
        data = path.read_bytes()
        if path.suffix == ".npz":
            with np.load(BytesIO(data), allow_pickle=False) as arrays:  # zip checks its sums
                assert all(arrays[name].size for name in arrays.files)
        elif path.suffix == ".png":
            Image.open(BytesIO(data)).load()
        elif path.suffix == ".html":
            assert data.rstrip().endswith(b"</html>"), "the page is cut short"
        else:
            assert data.endswith(b"\n"), "the table is cut short"
    return len(found)


WEIGHTS = np.random.default_rng(0).bytes(3_000_000)


def download(folder: Path, number: int) -> None:
    from crosspool.backbones.weights import fetch

    file = _weights()
    if number:
        file.path.unlink()
    fetch(file)


def _weights() -> "WeightsFile":
    from crosspool.backbones.weights import WeightsFile

    checksum = hashlib.sha256(WEIGHTS).hexdigest()[:8]
    return WeightsFile(os.environ["WEIGHTS_URL"], "some.pth", len(WEIGHTS) / 1e6, checksum)


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


def environment(folder: Path, url: str) -> dict[str, str]:
    """Of a writer: weights go to its folder, and it is no test of the network's speed."""
    return {**os.environ, "TORCH_HOME": str(folder), "WEIGHTS_URL": url, "OMP_NUM_THREADS": "1"}


def command(name: str, folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.robustness.crashes", "--write", name, "--folder", str(folder), *more]


def killed(name: str, folder: Path, random: Random, url: str = "") -> int:
    """Start a writer, kill it at some moment, and return how many things lie there, all of them exact."""
    process = subprocess.Popen(
        command(name, folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(folder, url)
    )
    assert process.stdout is not None
    with process.stdout:
        while (line := process.stdout.readline().strip()) != READY:  # the command says what it wrote
            assert line or process.poll() is None, f"the writer of {name} does not start"
        time.sleep(LONGEST * random.random())
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, f"the writer of {name} had ended before"
    return WRITERS[name].check(folder)


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".crosspool-") or path.suffix == ".partial"]


def goes_on(name: str, folder: Path, url: str = "") -> None:
    """The next writer succeeds, and removes what killed ones left, once that is old."""
    for path in leftovers(folder):
        os.utime(path, (time.time() - 2 * ABANDONED,) * 2)
    subprocess.run(
        command(name, folder, "--times", str(2 * ENTRIES)),
        check=True,
        env=environment(folder, url),
        capture_output=True,
    )
    assert WRITERS[name].check(folder) == {"cache": ENTRIES, "exports": len(EXPORTS)}.get(name, 1)
    assert leftovers(folder) == [], "what killed writers left stays for ever"


def write(name: str, folder: Path, times: int | None) -> None:
    """Write again and again; say so once it works."""
    for number in count() if times is None else range(times):
        WRITERS[name].write(folder, number)
        if number == 0:
            print(READY.decode(), flush=True)
    sys.exit()


# --- no room, no right


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "crosspool", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def refused(name: str, folder: Path, url: str) -> str:
    """What a writer says that cannot write; what lay there is as it was."""
    before = WRITERS[name].check(folder)
    found = subprocess.run(
        command(name, folder), env=environment(folder, url), capture_output=True, text=True, check=False
    )
    said = found.stderr.strip()
    assert found.returncode == 2, f"status {found.returncode}: {said}"
    assert "\n" not in said, said
    assert WRITERS[name].check(folder) == before or name == "weights"  # its writer takes the old file away
    assert leftovers(folder) == []
    return said.replace(str(folder), "FOLDER")


def fill(folder: Path) -> None:
    """Leave no byte."""
    with (folder / "in the way").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


@contextmanager
def server() -> Iterator[str]:
    """The address of the weights, which come slowly enough for a kill to hit."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(WEIGHTS)))
            self.end_headers()
            for start in range(0, len(WEIGHTS), 2**18):
                self.wfile.write(WEIGHTS[start : start + 2**18])
                time.sleep(0.01)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the reader was killed
                return

        def log_message(self, format: str, *args: object) -> None:
            return

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{found.server_port}/some.pth"
    finally:
        found.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", choices=WRITERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        try:
            write(options.write, options.folder, options.times)
        except CrosspoolError as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    random, rows = Random(options.seed), []
    with tempfile.TemporaryDirectory() as place, server() as url:
        for name, writer in WRITERS.items():
            folder, kills = Path(place) / name, round(writer.share * options.kills)
            folder.mkdir()
            read, left = 0, 0
            for _ in range(kills):
                read += killed(name, folder, random, url)
                left = max(left, len(leftovers(folder)))
            goes_on(name, folder, url)
            with small_disk(Path(place) / f"{name}-small") as small:
                fill(small)
                full = refused(name, small, url)
                subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
                read_only = refused(name, small, url)
            rows.append((name, f"{kills}", f"{read}", "0", f"{left}", full, read_only))
            print(f"{name}: {kills} kills", file=sys.stderr, flush=True)
    titles = ("what is written", "kills", "read back, exact", "wrong", "left behind", "on a full disk", "read-only")
    print(pipes([Column(title, list(cells)) for title, cells in zip(titles, zip(*rows, strict=True), strict=True)]))


if __name__ == "__main__":
    main()
