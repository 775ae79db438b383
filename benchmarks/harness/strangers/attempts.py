"""The attempts of a stranger who knows an image's SHA-256 and the ids of widgets, fragments and files."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from benchmarks.harness.connection import COOKIE
from benchmarks.harness.strangers.case import IntrusionCase
from benchmarks.harness.tab import Tab, component_event

TRAVERSALS = (
    "/media/../app.py", "/media/%2e%2e/%2e%2e/etc/passwd", "/media/..%2f..%2fetc%2fpasswd", "/media/%5c%5chost%5cshare",
    "/static/../../../../../etc/passwd", "/app/static/../../app.py", "/app/static/%2e%2e/app.py",
    "/component/../../app.py", "/component/crosspool.strip/../../../app.py", "/_stcore/bidi-components/../../app.py",
    "/_stcore/bidi-components/crosspool.strip/%2e%2e/%2e%2e/app.py", "//etc/passwd", "/pages/weighting_maps.py",
    "/crosspool/ui/visit/images.py", "/.streamlit/secrets.toml", "/.git/config",
)  # fmt: skip
PUBLIC_PATHS = (
    "/_stcore/metrics", "/_stcore/script-health-check", "/_stcore/host-config", "/_stcore/agent/openapi.json", "/ready",
)  # fmt: skip
# Contents of files that nobody may read, and of a page that failed on unexpected input.
FORBIDDEN = dict.fromkeys((b"import streamlit", b"root:x:0", b"[core]"), "a file of the server")
FORBIDDEN |= dict.fromkeys((b"Something went wrong", b"Traceback"), "a page that failed")

Attempt = Callable[[IntrusionCase], Awaitable[None]]
ATTEMPTS: dict[str, Attempt] = {}


def attempt(description: str) -> Callable[[Attempt], Attempt]:
    """Add a function to ATTEMPTS."""
    return lambda function: ATTEMPTS.setdefault(description, function)


@attempt("links that name the image, on every page")
async def _links(case: IntrusionCase) -> None:
    names = ("sample", "source", "upload", "picture", "image", "received", "key", "chosen", "files", "compared_with")
    tab = Tab(case.url, case.received.append)
    for path in ("/", "/contributions"):
        await tab.open(path, **dict.fromkeys(names, case.key))
        await tab.close()


@attempt("a press on the visitor's image in the stranger's strip, and in one that does not exist")
async def _strip(case: IntrusionCase) -> None:
    await case.stranger.tell("image-strip", "chosen", case.key)
    await case.stranger.tell("image-strip", "removed", case.key)
    strip = case.visitor.page.widget("image-strip", "bidi_component").id
    await case.stranger.run_with(component_event(strip, "chosen", case.key))
    await case.stranger.run_with(WidgetState(id=strip, json_value=json.dumps({"chosen": case.key})))


@attempt("a press on the visitor's image among other images")
async def _across(case: IntrusionCase) -> None:
    await case.stranger.open_drawer("The same maps on other images")
    await case.stranger.tell("across", "pressed", [case.key, 0])


@attempt("the visitor's maps and pins, sent by the gallery")
async def _gallery(case: IntrusionCase) -> None:
    await case.stranger.tell_gallery(selected=2**31)
    await case.stranger.tell_gallery(pins=[0, 2**31])
    await case.stranger.tell_gallery(selected=0)


@attempt("all states of the visitor's widgets, including those with files")
async def _states(case: IntrusionCase) -> None:
    await case.stranger.run_with(*case.visitor.page.states.values())


UPLOADERS = (  # page, which of its sources, and the uploader's label
    ("", "", "", "Your images"),
    ("", "", "camera", "Your photo"),
    ("train_and_compare", "labelled_source", "ZIP", "A ZIP"),
    ("train_and_compare", "labelled_source", "Uploads", "Images of this class"),
    ("train_and_compare", "labelled_source", "Camera", "A photo of this class"),
)


@attempt("the visitor's files in the stranger's uploaders")
async def _uploaders(case: IntrusionCase) -> None:
    for path, control, source, label in UPLOADERS:
        async with case.tab(path) as tab:
            if control:
                await tab.choose(control, source)
            elif source:
                await tab.tell("image-strip", source, True)
            node = tab.page.widget(label, "file_uploader", "camera_input")
            state = WidgetState(id=node.id)
            for name in case.files:
                urls = FileURLs(file_id=name, upload_url=case.upload_path(name))
                files = state.file_uploader_state_value.uploaded_file_info
                files.add(file_id=name, name="mine.jpg", size=1, file_urls=urls)
            await tab.run_with(state, fragment=node.fragment)


@attempt("the fragments, the page and the cached messages of the visitor")
async def _fragments(case: IntrusionCase) -> None:
    fragments, page = {node.fragment for node in case.visitor.page.nodes.values()} - {""}, case.visitor.page_hash
    async with case.tab() as tab:
        for fragment in fragments:  # one that this session does not have is not answered
            await tab.send(BackMsg(rerun_script=ClientState(page_script_hash=page, fragment_id=fragment)))
        await asyncio.sleep(0.3)
        # Instead of messages that this tab does not have, it is sent their hashes.
        state = ClientState(page_script_hash=page, cached_message_hashes=list(case.visitor.cached))
        await tab.send(BackMsg(rerun_script=state))
        await asyncio.sleep(0.5)


@attempt("another image to compare with, a classifier, a class to remove: values of the visitor's widgets")
async def _named(case: IntrusionCase) -> None:
    for label in ("Classifier", "Compare with"):
        async with case.tab("/contributions") as tab:
            await tab.run_with(WidgetState(id=tab.page.widget(label, "selectbox").id, string_value=case.key))
    buttons = case.visitor.page.elements("button")
    async with case.tab("/train_and_compare") as tab:
        await tab.run_with(*(WidgetState(id=node.id, trigger_value=True) for node in buttons))


@attempt("the visitor's downloads, requested with the visitor's session id")
async def _downloads(case: IntrusionCase) -> None:
    await case.download(case.visitor.session, case.download_ids[0])


@attempt("addresses for uploads in the visitor's session")
async def _addresses(case: IntrusionCase) -> None:
    (urls,) = await case.stranger.file_urls(["a.jpg"], case.visitor.session)
    if case.visitor.session in urls.upload_url:
        case.note_success()


@attempt("reading, replacing and deleting what the visitor uploads, without the token that belongs to the cookie")
async def _requests(case: IntrusionCase) -> None:
    for name in case.files:
        path = case.upload_path(name)
        for method in ("GET", "HEAD", "POST"):
            case.request(method, path, case.stranger.token)
        for method in ("PUT", "DELETE"):
            if case.request(method, path) != 403:
                case.note_success()


@attempt("paths that lead out of what is served")
async def _paths(case: IntrusionCase) -> None:
    for path in TRAVERSALS:
        case.request("GET", path)


@attempt("the server's public information")
async def _about(case: IntrusionCase) -> None:
    for path in PUBLIC_PATHS:
        case.request("GET", path)
    body = json.dumps({"session_id": case.visitor.session}).encode()
    for path in ("/_stcore/agent/interact", "/_stcore/agent/mcp"):
        case.request("POST", path, {"Content-Type": "application/json"}, body)
    for path in (f"/media/{case.key}", f"/media/{case.key}.jpg"):
        case.request("GET", path)


@attempt("a page of another origin that opens a session")
async def _origin(case: IntrusionCase) -> None:
    try:
        async with connect(case.url.replace("http", "ws", 1) + "/_stcore/stream", origin=Origin("http://evil.example")):
            case.note_success()
    except InvalidStatus:
        pass


@attempt("session ids that are nearly the visitor's")
async def _sessions(case: IntrusionCase) -> None:
    own = case.visitor.session
    for name in (own[:-1], own[:-1] + ("0" if own[-1] != "0" else "1"), own.upper()):
        async with case.tab(session=name):
            pass


@attempt("cookies that are guessed, or nearly the visitor's, while the visit waits for its browser")
async def _cookies(case: IntrusionCase) -> None:
    own = case.visitor.browser
    near = own[:-1] + ("0" if own[-1] != "0" else "1")
    async with case.left_visit():
        for cookie in (secrets.token_hex(16), near, own[:-1], own.upper(), own + "0", own[::-1], "0" * 32, "*", "%"):
            async with case.tab(browser=cookie if cookie != own else near):
                pass
        case.request("GET", "/", {"Accept": "text/html", "Cookie": f"{COOKIE}={near}"})


@attempt("a second profile of the visitor's browser, while the visit waits")
async def _profile(case: IntrusionCase) -> None:
    async with case.left_visit():
        tab = Tab(case.url, case.received.append)
        await tab.ask_for_cookie()
        await tab.open_address("/", case.visitor.query)
        await tab.close()


@attempt("the name of the visitor's tab, with no browser's cookie, another one, or one that is nearly the visitor's")
async def _tab_names(case: IntrusionCase) -> None:
    own = case.visitor.browser
    near = own[:-1] + ("0" if own[-1] != "0" else "1")
    other = Tab(case.url)
    await other.ask_for_cookie()

    async def try_all() -> None:
        for browser in ("", other.browser, near, case.visitor.tab_name):
            async with case.tab(browser=browser, tab_name=case.visitor.tab_name):
                pass

    await try_all()
    async with case.left_visit():
        await try_all()


@attempt("names of tabs that are forged: long, empty, foreign, or the visitor's cookie")
async def _forged_tabs(case: IntrusionCase) -> None:
    for name in (case.visitor.browser, "*", "%", "0" * 3000, case.visitor.tab_name[:-1], case.visitor.session):
        async with case.tab(browser=secrets.token_hex(16), tab_name=name):
            pass


@attempt("the visitor's cookie in an address")
async def _misplaced(case: IntrusionCase) -> None:
    async with case.left_visit():
        tab = Tab(case.url, case.received.append)
        await tab.open(**{COOKIE: case.visitor.browser, "image": case.visitor.browser[:8]})
        await tab.close()


@attempt("the same image, uploaded under another name, and removed")
async def _same(case: IntrusionCase) -> None:
    async with case.tab() as tab:
        await tab.upload(("mine.jpg", case.person.images[0].data))
        name = case.person.name.encode()
        case.received[:] = [name for raw in case.received if name in raw]  # maps and thumbnail are the stranger's, too
        await tab.tell("image-strip", "removed", case.key)


async def try_everything(case: IntrusionCase) -> dict[str, str]:
    """What a stranger gets by each attempt, "" for nothing."""
    secrets, maps, results = case.secrets(), case.visitor.packed_maps(), {}
    for description, function in ATTEMPTS.items():
        case.received.clear()
        await function(case)
        received = b"\n".join(case.received)
        names = {**FORBIDDEN, **{secret: name for name, secret in secrets.items()}}
        results[description] = ", ".join(name for secret, name in names.items() if secret in received)
    await case.visitor.tell_gallery(selected=3)
    intact = case.visitor.packed_maps() == maps and not case.visitor.page.errors and case.secrets() == secrets
    results["harm: the visitor's image, maps and thumbnails are gone"] = "" if intact else "done"
    return results
