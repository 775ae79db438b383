"""What pages offer to everybody, asked for by many, without end, and at the largest sizes."""

import asyncio
import uuid
from urllib.parse import urlencode

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.harness.abuse.base import WHOLE, Attack, Target, shown
from benchmarks.harness.tab import Tab

LARGEST = 896
PAIRS = ("conv_head", "blocks.15.project_conv", "blocks.15.expand_conv", "blocks.4.project_conv")


async def _ever_new(target: Target) -> None:
    """Twenty tabs, each with links to maps of ever new sizes, layers and channels."""

    async def visit(number: int) -> str:
        query = {"size": 130 + 7 * number % 760, "pair": PAIRS[number % 4], "framing": ("crop", "squash")[number % 2]}
        async with target.tab("/", urlencode(query | {"channel": number % 90})) as tab:
            return shown(tab.page, "maps")

    await target.repeat(visit, at_once=20)


async def _beside(target: Target) -> None:
    """Two views at the largest size on either side, each time of another pair."""

    async def visit(number: int) -> str:
        pair = {"pair": PAIRS[number % 4], "right_pair": PAIRS[number // 4 % 4], "right_weights": "untrained"}
        query = {"size": LARGEST - number % 64, "right_size": LARGEST - number % 50, **pair}
        async with target.tab("/side_by_side", urlencode(query)) as tab:
            return shown(tab.page, "maps")

    await target.repeat(visit, at_once=4)


async def _look_for(target: Target) -> None:
    """Ten visits that have what a channel looks for drawn, each of five channels."""

    async def visit(number: int) -> str:
        query = urlencode({"pair": "blocks.15.project_conv", "channel": number % 50})
        async with target.tab("/channel", query) as tab:
            await tab.press("look-for")
            await tab.settle_until(lambda: target.left <= 0 or not tab.has("button", "stop-looking"))
            return shown(tab.page, "drawn")

    await target.repeat(visit, at_once=10)


async def _export(target: Target) -> None:
    """Slides, tables, arrays and pages, made over and over."""

    async def visit(number: int) -> str:
        received: list[bytes] = []
        tab = Tab(target.url, received.append)
        try:
            await tab.open("/", channel=number % 90)
            await tab.open_drawer("Download and share")
            ids = [node.proto.deferred_file_id for node in tab.page.elements("download_button")]
            statuses = {await _file(tab, received, each) for each in filter(None, ids)}
        finally:
            await tab.close()
        return f"{len(ids)} files: {', '.join(sorted(statuses))}"

    await target.repeat(visit, at_once=4)


async def _file(tab: Tab, received: list[bytes], file_id: str) -> str:
    """Have a file made and read it: the status of the answer."""
    message = BackMsg()
    request = message.backend_operation_request
    request.request_id, request.session_id = uuid.uuid4().hex, tab.session
    request.deferred_file.file_id = file_id
    received.clear()
    await tab.send(message)
    await tab.settle_until(lambda: bool(received))  # one answer, whatever it is
    answer = ForwardMsg.FromString(received[0]).backend_operation_response.deferred_file
    if not answer.url:
        return "no file"
    file = await asyncio.to_thread(requests.get, tab.url + answer.url, timeout=60)
    return str(file.status_code)


async def _survey(target: Target) -> None:
    """The same maps on all images, at ever new sizes."""

    async def visit(number: int) -> str:
        async with target.tab("/", urlencode({"size": 130 + 11 * number % 760})) as tab:
            await tab.open_drawer("The same maps on other images")
            await tab.press("across-look")
            await tab.settle_until(lambda: target.left <= 0 or not tab.has("button", "across-cancel"))
            return shown(tab.page, "computed")

    await target.repeat(visit, at_once=4)


async def _weights(target: Target) -> None:
    """Downloads of the weights of many networks, begun by many; nothing outside is reached in this benchmark."""
    names = ("resnet18", "vgg16", "alexnet", "densenet121", "squeezenet1_0", "googlenet", "mobilenet_v2", "resnet50")

    async def visit(number: int) -> str:
        async with target.tab("/", urlencode({"backbone": names[number % len(names)]})) as tab:
            await tab.press("download")
            return shown(tab.page, "downloads")

    await target.repeat(visit, at_once=4)


ATTACKS = (
    Attack("ever-new-maps", "Twenty tabs open maps of ever new sizes, layers and channels.", _ever_new, WHOLE),
    Attack("side-by-side", "Four visitors open two views of the largest size.", _beside, WHOLE),
    Attack("look-for", "Ten visitors have drawn what fifty channels look for.", _look_for, WHOLE),
    Attack("exports", "Four visitors take all downloads, over and over.", _export, "files: 200$"),
    Attack("surveys", "Four visitors look at all images at ever new sizes.", _survey, WHOLE),
    Attack("weights", "Downloads of the weights of eight networks, by four at a time.", _weights, WHOLE),
)
