"""Is what crosspool writes whole, whenever it is killed? Writers are killed now and then.

`python -m benchmarks.robustness.crashes` prints what was read back.

A real process writes over and over; SIGKILL ends it, and everything that lies there is read back: each entry is what
was put, bit by bit, or absent. Another writer then has to succeed, and to clear up what is old. After that the same
writers meet a full disk and a folder that is only to be read, where they have to say so in one sentence.
"""

import http.server
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from benchmarks.harness.command import options_of, print_markdown
from benchmarks.harness.writers import WEIGHTS, WRITERS, goes_on, killed, leftovers, refusal

DISK_SIZE = "2m"  # of the small disk


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "crosspool", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


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

    weights = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=weights.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{weights.server_port}/some.pth"
    finally:
        weights.shutdown()


def main() -> None:
    """Kill writers, then let them meet the disks, and print a table."""
    options = options_of(__doc__, kills=100, seed=0)
    random, rows = Random(options.seed), []
    with tempfile.TemporaryDirectory() as place, server() as url:
        for name, writer in WRITERS.items():
            folder, kills = Path(place) / name, round(writer.share * options.kills)
            folder.mkdir()
            entries, left = 0, 0
            for _ in range(kills):
                entries += killed(name, folder, random, url)
                left = max(left, len(leftovers(folder)))
            goes_on(name, folder, url)
            with small_disk(Path(place) / f"{name}-small") as small:
                fill(small)
                full = refusal(name, small, url)
                subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
                read_only = refusal(name, small, url)
            rows.append([name, f"{kills}", f"{entries}", "0", f"{left}", full, read_only])
            print(f"{name}: {kills} kills", file=sys.stderr, flush=True)
    header = ["what is written", "kills", "read back, exact", "wrong", "left behind", "on a full disk", "read-only"]
    print_markdown(header, rows, words=header[-2:])


if __name__ == "__main__":
    main()
