"""A visitor with data to protect, a stranger in a tab, and the secrets that open a visitor's data."""

import asyncio
import http.client
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.harness.mapsets import unpack
from benchmarks.harness.people import SMALL, Person, start_training
from benchmarks.harness.tab import Tab

LEFT_SECONDS = 1.5  # until the server has noticed that a connection is gone


@dataclass
class IntrusionCase:
    """A visitor with data to protect, a stranger in a tab, and everything that the stranger has received."""

    url: str
    person: Person
    visitor: Tab
    stranger: Tab
    files: list[str]  # ids of files that the visitor has uploaded, and the page has not read yet
    received: list[bytes]

    @property
    def key(self) -> str:
        return self.person.images[0].key

    def secrets(self) -> dict[str, bytes]:
        """The bytes that a stranger must never receive, by what they are."""
        (item,) = (item for item in self.visitor.page.component("image-strip")["items"] if item["own"])
        return {
            "name": self.person.name.encode(),
            "thumbnail": item["image"][-200:-80].encode(),  # after what all JPEGs have in common
            "maps": unpack(self.visitor.packed_maps()).id.encode(),
            "pixels": self.person.images[0].data[700:760],
        }

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> int:
        """The status of an HTTP request with exactly this path; the answer counts as received."""
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            self.received += [str(answer.getheaders()).encode(), answer.read()]
            return answer.status

    @property
    def download_ids(self) -> list[str]:
        """The ids of the downloads that the visitor's page offers."""
        buttons = self.visitor.page.elements("download_button")
        return [node.proto.deferred_file_id for node in buttons if node.proto.deferred_file_id]

    async def download(self, session: str, name: str) -> int:
        """Ask for a file of a session by its id, and fetch it if there is one; the number of files."""
        message = BackMsg()
        request = message.backend_operation_request
        request.request_id, request.session_id = uuid.uuid4().hex, session
        request.deferred_file.file_id = name
        self.received.clear()
        await self.stranger.send(message)
        await self.stranger.settle_until(lambda: bool(self.received))  # one answer, whatever it is
        answers = [ForwardMsg.FromString(raw).backend_operation_response for raw in self.received]
        return sum(self.request("GET", url) == 200 for answer in answers if (url := answer.deferred_file.url))

    def upload_path(self, name: str) -> str:
        """The address of a file on its way to the visitor's session."""
        return f"/_stcore/upload_file/{self.visitor.session}/{name}"

    def note_success(self) -> None:
        """Count an attempt that was not refused as if the visitor's name had been received."""
        self.received.append(self.person.name.encode())

    @asynccontextmanager
    async def left_visit(self) -> AsyncIterator[None]:
        """For some time the visitor's connection is lost, so that the visit waits for its browser."""
        await self.visitor.lose_connection()
        await asyncio.sleep(LEFT_SECONDS)
        self.received.clear()
        yield
        await self.visitor.come_back()

    @asynccontextmanager
    async def tab(
        self, path: str = "/", session: str = "", browser: str = "", tab_name: str = ""
    ) -> AsyncIterator[Tab]:
        """Another tab of the stranger on this page, with a session's id and the cookies of a browser and a tab."""
        tab = Tab(self.url, self.received.append)
        tab.session, tab.browser, tab.tab_name = session, browser, tab_name
        await tab.open(path)
        yield tab
        await tab.close()


async def _victim(url: str, person: Person) -> tuple[Tab, list[str]]:
    """A visitor's tab, and the ids of files on their way to it."""
    tab, (first, second) = Tab(url), person.images
    await tab.ask_for_cookie()
    tab.tab_name = uuid.uuid4().hex[:10]
    await tab.open()
    await tab.upload(first)
    await tab.go("Train & compare")
    await person.upload_labelled(tab)
    await tab.go("Maps")
    await tab.open_drawer("Download and share")
    addresses = await tab.file_urls([second.title, person.zipped.title])
    for urls, file in zip(addresses, (second, person.zipped), strict=True):
        await tab.put(urls.upload_url, *file)
    return tab, [urls.file_id for urls in addresses]


@asynccontextmanager
async def intrusion_case(url: str) -> AsyncIterator[IntrusionCase]:
    """A visitor and a stranger at the app of this address."""
    person, received = Person(0, seed=1, sizes=SMALL), list[bytes]()
    visitor, names = await _victim(url, person)
    case = IntrusionCase(url, person, visitor, Tab(url, received.append), names, received)
    await case.stranger.open()
    try:
        yield case
    finally:
        await visitor.close()
        await case.stranger.close()


# --- secrets: ids that nobody can guess, and addresses that are hashes of a content


async def known_session(case: IntrusionCase) -> str:
    """Use the id of a visitor's session, which the visitor's browser stores only in memory."""
    async with case.tab(session=case.visitor.session) as tab:
        return "the visitor's session" if tab.session == case.visitor.session else "nothing"


async def known_cookie(case: IntrusionCase) -> str:
    """Use the cookie of the visitor's browser: 128 random bits, which no script can read and no other site is sent."""
    visitor, _ = await _victim(case.url, case.person)

    async def gain() -> str:
        case.received.clear()
        async with case.tab(browser=visitor.browser):
            pass
        return "the visit" if any(case.person.name.encode() in raw for raw in case.received) else "nothing"

    during = await gain()
    await visitor.lose_connection()
    await asyncio.sleep(LEFT_SECONDS)
    return f"while the page is open, {during}; while the visit waits for its browser, {await gain()}"


async def known_tab(case: IntrusionCase) -> str:
    """Use the cookie of the visitor's browser with that of its tab, which any script of the page can read."""
    visitor, _ = await _victim(case.url, case.person)
    case.received.clear()
    async with case.tab(browser=visitor.browser, tab_name=visitor.tab_name):
        pass
    await visitor.close()
    return "the visit" if any(case.person.name.encode() in raw for raw in case.received) else "nothing"


async def known_upload(case: IntrusionCase) -> str:
    """Use the address of a file on its way, which contains the session id."""
    path = case.upload_path(case.files[0])
    case.received.clear()
    case.request("GET", path, case.stranger.token)
    read = any(case.person.images[1].data[700:760] in raw for raw in case.received)
    deleted = case.request("DELETE", path, case.stranger.token) == 204
    return " and ".join(["the file" if read else "nothing to read", "can delete it" if deleted else "cannot delete it"])


async def known_download(case: IntrusionCase) -> str:
    """Use the id of a download: 122 random bits, which change with every run of the visitor's page."""
    return "the file" if await case.download(case.stranger.session, case.download_ids[0]) else "nothing"


async def known_figure(case: IntrusionCase) -> str:
    """Use the address of a figure that was drawn for a visitor, which is a hash of its content."""
    tab = case.visitor

    def figures() -> list[str]:
        return [image.url for node in tab.page.elements("imgs") for image in node.proto.imgs]

    await tab.go("Train & compare")
    await start_training(tab)
    await tab.settle_until(lambda: bool(figures()))
    count = sum(case.request("GET", path) == 200 for path in figures())
    return f"the figure ({count} of {len(figures())})"


async def use_secrets(case: IntrusionCase) -> dict[str, str]:
    """What anyone gets who has a secret, by secret; the visit is over after that."""
    return {
        "the id of a download": await known_download(case),
        "the address of a figure on a result's page": await known_figure(case),
        "the address of a file on its way": await known_upload(case),
        "the session id": await known_session(case),
        "the cookie of the browser": await known_cookie(case),
        "the cookies of the browser and of the tab": f"while the page is open, {await known_tab(case)}",
    }
