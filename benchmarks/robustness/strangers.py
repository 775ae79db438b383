"""Somebody who asks for another visitor's data: `python -m benchmarks.robustness.strangers`.

One visitor uploads a picture and labelled ones, looks at maps and trains. A stranger then tries to get at any of it:
by addresses, widgets' states, uploads, messages and requests, knowing all that could be known: the picture's SHA-256,
the ids of widgets, fragments and files, even the visitor's session id where the attempt says so. Whatever the stranger
receives is searched for the visitor's name, small picture and maps, and afterwards all of it must still be there.

Some ids are secrets that nobody can guess (a session's has 122 random bits, a file's address is a hash of its
content): what they open to somebody who has them is printed in a table of its own.
"""

import argparse
import asyncio
import http.client
import json
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlparse

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from benchmarks.harness.answers import MapSet
from benchmarks.harness.app import served
from benchmarks.harness.people import SMALL, Person
from benchmarks.harness.visitor import PRESSED, XSRF, Visitor

TRAVERSALS = (
    "/media/../app.py", "/media/%2e%2e/%2e%2e/etc/passwd", "/media/..%2f..%2fetc%2fpasswd", "/media/%5c%5chost%5cshare",
    "/static/../../../../../etc/passwd", "/app/static/../../app.py", "/app/static/%2e%2e/app.py",
    "/component/../../app.py", "/component/crosspool.strip/../../../app.py", "/_stcore/bidi-components/../../app.py",
    "/_stcore/bidi-components/crosspool.strip/%2e%2e/%2e%2e/app.py", "//etc/passwd", "/pages/weighting_maps.py",
    "/crosspool/ui/visit/pictures.py", "/.streamlit/secrets.toml", "/.git/config",
)  # fmt: skip
NEVER = {  # what stands in files that nobody is to get, and on a page that did not expect what came
    b"import streamlit": "a file of the server's",
    b"root:x:0": "a file of the server's",
    b"[core]": "a file of the server's",
    b"Something went wrong": "a page that failed",
    b"Traceback": "a page that failed",
}
ABOUT = (
    "/_stcore/metrics",
    "/_stcore/script-health-check",
    "/_stcore/host-config",
    "/_stcore/agent/openapi.json",
    "/ready",
)


@dataclass
class Case:
    """A visitor with something to lose, a stranger in a tab, and all that the stranger has received."""

    url: str
    person: Person
    visitor: Visitor
    stranger: Visitor
    files: list[str]  # ids of what the visitor has uploaded, and the page has not taken over yet
    received: list[bytes] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.person.pictures[0].key

    def secrets(self) -> dict[str, bytes]:
        """What a stranger must never receive."""
        (item,) = self.visitor.page.component("upload-strip")["items"]
        return {
            "name": self.person.name.encode(),
            "small picture": item["picture"][-200:-80].encode(),  # behind what all JPEGs have
            "maps": str(MapSet.of(self.visitor.packed_maps()).header["id"]).encode(),
            "pixels": self.person.pictures[0].data[700:760],
        }

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> int:
        """An HTTP request with exactly this path; what comes back is kept, and its status returned."""
        place = urlparse(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            self.received += [str(answer.getheaders()).encode(), answer.read()]
            return answer.status
        finally:
            connection.close()

    @property
    def token(self) -> dict[str, str]:
        """What the stranger's own browser sends along."""
        xsrf = self.stranger.xsrf
        return {"Cookie": f"{XSRF}={xsrf}", "X-Xsrftoken": xsrf}


Attempt = Callable[[Case], Awaitable[None]]
ATTEMPTS: dict[str, Attempt] = {}


def attempt(what: str) -> Callable[[Attempt], Attempt]:
    """Adds a function to ATTEMPTS."""

    def add(function: Attempt) -> Attempt:
        ATTEMPTS[what] = function
        return function

    return add


@attempt("links that name the picture, on every page")
async def _links(case: Case) -> None:
    names = ("sample", "source", "upload", "picture", "image", "received", "key", "chosen", "files", "compared_with")
    tab = Visitor(case.url, case.received.append)
    for path in ("/", "/contributions"):
        await tab.open(path, **dict.fromkeys(names, case.key))
        await tab.close()


@attempt("a press on the visitor's picture in the stranger's strip, and in one that is not there")
async def _strip(case: Case) -> None:
    await case.stranger.tell("sample-strip", "chosen", case.key)
    strip = case.visitor.page.widget("upload-strip", "bidi_component").id
    told = json.dumps([{"event": "chosen", "value": case.key}])
    await case.stranger.run_with(WidgetState(id=PRESSED.format(strip), json_trigger_value=told))
    await case.stranger.run_with(WidgetState(id=strip, json_value=json.dumps({"chosen": case.key})))


@attempt("a press on the visitor's picture among other images")
async def _across(case: Case) -> None:
    await case.stranger.tell("across", "pressed", [case.key, 0])


@attempt("maps and pins of the visitor's, told by the gallery")
async def _gallery(case: Case) -> None:
    await case.stranger.tell("gallery", "channel", 2**31)
    await case.stranger.tell("gallery", "pins", [0, 2**31])
    await case.stranger.tell("gallery", "channel", 0)


@attempt("all states of the visitor's widgets, those with files, too")
async def _states(case: Case) -> None:
    await case.stranger.run_with(*case.visitor.page.states.values())


UPLOADERS = (  # page, which of the sources, and the uploader's label
    ("", "source", "Upload", "Your images"),
    ("", "source", "Camera", "Take a photo"),
    ("train_and_compare", "labelled_source", "ZIP", "A ZIP"),
    ("train_and_compare", "labelled_source", "Uploads", "Images of this class"),
    ("train_and_compare", "labelled_source", "Camera", "A photo of this class"),
)


@attempt("the visitor's files in the stranger's own uploaders")
async def _uploaders(case: Case) -> None:
    for path, control, source, label in UPLOADERS:
        tab = Visitor(case.url, case.received.append)
        await tab.open(path)
        await tab.choose(control, source)
        node = tab.page.widget(label, "file_uploader", "camera_input")
        state = WidgetState(id=node.id)
        for name in case.files:
            info = state.file_uploader_state_value.uploaded_file_info.add(file_id=name, name="mine.jpg", size=1)
            info.file_urls.file_id = name
            info.file_urls.upload_url = f"/_stcore/upload_file/{case.visitor.session}/{name}"
        await tab.run_with(state, fragment=node.fragment)
        await tab.close()


@attempt("the fragments, the page and the cached messages of the visitor")
async def _fragments(case: Case) -> None:
    fragments = {node.fragment for node in case.visitor.page.nodes.values() if node.fragment}
    tab = Visitor(case.url, case.received.append)
    await tab.open()
    for fragment in fragments:  # one that this session does not have is not answered
        await tab.send(BackMsg(rerun_script=ClientState(page_script_hash=case.visitor.page_hash, fragment_id=fragment)))
    await asyncio.sleep(0.3)
    # Instead of messages that this tab does not have, it is sent their hashes.
    state = ClientState(page_script_hash=case.visitor.page_hash, cached_message_hashes=list(case.visitor.cached))
    await tab.send(BackMsg(rerun_script=state))
    await asyncio.sleep(0.5)
    await tab.close()


@attempt("another picture to compare with, a classifier, a class to remove: values of widgets by the visitor's name")
async def _named(case: Case) -> None:
    for label in ("Classifier", "Compare with"):
        tab = Visitor(case.url, case.received.append)
        await tab.open("/contributions")
        await tab.run_with(WidgetState(id=tab.page.widget(label, "selectbox").id, string_value=case.key))
        await tab.close()
    tab = Visitor(case.url, case.received.append)
    await tab.open("/train_and_compare")
    theirs = [node.id for node in case.visitor.page.elements("button")]
    await tab.run_with(*(WidgetState(id=name, trigger_value=True) for name in theirs))
    await tab.close()


@attempt("the visitor's downloads, asked for in the visitor's name")
async def _downloads(case: Case) -> None:
    await _download(case, case.visitor.session, _download_ids(case)[0])


def _download_ids(case: Case) -> list[str]:
    buttons = case.visitor.page.elements("download_button")
    return [node.proto.deferred_file_id for node in buttons if node.proto.deferred_file_id]


async def _download(case: Case, session: str, name: str) -> int:
    """Ask the stranger's session for a file, and fetch it if there is one; how many were."""
    message = BackMsg()
    message.backend_operation_request.request_id = uuid.uuid4().hex
    message.backend_operation_request.session_id = session
    message.backend_operation_request.deferred_file.file_id = name
    case.received.clear()
    await case.stranger.send(message)
    while not case.received:  # one answer, whatever it is
        await asyncio.sleep(0.05)
    urls = [ForwardMsg.FromString(raw).backend_operation_response.deferred_file.url for raw in list(case.received)]
    return sum(case.request("GET", url) == 200 for url in urls if url)


@attempt("addresses for uploads in the visitor's session")
async def _addresses(case: Case) -> None:
    message = BackMsg()
    message.file_urls_request.request_id, message.file_urls_request.session_id = "r", case.visitor.session
    message.file_urls_request.file_names.append("a.jpg")
    waiting = case.stranger.expect("r")
    await case.stranger.send(message)
    (urls,) = await waiting
    if case.visitor.session in urls.upload_url:
        case.received.append(case.person.name.encode())


@attempt("reading, replacing and deleting what the visitor uploads, without the token that belongs to the cookie")
async def _requests(case: Case) -> None:
    for name in case.files:
        path = f"/_stcore/upload_file/{case.visitor.session}/{name}"
        for method in ("GET", "HEAD", "POST"):
            case.request(method, path, case.token)
        for method in ("PUT", "DELETE"):
            if case.request(method, path) != 403:
                case.received.append(case.person.name.encode())


@attempt("paths that lead out of what is served")
async def _paths(case: Case) -> None:
    for path in TRAVERSALS:
        case.request("GET", path)


@attempt("what the server says of itself")
async def _about(case: Case) -> None:
    for path in ABOUT:
        case.request("GET", path)
    body = json.dumps({"session_id": case.visitor.session}).encode()
    for path in ("/_stcore/agent/interact", "/_stcore/agent/mcp"):
        case.request("POST", path, {"Content-Type": "application/json"}, body)
    for path in (f"/media/{case.key}", f"/media/{case.key}.jpg"):
        case.request("GET", path)


@attempt("a page of another origin that opens a session")
async def _origin(case: Case) -> None:
    try:
        async with connect(case.url.replace("http", "ws", 1) + "/_stcore/stream", origin=Origin("http://evil.example")):
            case.received.append(case.person.name.encode())
    except InvalidStatus:
        pass


@attempt("session ids that are nearly the visitor's")
async def _sessions(case: Case) -> None:
    own = case.visitor.session
    for name in (own[:-1], own[:-1] + ("0" if own[-1] != "0" else "1"), own.upper()):
        tab = Visitor(case.url, case.received.append)
        tab.session = name
        await tab.open()
        await tab.close()


@attempt("the same picture, uploaded under a name of the stranger's own, and removed")
async def _same(case: Case) -> None:
    tab = Visitor(case.url, case.received.append)
    await tab.open()
    await tab.choose("source", "Upload")
    await tab.upload(("mine.jpg", case.person.pictures[0].data))
    name = case.person.name.encode()
    case.received[:] = [name for raw in case.received if name in raw]  # maps and small picture are the stranger's, too
    await tab.press("Remove this picture")
    await tab.close()


# --- what secrets open


async def known_session(case: Case) -> str:
    """Of the session id of a visitor, which the visitor's browser keeps in memory only."""
    tab = Visitor(case.url)
    tab.session = case.visitor.session
    await tab.open()
    await tab.close()
    return "the visitor's session" if tab.session == case.visitor.session else "nothing"


async def known_upload(case: Case) -> str:
    """Of the address of a file on its way, which holds the session id."""
    path = f"/_stcore/upload_file/{case.visitor.session}/{case.files[0]}"
    case.received.clear()
    case.request("GET", path, case.token)
    read = any(case.person.pictures[1].data[700:760] in raw for raw in case.received)
    deleted = case.request("DELETE", path, case.token) == 204
    return " and ".join(["the file" if read else "nothing to read", "can delete it" if deleted else "cannot delete it"])


async def known_download(case: Case) -> str:
    """Of the id of a download, 122 random bits that are drawn anew with every run of the visitor's page."""
    return "the file" if await _download(case, case.stranger.session, _download_ids(case)[0]) else "nothing"


async def known_figure(case: Case) -> str:
    """Of the address of a figure that was drawn for a visitor, which is a hash of what it shows."""
    tab = case.visitor
    await tab.go("Train & compare")
    await tab.choose("Network", "ShuffleNet V2 X0 5, untrained")
    await tab.type("Random splits", 2)
    await tab.choose_all("Methods", [one for one in tab.options("Methods") if one.startswith("global@224")])
    await tab.press("train")
    while not (figures := [one.url for node in tab.page.elements("imgs") for one in node.proto.imgs]):
        await asyncio.sleep(0.2)
        await tab.settle()
    got = [path for path in figures if case.request("GET", path) == 200]
    return f"the figure ({len(got)} of {len(figures)})"


# --- the run


async def _victim(url: str, person: Person) -> tuple[Visitor, list[str]]:
    """A visitor, and the ids of files on their way."""
    tab = Visitor(url)
    await tab.open()
    await tab.choose("source", "Upload")
    await tab.upload((person.pictures[0].title, person.pictures[0].data))
    await tab.go("Train & compare")
    await tab.choose("labelled_source", "ZIP")
    await tab.upload((person.zipped.title, person.zipped.data), name="A ZIP")
    await tab.go("Weighting maps")
    titles = [person.pictures[1].title, person.zipped.title]
    addresses = await tab.file_urls(titles)
    for urls, file in zip(addresses, (person.pictures[1], person.zipped), strict=True):
        await tab.put(urls.upload_url, file.title, file.data)
    return tab, [urls.file_id for urls in addresses]


@asynccontextmanager
async def visited(url: str) -> AsyncIterator[Case]:
    """A visitor and a stranger."""
    person = Person(0, seed=1, sizes=SMALL)
    visitor, names = await _victim(url, person)
    case = Case(url, person, visitor, Visitor(url), names)
    case.stranger.watch = case.received.append
    await case.stranger.open()
    try:
        yield case
    finally:
        await visitor.close()
        await case.stranger.close()


async def try_everything(case: Case) -> dict[str, str]:
    """What every attempt has got, "" for nothing."""
    secrets, maps, found = case.secrets(), case.visitor.packed_maps(), {}
    for what, function in ATTEMPTS.items():
        case.received.clear()
        await function(case)
        everything = b"\n".join(case.received)
        got = [name for name, secret in secrets.items() if secret in everything]
        got += [got for text, got in NEVER.items() if text in everything]
        found[what] = ", ".join(got)
    await case.visitor.tell("gallery", "channel", 3)
    still = case.visitor.packed_maps() == maps and not case.visitor.errors and case.secrets() == secrets
    found["harm: the visitor's picture, maps and small pictures are no longer there"] = "" if still else "done"
    return found


async def use_secrets(case: Case) -> dict[str, str]:
    """What secrets open to those who have them; the visit is over after that."""
    return {
        "the id of a download": await known_download(case),
        "the address of a figure on a result's page": await known_figure(case),
        "the address of a file on its way": await known_upload(case),
        "the session id": await known_session(case),
    }


async def _all(url: str) -> tuple[dict[str, str], dict[str, str]]:
    async with visited(url) as case:
        return await try_everything(case), await use_secrets(case)


def main() -> None:
    """Try everything against a new server."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as cache, served(cache) as (url, _):
        found, opened = asyncio.run(_all(url))
    print("| a stranger tries | and gets |\n|---|---|")
    for what, got in found.items():
        print(f"| {what} | {got or 'nothing'} |")
    print("\n| whoever has this secret | gets |\n|---|---|")
    for what, got in opened.items():
        print(f"| {what} | {got} |")
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
