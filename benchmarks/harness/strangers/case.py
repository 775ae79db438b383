"""A visitor with something to lose, a stranger in a tab, and all that the stranger receives."""

import http.client
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlparse

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.harness.connection import XSRF
from benchmarks.harness.mapsets import unpack
from benchmarks.harness.people import SMALL, Person
from benchmarks.harness.tab import Tab


@dataclass
class IntrusionCase:
    """A visitor with something to lose, a stranger in a tab, and all that the stranger has received."""

    url: str
    person: Person
    visitor: Tab
    stranger: Tab
    files: list[str]  # ids of what the visitor has uploaded, and the page has not taken over yet
    received: list[bytes] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.person.images[0].key

    def secrets(self) -> dict[str, bytes]:
        """What a stranger must never receive."""
        (item,) = self.visitor.page.component("upload-strip")["items"]
        return {
            "name": self.person.name.encode(),
            "thumbnail": item["image"][-200:-80].encode(),  # behind what all JPEGs have
            "maps": unpack(self.visitor.packed_maps()).id.encode(),
            "pixels": self.person.images[0].data[700:760],
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

    @property
    def download_ids(self) -> list[str]:
        """The ids of the downloads that the visitor's page offers."""
        buttons = self.visitor.page.elements("download_button")
        return [node.proto.deferred_file_id for node in buttons if node.proto.deferred_file_id]

    async def download(self, session: str, name: str) -> int:
        """Ask the stranger's session for a file, and fetch it if there is one; how many were."""
        message = BackMsg()
        request = message.backend_operation_request
        request.request_id, request.session_id = uuid.uuid4().hex, session
        request.deferred_file.file_id = name
        self.received.clear()
        await self.stranger.send(message)
        await self.stranger.settle_until(lambda: bool(self.received))  # one answer, whatever it is
        urls = [ForwardMsg.FromString(raw).backend_operation_response.deferred_file.url for raw in list(self.received)]
        return sum(self.request("GET", url) == 200 for url in urls if url)

    def upload_path(self, name: str) -> str:
        """The address of a file on its way to the visitor's session."""
        return f"/_stcore/upload_file/{self.visitor.session}/{name}"

    def note_success(self) -> None:
        """What was tried was not refused: as bad as having received the visitor's name."""
        self.received.append(self.person.name.encode())

    def new_tab(self) -> Tab:
        """Another tab of the stranger's."""
        return Tab(self.url, self.received.append)


async def _victim(url: str, person: Person) -> tuple[Tab, list[str]]:
    """A visitor, and the ids of files on their way."""
    tab, (first, second) = Tab(url), person.images
    await tab.open()
    await tab.choose("source", "Upload")
    await tab.upload((first.title, first.data))
    await tab.go("Train & compare")
    await person.upload_labelled(tab)
    await tab.go("Weighting maps")
    addresses = await tab.file_urls([second.title, person.zipped.title])
    for urls, file in zip(addresses, (second, person.zipped), strict=True):
        await tab.put(urls.upload_url, file.title, file.data)
    return tab, [urls.file_id for urls in addresses]


@asynccontextmanager
async def intrusion_case(url: str) -> AsyncIterator[IntrusionCase]:
    """A visitor and a stranger at the app of this address."""
    person = Person(0, seed=1, sizes=SMALL)
    visitor, names = await _victim(url, person)
    case = IntrusionCase(url, person, visitor, Tab(url), names)
    case.stranger.watch = case.received.append
    await case.stranger.open()
    try:
        yield case
    finally:
        await visitor.close()
        await case.stranger.close()
