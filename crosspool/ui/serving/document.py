"""The HTML document around every page: Streamlit's own, with a title, a description, a script and styles of ours."""

import gzip
import html

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crosspool.gallery.assets import asset
from crosspool.installation import app_folder
from crosspool.ui.runtime.visits import COOKIE, SECURE_COOKIE, browser_of, new_token

TITLE = "crosspool"
ORIGINAL_TITLE = "<title>Streamlit</title>"
DESCRIPTION = (
    "See what the channels of a convolutional network look for: every weighting map of a layer over your own photo, "
    "and how cross-convolutional-layer pooling makes one vector of them."
)
DESCRIPTIONS = {  # by the page's address
    "contributions": "Why this class? A classifier's score split by channel and by position, over your own photo.",
    "build_p": "Build a feature of cross-convolutional-layer pooling by hand, position by position.",
    "what_am_i_looking_at": "Cross-convolutional-layer pooling with all its numbers, for one image.",
    "lesson": "A guided lesson: from a photo to the pooled feature of a convolutional network, step by step.",
    "teachers": "For teachers: plans for a lesson on what a convolutional network sees, questions, and a worksheet.",
    "channel": "One channel of a convolutional network: its classes, what it looks for, and its strongest patches.",
    "side_by_side": "Two weighting maps under linked cursors: two networks, layers, sizes, images, or no training.",
    "collection": "A collection of images by channels, by classes and by likeness, as a convolutional network sees it.",
    "train_and_compare": "Train a linear classifier on your own images, and compare ways to describe them.",
}
WITHOUT_SIDE_BAR = ("lesson", "teachers", "train_and_compare", "collection", "operator")
STYLE = app_folder() / "assets" / "style.css"
# Headers of a request that speak of Streamlit's own file, which is not the one that is sent.
NOT_PASSED_ON = (b"if-none-match", b"if-modified-since", b"accept-encoding")


def document(page: str, original: str) -> str:
    """The document for a page: Streamlit's, changed.

    The styles come with it, as whatever they lay out would jump if they came later. They stand in the body, as those
    that Streamlit adds to the head must not win.
    """
    description = html.escape(DESCRIPTIONS.get(page, DESCRIPTION))
    script = asset("ui/serving/history.js") + asset("ui/serving/full.js")
    head = f'<title>{TITLE}</title>\n<meta name="description" content="{description}">\n<script>\n{script}</script>'
    style = f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</body>"
    changed = original.replace(ORIGINAL_TITLE, head, 1).replace("</body>", style, 1)
    return changed if page in WITHOUT_SIDE_BAR else changed.replace("<html", '<html class="with-side-bar"', 1)


class Document:
    """ASGI middleware that changes every HTML document on its way to a browser, and names the browser by a cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_navigation = scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", "")
        if not is_navigation or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = bytearray()

        async def hold_back(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                headers, changed = self._changed(scope, start["headers"], bytes(body))
                await send({**start, "headers": headers})
                await send({"type": "http.response.body", "body": changed})

        headers = [(name, value) for name, value in scope["headers"] if name not in NOT_PASSED_ON]
        await self._app({**scope, "headers": headers}, receive, hold_back)

    def _changed(
        self, scope: Scope, raw_headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """The headers and the body of the answer; what is not Streamlit's document, a download say, stays as it is."""
        headers = MutableHeaders(raw=list(raw_headers))
        if not headers.get("content-type", "").startswith("text/html") or ORIGINAL_TITLE.encode() not in body:
            return headers.raw, body
        body = document(scope["path"].rpartition("/")[2], body.decode()).encode()
        if "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            body = gzip.compress(body)
            headers["content-encoding"] = "gzip"
        headers.add_vary_header("Accept-Encoding")
        headers["content-length"] = str(len(body))
        for name in ("etag", "last-modified"):  # of Streamlit's file
            del headers[name]
        request = Request(scope)
        is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        name, secure = (SECURE_COOKIE, "; Secure") if is_secure else (COOKIE, "")
        if not browser_of(request.cookies.get(name, "")):
            headers.append("set-cookie", f"{name}={new_token()}; Path=/; HttpOnly; SameSite=Lax{secure}")
        return headers.raw, body
