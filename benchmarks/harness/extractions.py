"""Runs of `crosspool extract` as processes of their own: how long they took, what they needed, and what came out."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from crosspool.whole_files import TEMPORARY_PREFIX

SAMPLE_SECONDS = 0.5


@dataclass
class Extraction:
    """A run of the command. `memory` is that of the driver and its workers together, in bytes, now and then."""

    process: "subprocess.Popen[str]"
    began: float
    memory: list[int] = field(default_factory=list)
    seconds: float = 0.0
    said: str = ""

    def finish(self) -> "Extraction":
        """Wait until it has ended."""
        out, err = self.process.communicate()
        self.seconds, self.said = time.perf_counter() - self.began, out + err
        return self

    def succeed(self) -> "Extraction":
        """Wait until it has ended, as it should. Raises RuntimeError with what it said."""
        self.finish()
        if self.process.returncode:
            raise RuntimeError(self.said)
        return self

    def kill(self) -> None:
        """Kill the driver and its workers at once, as a power cut would."""
        every: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            driver = psutil.Process(self.process.pid)
            every = [driver, *driver.children(recursive=True)]
        for each in every:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.finish()


def begin(source: Path, store: Path, options: Sequence[str]) -> Extraction:
    """Begin to extract a folder of images."""
    command = [sys.executable, "-m", "crosspool", "extract", str(source), "--out", str(store), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    extraction = Extraction(process, time.perf_counter())
    threading.Thread(target=_watch, args=(extraction,), daemon=True).start()
    return extraction


def _watch(extraction: Extraction) -> None:
    while extraction.process.poll() is None:
        try:
            parent = psutil.Process(extraction.process.pid)
            every = [parent, *parent.children(recursive=True)]
            extraction.memory.append(sum(each.memory_info().rss for each in every))
        except psutil.NoSuchProcess:
            continue
        time.sleep(SAMPLE_SECONDS)


def checksums(store: Path) -> dict[str, str]:
    """The SHA-256 of the files of a store by their names, without what killed writers left."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.iterdir())
        if not path.name.startswith(TEMPORARY_PREFIX)
    }
