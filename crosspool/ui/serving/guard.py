"""Which requests are answered at all, and what browsers may do with the answers."""

import ipaddress
import re
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing is read from, or told to, any other site. Streamlit needs what is called unsafe here.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
# Streamlit's pages for its own operators, open to everybody; crosspool's are behind a key. Nobody logs in here.
CLOSED_PATHS = re.compile(r"/(_stcore/(metrics|script-health-check|agent)|auth|oauth2callback)(/|$)")
LONGEST_QUERY = 4000  # characters of an address after the question mark; the longest link of a page has 1,000
ANY_HOST = "*"


def own_names() -> frozenset[str]:
    """The names by which a server is known without a setting."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name}.local", f"{name.partition('.')[0]}.local"})


def names_of(setting: str) -> frozenset[str]:
    """The hosts in the setting, also where one is written as an address, or with a port."""
    names = (name.strip().rpartition("://")[2].partition("/")[0] for name in setting.split(","))
    return frozenset(filter(None, map(host_of, names)))


def host_of(netloc: str) -> str:
    """The host of "host:port", in lower case; "" where that makes no sense."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class RequestGuard:
    """ASGI middleware that answers only requests to this server, from its own pages.

    A page of another site could else make a visitor's browser ask: by a name that leads here (DNS rebinding), or by a
    WebSocket, which browsers let any page open. An address instead of a name cannot be made to lead here.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._is_any = ANY_HOST in hosts
        self._hosts = own_names() | frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (refusal := self._refusal(scope)) is not None:
            if scope["type"] == "http":
                await refusal(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = host_of(headers.get("host", ""))
        if not (self._is_any or host in self._hosts or _is_address(host)):
            sentence = (
                "This server does not answer by this name. Its operator can add it to the setting CROSSPOOL_HOSTS."
            )
            return PlainTextResponse(sentence, 400)
        origin = headers.get("origin")
        if scope["type"] == "websocket" and origin is not None and origin.partition("://")[2] != headers.get("host"):
            return PlainTextResponse("This is for the server's own pages.", 403)
        if len(scope["query_string"]) > LONGEST_QUERY:
            return PlainTextResponse(
                "This link is longer than any of this server; open the page without what follows the question mark.",
                414,
            )
        if CLOSED_PATHS.search(scope["path"]):
            return PlainTextResponse("Not found", 404)
        return None


class SecurityHeaders:
    """ASGI middleware that tells browsers what a page of this server may do; an answer's own headers stay."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
