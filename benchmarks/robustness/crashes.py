"""Is what crosspool writes whole, even if it is killed? `python -m benchmarks.robustness.crashes` (as root).

A real process writes over and over; SIGKILL ends it at a random moment, and everything that it left is read back: each
entry is exactly what was written, bit by bit, or absent. Another writer then has to succeed, and to remove what is old.
After that the same writers meet a full disk and a read-only folder, where they have to report that in one sentence.
"""

import http.server
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import typer

from benchmarks.harness.command import print_markdown
from benchmarks.harness.writers import WEIGHTS, WRITERS, kill_writer, leftovers, refusal, write_again

DISK_SIZE = "2m"


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A full file system of DISK_SIZE at this folder; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "crosspool", str(folder)], check=True)
    try:
        with suppress(OSError), (folder / "in the way").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def weights_server() -> Iterator[str]:
    """The address of weights that are sent slowly enough to be interrupted by a kill."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(WEIGHTS)))
            self.end_headers()
            for start in range(0, len(WEIGHTS), 2**18):
                self.wfile.write(WEIGHTS[start : start + 2**18])
                time.sleep(0.01)

        def handle(self) -> None:
            with suppress(ConnectionError):  # the reader was killed
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            return

    weights = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=weights.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{weights.server_port}/some.pth"
    finally:
        weights.shutdown()


def main(kills: int = 100, seed: int = 0) -> None:
    """Kill writers, then let them meet the disks, and print a table."""
    random, rows = Random(seed), []
    with tempfile.TemporaryDirectory() as temporary, weights_server() as url:
        for name, writer in WRITERS.items():
            folder, own_kills = Path(temporary) / name, round(writer.share * kills)
            folder.mkdir()
            entries, left = 0, 0
            for _ in range(own_kills):
                entries += kill_writer(name, folder, random, url)
                left = max(left, len(leftovers(folder)))
            write_again(name, folder, url)
            with full_disk(Path(temporary) / f"{name}-full") as disk:
                full = refusal(name, disk, url)
                subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
                read_only = refusal(name, disk, url)
            rows.append([name, f"{own_kills}", f"{entries}", "0", f"{left}", full, read_only])
            print(f"{name}: {own_kills} kills", file=sys.stderr, flush=True)
    header = ["written", "kills", "read back, exact", "wrong", "left behind", "on a full disk", "read-only"]
    print_markdown(header, rows, words=header[-2:])


if __name__ == "__main__":
    typer.run(main)
