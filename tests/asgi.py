"""Requests to ASGI apps, without a server."""

from dataclasses import dataclass

from tests import loops


@dataclass
class Answer:
    """The status, headers and body of an answer; a WebSocket that is refused has the status 403."""

    status: int
    headers: dict[str, str]
    text: str


def ask(app, path="/", headers=(), kind="http", query=""):
    """The answer of an app to a GET request, or to a WebSocket's handshake."""
    return loops.run(asked(app, path, headers, kind, query))


async def asked(app, path, headers, kind, query=""):
    raw = [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()]
    scope = {"type": kind, "method": "GET", "path": path, "headers": raw, "query_string": query.encode()}
    scope |= {"subprotocols": []} if kind == "websocket" else {}
    sent = []

    async def receive():
        return (
            {"type": "http.request", "body": b"", "more_body": False} if kind == "http" else {"type": f"{kind}.connect"}
        )

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    if kind == "websocket":
        return Answer(101 if sent[0]["type"] == "websocket.accept" else 403, {}, "")
    start, *bodies = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(body["body"] for body in bodies).decode())
