"""The files of deploy/ tried out: two replicas behind nginx, real browsers, one replica killed.

`python -m benchmarks.load.replicas` starts nginx with deploy/nginx.conf, in which only the addresses are changed, and
prints whether each check holds; the exit status is 1 where one does not.
"""

import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import requests
import typer
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.harness.app import REQUEST_SECONDS, AppServer, chromium, free_port, served, wait_until
from benchmarks.harness.images import encoded
from benchmarks.harness.nginx import nginx
from benchmarks.harness.visits import Visit

VISITORS = 8
TOO_LARGE_BYTES = 66 * 2**20  # more than client_max_body_size
COOKIE = "crosspool_visitor"
UPLOAD = "/_stcore/upload_file/x/y"
HEAD_SECONDS = 10  # client_header_timeout
TWO_LENGTHS = (
    f"PUT {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
)


class Trial:
    """Checks by name, and whether all held."""

    def __init__(self) -> None:
        self.good = True

    def check(self, name: str, holds: bool, detail: object = "") -> None:
        self.good &= holds
        print("ok    " if holds else "WRONG ", name if detail == "" else f"{name}: {detail}", flush=True)


def visitor(browser: Browser, url: str, number: int, replicas: dict[str, AppServer]) -> tuple[Visit, list[str]]:
    """Open the app, upload an image and open the app again: the visit, and the replica of each step."""
    homes: list[str] = []

    def step(event: str, act: Callable[[], object]) -> None:
        before = {name: replica.events.count(event) for name, replica in replicas.items()}

        def noted() -> list[str]:
            return [name for name, replica in replicas.items() if replica.events.count(event) > before[name]]

        act()
        wait_until(lambda: bool(noted()))
        homes.append("+".join(noted()) or "nobody")

    name = f"image {number}.png"
    data = encoded(Image.effect_mandelbrot((96, 96), (-2.0, -1.5, 1.0, 1.5 + number / 10), 50))  # a different one each
    visit = Visit(browser.new_context().new_page(), url)
    step("visit_began", visit.go)
    step("upload_taken", lambda: visit.upload((name, data)))
    expect(visit.chosen_image).to_contain_text(name)
    step("visit_began", visit.go)
    return visit, homes


def responds(page: Page) -> bool:
    """Whether the page answers a press, without having been opened again."""
    expect(page.get_by_text("Connection error")).to_have_count(0)
    page.get_by_role("link", name="Build the feature").first.click()
    expect(page.get_by_role("heading", name="Build the feature").first).to_be_visible()
    return True


def check_answers(trial: Trial, url: str) -> None:
    """Check what nginx answers by itself."""

    def request(path: str = "/", method: str = "GET", **headers: str) -> requests.Response:
        return requests.request(method, url + path, headers=headers, timeout=REQUEST_SECONDS)

    page = request()
    cookie = page.cookies.get(COOKIE) or ""
    trial.check("a visitor is given a cookie", bool(cookie) and "HttpOnly" in page.headers["Set-Cookie"])
    trial.check("and keeps it", COOKIE not in request(Cookie=f"{COOKIE}={cookie}").cookies)
    trial.check("a forged one is replaced", COOKIE in request(Cookie=f"{COOKIE}=x").cookies)
    trial.check("types are not guessed", page.headers["X-Content-Type-Options"] == "nosniff")
    paths = ("/_stcore/health", "/ready", "/metrics", "/_stcore/metrics")
    statuses = {path: request(path).status_code for path in paths}
    hidden = [*statuses.values()] == [200, 404, 404, 404]
    trial.check("health is answered, but not the operator's pages", hidden, statuses)
    large = request(UPLOAD, "PUT", **{"Content-Length": str(TOO_LARGE_BYTES)}).status_code
    trial.check("a file that is too large", large == 413, large)
    secure = request(Accept="text/html", **{"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]
    both = secure.count("; Secure") == secure.count("Path=/") == 2
    trial.check("cookies of nginx and of the app are secure where the browser speaks TLS", both, secure)
    unknown = request(Host="elsewhere.example").status_code
    trial.check("an unknown name of the server", unknown == 400, unknown)
    chunked = requests.put(f"{url}{UPLOAD}", data=iter([b"part"]), timeout=REQUEST_SECONDS).status_code
    trial.check("an upload without its length", chunked == 411, chunked)
    encoding = page.headers["Content-Encoding"]
    trial.check("text is compressed", encoding == "gzip", encoding)


def check_raw_requests(trial: Trial, port: int) -> None:
    """Check what becomes of requests that no browser sends."""
    with socket.create_connection(("127.0.0.1", port), REQUEST_SECONDS) as client:
        client.sendall(TWO_LENGTHS + b"0\r\n\r\n")
        line = client.recv(100).partition(b"\r\n")[0].decode()
    trial.check("a body with two lengths", " 400 " in line, line)
    with socket.create_connection(("127.0.0.1", port), REQUEST_SECONDS) as client:
        start = time.monotonic()
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        client.recv(100)
        seconds = time.monotonic() - start
    ended = HEAD_SECONDS - 1 < seconds < HEAD_SECONDS + 5
    trial.check("a head that does not go on is ended", ended, f"{seconds:.1f} s")


def main() -> None:
    """Try everything, and print the results."""
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
        check_answers(trial, f"http://localhost:{port}")
        check_raw_requests(trial, port)
        browser = stack.enter_context(chromium())
        visits = [visitor(browser, f"http://localhost:{port}", number, replicas) for number in range(VISITORS)]
        first_homes = [homes[0] for _, homes in visits]
        trial.check("both replicas have visitors", len(set(first_homes)) == 2, ", ".join(first_homes))
        stayed = all(len(set(homes)) == 1 for _, homes in visits)
        trial.check("page, upload and next page of each are at one replica", stayed, [homes for _, homes in visits])
        complaints = [visit.complaints for visit, _ in visits]
        trial.check("the browser complains about nothing", not any(complaints), complaints)
        (killed_name, killed), (other_name, other) = replicas.items()
        lost = [visit for visit, homes in visits if homes[0] == killed_name]
        before = other.events.count("visit_began")
        killed.process.kill()
        moved = wait_until(lambda: other.events.count("visit_began") >= before + len(lost))
        trial.check(f"{killed_name} is killed: its visitors' pages find {other_name}", moved, len(lost))
        trial.check("and answer, without having been opened again", all(responds(visit.page) for visit in lost))
        trial.check("and when they are opened again", all(visit.go() for visit in lost))
    sys.exit(not trial.good)


if __name__ == "__main__":
    typer.run(main)
