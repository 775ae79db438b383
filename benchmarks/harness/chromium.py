"""Find a Chromium for the browser tests, and install one where there is none.

`python -m benchmarks.harness.chromium` prints the path of a browser that starts, and exits with 1 and one sentence on
standard error when none can be had. `--find` looks only and installs nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.debian import install_packages, run

VARIABLE = "CROSSPOOL_CHROMIUM"

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)

# Where Playwright keeps its downloads, and the browsers' programs inside.
PLAYWRIGHT_FOLDERS = ("~/.cache/ms-playwright", "~/Library/Caches/ms-playwright")
PLAYWRIGHT_PROGRAMS = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "chromium_headless_shell-*/*/headless_shell",
    "chromium_headless_shell-*/*/chrome-headless-shell",
)


def starts(path: str) -> bool:
    """Whether the program runs. Ubuntu's `chromium-browser`, for one, may only say that a snap is needed."""
    try:
        done = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def candidates() -> Iterator[str]:
    """Programs that may be a Chromium: on the path, macOS's applications, Playwright's downloads."""
    for name in NAMES:
        if path := shutil.which(name):
            yield path
    yield from (path for path in APPLICATIONS if Path(path).is_file())
    own = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    for folder in (own,) if own else PLAYWRIGHT_FOLDERS:
        for pattern in PLAYWRIGHT_PROGRAMS:
            yield from sorted((str(path) for path in Path(folder).expanduser().glob(pattern)), reverse=True)


def find_chromium() -> str | None:
    """The path of a Chromium that starts, or None. Where the environment chooses one, no other will do."""
    if chosen := os.environ.get(VARIABLE):
        path = shutil.which(chosen)
        return path if path and starts(path) else None
    return next((path for path in candidates() if starts(path)), None)


def install_with_apt() -> bool:
    """Debian's package, with one font so that pages have letters."""
    return install_packages("chromium", "fonts-dejavu-core")


def install_with_playwright() -> bool:
    return run(sys.executable, "-m", "playwright", "install", "chromium")


def main() -> int:
    parser = argparse.ArgumentParser(description="Print the path of a Chromium; install one where there is none.")
    parser.add_argument("--find", action="store_true", help="look only, install nothing")
    only_find = parser.parse_args().find

    path = find_chromium()
    chosen = os.environ.get(VARIABLE)
    if path is None and chosen:
        print(f"{VARIABLE} is set to {chosen!r}, which is not a browser that starts.", file=sys.stderr)
        return 1
    if path is None and not only_find:
        for install in (install_with_apt, install_with_playwright):
            if install() and (path := find_chromium()):
                break
    if path is None:
        print(
            "No Chromium can be had for the browser tests: install one, or set "
            f"{VARIABLE} to its path (`make unit` runs the tests that need no browser).",
            file=sys.stderr,
        )
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
