"""Find a Chromium for the browser tests, and install one where it is missing.

`python -m benchmarks.harness.chromium` prints the path of a browser that starts, or exits with 1 and one sentence on
standard error.
"""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

VARIABLE = "CROSSPOOL_CHROMIUM"
PROGRAMS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)  # fmt: skip
# One font, so that pages have letters. Old lists of packages may still do, so a failing update does not matter.
APT_GET = "apt-get -q update; apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core"


def starts(path: str) -> bool:
    """Whether the program runs. Ubuntu's `chromium-browser`, for one, may only say that a snap is needed."""
    try:
        subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def find_chromium(downloaded: str) -> str | None:
    """The path of a Chromium that starts, or None; `downloaded` is where Playwright puts its own.

    Where the environment names a browser, only that one is tried.
    """
    chosen = os.environ.get(VARIABLE)
    paths = map(shutil.which, [chosen] if chosen else [*PROGRAMS, downloaded])
    return next((path for path in paths if path and starts(path)), None)


def _install(*command: str) -> None:
    """Run an installer with its output on standard error; the path that this command prints stands alone."""
    print("+", *command, file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment, check=False)


def main() -> int:
    with sync_playwright() as playwright:
        downloaded = playwright.chromium.executable_path
    path, chosen = find_chromium(downloaded), os.environ.get(VARIABLE)
    if path is None and chosen:
        print(f"{VARIABLE} is {chosen!r}, which is not a browser that starts.", file=sys.stderr)
        return 1
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install("sh", "-c", APT_GET)
        path = find_chromium(downloaded)
    if path is None:
        _install(sys.executable, "-m", "playwright", "install", "chromium")
        path = find_chromium(downloaded)
    print(
        path
        or f"No Chromium was found or could be installed for the browser tests: install one, or set {VARIABLE} to its "
        "path (`make unit` runs the tests that need no browser).",
        file=sys.stdout if path else sys.stderr,
    )
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
