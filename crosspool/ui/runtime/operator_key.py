"""What opens the operator's page and /metrics."""

import hmac
import threading
import time

from crosspool.ui.runtime.log import EventLog

WRONG_KEY_SECONDS = 1.0


class OperatorKey:
    """The operator's key, which nobody can guess: one is tried at a time, and a wrong one takes a second."""

    def __init__(self, key: str, log: EventLog) -> None:
        self._key, self._log = key.encode(), log
        self._trying = threading.Lock()

    def __bool__(self) -> bool:
        """Whether there is a key."""
        return bool(self._key)

    def matches(self, text: str) -> bool:
        """Whether this is the key."""
        with self._trying:
            right = hmac.compare_digest(text.encode(), self._key)
            if not right:
                self._log.record("wrong_key")
                time.sleep(WRONG_KEY_SECONDS)
        return right and bool(self)
