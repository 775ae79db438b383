"""The command line: `crosspool COMMAND`, or `python -m crosspool COMMAND`."""

import gc
import os
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1, 2 (bad input) or 130 (Ctrl-C).

    1 means that doctor found a fault, or that some of several images could not be read.
    """
    # Before torch is imported: threads that spin while they wait take cores from other programs.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Imports make hundreds of thousands of objects that stay: to look through them again and again takes half a second.
    gc.set_threshold(100_000, 50, 50)
    try:
        from crosspool.cli.app import run  # Ctrl-C may come during these imports, too

        return run(arguments)
    except KeyboardInterrupt:
        return 130
