"""Is a store the same, whatever happened on the way? `python -m benchmarks.robustness.extraction` (as root).

A store of generated images is extracted undisturbed. Then the same command is killed at random moments, and in the
middle of writing, until it has been killed --kills times, and runs to its end; two drivers work at once; the disk is
full at first; a shard is deleted; every tenth image is broken; and, where Ray is installed, a machine of the cluster is
taken away. Each time the bytes of the store have to be those of the undisturbed one.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import typer

from benchmarks.harness.command import print_table
from benchmarks.harness.extractions import begin, checksums
from benchmarks.harness.photos import QUALITY, photo
from crosspool.text import plural
from crosspool.whole_files import TEMPORARY_PREFIX

SIZE = (240, 180)  # pixels of the photos
OPTIONS = ("--method", "gem@128", "--shard", "8", "--device", "cpu", "--engine", "torch", "--workers", "2")
IMAGES = 96
LONGEST_KILL = 12.0  # seconds after the start that a kill comes at most
DISK_SIZE = "40k"


def make(folder: Path, broken: bool) -> Path:
    """Write the images, of two classes; every tenth one is none, if wanted."""
    for index in range(IMAGES):
        path = folder / str(index % 2) / f"{index:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(index % 2, index, SIZE)[0].save(path, "JPEG", quality=QUALITY)
        if broken and index % 10 == 0:
            path.write_bytes(path.read_bytes()[:200])
    return folder


class Trials:
    """Disturbed extractions of one set of images."""

    def __init__(self, photos: Path, folder: Path) -> None:
        self.photos, self.store = photos, folder / "store"
        self.random = Random(0)
        begin(photos, self.store, OPTIONS).succeed()
        self.expected = checksums(self.store)
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self.store, ignore_errors=True)

    def is_same(self) -> bool:
        """Whether the store is that of the undisturbed run; it is removed."""
        same = checksums(self.store) == self.expected
        self._clear()
        return same

    def killed(self, kills: int) -> tuple[bool, int, int]:
        """Whether all stores were the same, how many there were, and how many kills came in the middle of a write."""
        same, stores, in_a_write = True, 0, 0
        for number in range(kills):
            run = begin(self.photos, self.store, OPTIONS)
            if number % 2:
                time.sleep(self.random.uniform(0, LONGEST_KILL))
            else:
                in_a_write += self._wait_for_a_write(run.process)
            run.kill()
            if not _is_whole(self.store, self.expected):
                continue
            begin(self.photos, self.store, OPTIONS).succeed()
            same, stores = self.is_same() and same, stores + 1
        begin(self.photos, self.store, OPTIONS).succeed()
        return self.is_same() and same, stores + 1, in_a_write

    def _wait_for_a_write(self, process: "subprocess.Popen[str]") -> bool:
        """Wait until a temporary file has some bytes; False where the command ends before."""
        wait = self.random.uniform(0, LONGEST_KILL)
        start = time.monotonic()
        while process.poll() is None:
            if time.monotonic() - start > wait:
                for path in self.store.glob(f"{TEMPORARY_PREFIX}*") if self.store.exists() else ():
                    with suppress(FileNotFoundError):
                        if path.stat().st_size:
                            return True
            time.sleep(0.0005)
        return False

    def two_drivers(self) -> bool:
        runs = [begin(self.photos, self.store, OPTIONS) for _ in range(2)]
        for run in runs:
            run.succeed()
        return self.is_same()

    def full_disk(self) -> bool:
        """On a file system that is soon full, and then made larger."""
        self.store.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "crosspool", str(self.store)]
        subprocess.run(mount, check=True)
        try:
            run = begin(self.photos, self.store, OPTIONS).finish()
            refused = run.process.returncode == 2 and "make room" in run.said
            subprocess.run(["mount", "-o", "remount,size=100m", str(self.store)], check=True)
            begin(self.photos, self.store, OPTIONS).succeed()
            return refused and checksums(self.store) == self.expected
        finally:
            subprocess.run(["umount", str(self.store)], check=True)
            self._clear()

    def deleted_shard(self) -> bool:
        begin(self.photos, self.store, OPTIONS).succeed()
        sorted(self.store.glob("shard-*"))[2].unlink()
        begin(self.photos, self.store, OPTIONS).succeed()
        return self.is_same()


def _is_whole(store: Path, expected: dict[str, str]) -> bool:
    return store.exists() and set(checksums(store)) == set(expected)


def main(kills: int = 50) -> None:
    """Disturb extractions in every way."""
    rows: list[list[str]] = []

    def row(what: str, same: bool, note: str = "") -> None:
        rows.append([what, "same bytes" if same else "OTHER BYTES", note])

    with tempfile.TemporaryDirectory(prefix="extraction-") as name:
        folder = Path(name)
        trials = Trials(make(folder / "photos", broken=False), folder)
        same, stores, in_a_write = trials.killed(kills)
        row(f"killed {kills} times", same, f"{in_a_write} times in a write; {plural(stores, 'whole store')}")
        others: dict[str, Callable[[], bool]] = {
            "two drivers at once": trials.two_drivers, "full disk, then room": trials.full_disk,
            "a shard deleted": trials.deleted_shard,
        }  # fmt: skip
        for what, run in others.items():
            row(what, run())
        broken = Trials(make(folder / "broken", broken=True), folder)
        same, stores, _ = broken.killed(2)
        row("every tenth image broken, killed twice", same)
    print_table("stores after disturbances", ["disturbance", "store", ""], rows)
    if any("OTHER" in each[1] for each in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
