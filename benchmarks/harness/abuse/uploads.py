"""Uploads that declare much, send little, lie about their length, or never end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from benchmarks.harness.abuse.base import Attack, Target, hang_up
from benchmarks.harness.images import encoded, noise
from benchmarks.harness.tab import Tab

MEGABYTE = 2**20
BOUNDARY = "abuse"
PART = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
).encode()
Address = str


def _head(tab: Tab, address: Address, *lines: str) -> bytes:
    """The head of an upload, with these lines about its body."""
    token = (f"{name}: {value}" for name, value in tab.token.items())
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    host = tab.url.partition("://")[2]
    return "\r\n".join((f"PUT {address} HTTP/1.1", f"Host: {host}", kind, *token, *lines, "", "")).encode()


@asynccontextmanager
async def _addresses(target: Target, count: int) -> AsyncIterator[tuple[Tab, list[Address]]]:
    async with target.tab() as tab:
        urls = await tab.file_urls([f"{number}.jpg" for number in range(count)])
        yield tab, [each.upload_url for each in urls]


async def _hold(target: Target) -> None:
    """Three visits with four uploads each: 64 MB declared, 5 bytes sent, and held; another one tries to upload."""
    async with AsyncExitStack() as stack:
        for _ in range(3):
            tab, addresses = await stack.enter_async_context(_addresses(target, 4))
            for address in addresses:
                _, writer = await target.connect()
                stack.push_async_callback(hang_up, writer)
                writer.write(_head(tab, address, f"Content-Length: {64 * MEGABYTE}") + b"12345")
                await writer.drain()
        data = encoded(noise(99, (640, 480)), "JPEG")

        async def upload(number: int) -> str:
            tab, (address,) = await stack.enter_async_context(_addresses(target, 1))
            return str(await tab.put(address, f"{number}.jpg", data))

        await target.repeat(upload, pause=0.5)


def _sending(*lines: str, body: bytes) -> Callable[[Target], Awaitable[None]]:
    """An attack that sends this body with these lines in its head."""

    async def attack(target: Target) -> None:
        async with _addresses(target, 8) as (tab, addresses):

            async def upload(number: int) -> str:
                return await target.exchange(_head(tab, addresses[number % 8], *lines), body)

            await target.repeat(upload, at_once=2, pause=0.05)

    return attack


def _chunked(megabytes: int) -> bytes:
    chunk = PART + b"x" * MEGABYTE
    rest = b"x" * MEGABYTE
    chunks = b"".join(f"{len(each):x}\r\n".encode() + each + b"\r\n" for each in (chunk, *[rest] * megabytes))
    end = f"\r\n--{BOUNDARY}--\r\n".encode()
    return chunks + f"{len(end):x}\r\n".encode() + end + b"\r\n0\r\n\r\n"


async def _drip(target: Target) -> None:
    """Forty uploads, by ten visits, of which each sends 100 bytes a second."""

    async def drip(tab: Tab, address: Address) -> None:
        reader, writer = await target.connect()
        try:
            writer.write(_head(tab, address, f"Content-Length: {MEGABYTE}") + PART)
            while target.left > 0 and not reader.at_eof():
                writer.write(b"x" * 100)
                await writer.drain()
                await asyncio.sleep(1)
            target.note("held to the end" if target.left <= 0 else "closed")
        except OSError:
            target.note("closed")
        finally:
            await hang_up(writer)

    async with AsyncExitStack() as stack:
        visits = [await stack.enter_async_context(_addresses(target, 4)) for _ in range(10)]
        await asyncio.gather(*(drip(tab, address) for tab, addresses in visits for address in addresses))


async def _fill(target: Target) -> None:
    """Visits without cookies, each of which uploads images until its share is full, and stays."""
    async with AsyncExitStack() as stack:

        async def visit(number: int) -> str:
            tab = await stack.enter_async_context(target.tab())
            files = [(f"{each}.png", encoded(noise([number, each], (900, 900), shape=(900, 900)))) for each in range(4)]
            await tab.upload(*files)
            return (tab.page.errors or ["taken"])[0]

        await target.repeat(visit, at_once=2)


async def _waiting(target: Target) -> None:
    """Files that no page ever takes, sixteen of 20 MB by each of many visits."""
    async with AsyncExitStack() as stack:
        body = b"x" * (20 * MEGABYTE)

        async def visit(number: int) -> str:
            tab, addresses = await stack.enter_async_context(_addresses(target, 16))
            statuses = [await tab.put(address, "a.jpg", body) for address in addresses]
            return str(max(statuses))

        await target.repeat(visit, at_once=2)


async def _forge_session(target: Target) -> None:
    """Uploads into sessions that do not exist."""

    async def upload(number: int) -> str:
        async with target.tab() as tab:
            address = f"/_stcore/upload_file/{number:032x}/{number}"
            return str(await tab.put(address, "a.jpg", b"x" * MEGABYTE))

    await target.repeat(upload, at_once=2)


async def _many_parts(target: Target) -> None:
    """A form of 100,000 parts."""
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.encode()
    body = field * 100_000 + f"--{BOUNDARY}--\r\n".encode()
    await _sending(f"Content-Length: {len(body)}", body=body)(target)


ATTACKS = (
    Attack(
        "uploads-held", "Twelve uploads declare 64 MB, send 5 bytes and wait; others go on uploading.", _hold, "^204$"
    ),
    Attack(
        "uploads-chunked",
        "Uploads declare 5 bytes, and come in chunks of 55 MB.",
        _sending("Content-Length: 5", "Transfer-Encoding: chunked", body=_chunked(55)),
        "^4|closed",
    ),
    Attack(
        "uploads-longer",
        "Uploads declare 5 bytes, and send 20 MB.",
        _sending("Content-Length: 5", body=PART + b"x" * (20 * MEGABYTE)),
        "^4|closed",
    ),
    Attack(
        "uploads-no-length",
        "Uploads whose length is negative.",
        _sending("Content-Length: -1", body=PART),
        "^4|closed",
        times=2,
    ),
    Attack("uploads-dripping", "Forty uploads come at 100 bytes a second each.", _drip),
    Attack("uploads-filling", "New visits upload images of noise, until the server is full.", _fill),
    Attack("uploads-waiting", "New visits send sixteen files of 20 MB each that no page takes.", _waiting),
    Attack("uploads-nowhere", "Files go to sessions that do not exist.", _forge_session, "^4", times=1),
    Attack("uploads-parts", "Forms of 100,000 parts.", _many_parts, "^4|closed"),
)
