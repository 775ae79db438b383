"""The pages that are open, each a WebSocket: Streamlit keeps a session for every one, and runs it in a thread."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

OWN = 40  # pages of one browser
FULL = "This server is full: as many pages are open as it can serve. Try again in a few minutes."
WITHOUT_COOKIE_SHARE = 4  # part of all pages that browsers without a cookie may have together


class OpenPages:
    """At most `limit` open pages, and `OWN` of each browser; changed by the server's event loop only."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.refusals = 0
        self._open: Counter[str] = Counter()  # by browser, "" for all without a cookie

    def __len__(self) -> int:
        """The number of open pages."""
        return self._open.total()

    def why_no_page(self, browser: str) -> str:
        """Why a browser cannot load a page, in a sentence, or "". It may load one of its own again, which closes that.

        Without a cookie it gets one with the page.
        """
        if browser and self._open[browser] >= OWN:
            return f"You have {OWN} pages of this server open, the most for one browser; close some, and try again."
        is_new = not browser or browser not in self._open
        return FULL if is_new and len(self) >= self.limit else ""

    def why_not(self, browser: str) -> str:
        """Why a browser may open no further connection, in a sentence, or ""."""
        is_full = len(self) >= self.limit
        if not browser:
            is_full = is_full or self._open[""] >= self.limit // WITHOUT_COOKIE_SHARE
        return self.why_no_page(browser) or (FULL if is_full else "")

    @contextmanager
    def opened(self, browser: str) -> Iterator[None]:
        """Count a page of a browser, for the length of the block."""
        self._open[browser] += 1
        try:
            yield
        finally:
            self._open[browser] -= 1
            if not self._open[browser]:
                del self._open[browser]
