"""The files of deploy/ tried out: two replicas behind nginx, real browsers, one replica killed.

`python -m benchmarks.load.replicas` starts nginx with deploy/nginx.conf, in which only the addresses are others, and
prints what it found; status 1 where something is not as it should be. Without nginx it installs Debian's, if it may.
"""

import http.client
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.harness.app import REQUEST_SECONDS, AppServer, chromium, free_port, served, wait_until
from benchmarks.harness.command import options_of
from benchmarks.harness.images import encoded
from benchmarks.harness.nginx import nginx
from benchmarks.harness.visits import Visit

VISITORS = 8
TOO_LARGE_BYTES = 66 * 2**20  # more than client_max_body_size
COOKIE = "crosspool_visitor="


class Trial:
    """Checks by name, and whether all held."""

    def __init__(self) -> None:
        self.good = True

    def check(self, name: str, holds: bool, detail: object = "") -> None:
        self.good &= holds
        print("ok    " if holds else "WRONG ", name if detail == "" else f"{name}: {detail}", flush=True)


def request(port: int, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    """The answer to the head of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection.getresponse()


def visitor(browser: Browser, url: str, number: int, replicas: dict[str, AppServer]) -> tuple[Any, list[str]]:
    """Somebody opens the app, uploads an image and opens it again: the page, and the replica of each step."""
    homes: list[str] = []

    def step(event: str, act: Callable[[], object]) -> None:
        before = {name: replica.events.count(event) for name, replica in replicas.items()}

        def noted() -> list[str]:
            return [name for name, replica in replicas.items() if replica.events.count(event) > before[name]]

        act()
        wait_until(lambda: bool(noted()))
        homes.append("+".join(noted()) or "nobody")

    name = f"image {number}.png"
    data = encoded(Image.effect_mandelbrot((96, 96), (-2.0, -1.5, 1.0, 1.5 + number / 10), 50))  # like no other
    visit: Any = Visit(browser.new_context().new_page(), url)
    step("visit_began", visit.go)
    visit.page.get_by_role("radio", name="Upload", exact=True).click()
    visit.settle()
    step("upload_taken", lambda: visit.upload((name, data)))
    expect(visit.page.locator("strong", has_text=name)).to_be_visible()
    step("visit_began", visit.go)
    return visit, homes


def goes_on(page: Page) -> bool:
    """Whether the page answers a press, without having been opened again."""
    expect(page.get_by_text("Connection error")).to_have_count(0)
    page.get_by_role("link", name="Build P").first.click()
    expect(page.get_by_role("heading", name="Build P").first).to_be_visible()
    return True


def given_cookie(response: http.client.HTTPResponse) -> str:
    """The visitor's cookie that an answer sets, or ""."""
    cookies = response.headers.get_all("Set-Cookie") or []
    return next((cookie for cookie in cookies if cookie.startswith(COOKIE)), "")


def check_answers(trial: Trial, port: int) -> None:
    """What nginx answers by itself."""
    page = request(port, "GET", "/")
    given = given_cookie(page)
    trial.check("a visitor is given a cookie", "HttpOnly" in given)
    trial.check("and keeps it", not given_cookie(request(port, "GET", "/", Cookie=given.split(";")[0])))
    forged = request(port, "GET", "/", Cookie=f"{COOKIE}x")
    trial.check("one of somebody else's making is replaced", bool(given_cookie(forged)))
    trial.check("types are not guessed", page.headers["X-Content-Type-Options"] == "nosniff")
    statuses = {
        path: request(port, "GET", path).status
        for path in ("/_stcore/health", "/ready", "/metrics", "/_stcore/metrics")
    }
    trial.check(
        "health is answered, what is the operator's is not", [*statuses.values()] == [200, 404, 404, 404], statuses
    )
    large = request(port, "PUT", "/_stcore/upload_file/x/y", Content_Length=str(TOO_LARGE_BYTES)).status
    trial.check("a file that is too large", large == 413, large)
    encoding = request(port, "GET", "/", Accept_Encoding="gzip").headers["Content-Encoding"]
    trial.check("text is compressed", encoding == "gzip", encoding)


def main() -> int:
    """Try everything, and print the results."""
    options_of(__doc__)
    trial = Trial()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        replicas: dict[str, AppServer] = {}
        for name in ("app1", "app2"):
            (folder / name).mkdir()
            settings = {"CROSSPOOL_LOG": "json", "CROSSPOOL_CACHE": str(folder / "cache")}
            replicas[name] = stack.enter_context(served(folder / name, settings))
        port = free_port()
        stack.enter_context(nginx(port, {name: replica.port for name, replica in replicas.items()}, folder))
        for name, replica in replicas.items():
            trial.check(f"{name} gets ready", wait_until(replica.is_ready))
        check_answers(trial, port)
        browser = stack.enter_context(chromium())
        visits = [visitor(browser, f"http://localhost:{port}", number, replicas) for number in range(VISITORS)]
        first_homes = [homes[0] for _, homes in visits]
        trial.check("both replicas have visitors", len(set(first_homes)) == 2, ", ".join(first_homes))
        stayed = all(len(set(homes)) == 1 for _, homes in visits)
        trial.check("page, upload and next page of each are at one replica", stayed, [homes for _, homes in visits])
        complaints = [visit.complaints for visit, _ in visits]
        trial.check("no complaints of the browser", not any(complaints), complaints)
        (dead_name, dead), (alive_name, alive) = replicas.items()
        lost = [visit for visit, homes in visits if homes[0] == dead_name]
        before = alive.events.count("visit_began")
        dead.process.kill()
        moved = wait_until(lambda: alive.events.count("visit_began") >= before + len(lost))
        trial.check(f"{dead_name} is killed: its visitors' pages find {alive_name}", moved, len(lost))
        trial.check("and answer, without having been opened again", all(goes_on(visit.page) for visit in lost))
        for visit in lost:
            visit.go()
        trial.check("and when they are opened again", True)
    return 0 if trial.good else 1


if __name__ == "__main__":
    sys.exit(main())
