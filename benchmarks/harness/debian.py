"""Programs that tests and trials need, from Debian's packages where they may be installed."""

import os
import shutil
import subprocess
import sys

INSTALL_SECONDS = 900


def run(*command: str, **environment: str) -> bool:
    """Run an installer with its output on standard error, so that standard output stays the caller's."""
    print("+", *command, file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            env={**os.environ, **environment},
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return False
    return done.returncode == 0


def install_packages(*packages: str) -> bool:
    """Whether Debian's packages could be installed: that takes Debian, and root's rights."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    # Old lists may still do, so a failing update is no reason to stop.
    run("apt-get", "-q", "update")
    return run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages, DEBIAN_FRONTEND="noninteractive")
