"""The bytes of images, from this machine and from others, and the errors of their file systems in one sentence."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosspool.datasets import files as named_files
from crosspool.errors import CrosspoolError, DatasetError, ImageError, SettingError
from crosspool.images import MAX_BYTES
from crosspool.shards.place import file_system, reason_of

if TYPE_CHECKING:
    from tenacity import Retrying

ATTEMPTS = 3  # at a file, where the reason may pass
WAIT_SECONDS = 0.5  # before the second attempt, and twice as long before the third
_STAYS = (
    CrosspoolError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ValueError, ImportError,
)  # fmt: skip
_BUSY = (408, 425, 429)  # HTTP statuses that pass, though the server blames the request


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Turn whatever a file system raises into a DatasetError: those of other machines have errors of their own."""
    try:
        yield
    except CrosspoolError:
        raise
    except Exception as error:
        raise DatasetError(f"{address} cannot be read ({reason_of(error)}); check it, and your permissions.") from error


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed: a server is busy, or a connection was lost."""
    status = getattr(error, "status", None) or getattr(error, "code", None)
    is_refused = isinstance(status, int) and 400 <= status < 500 and status not in _BUSY
    return isinstance(error, Exception) and not isinstance(error, _STAYS) and not is_refused


def read(load: Callable[[], bytes], name: str) -> bytes:
    """A file's bytes, in several attempts where the reason may pass.

    Raises ImageError, with the reason, whatever the file system raises; but SettingError where this machine lacks what
    the address needs, which is not the image's fault.
    """
    attempt = attempts()
    try:
        data = attempt(load)
    except SettingError:
        raise
    except CrosspoolError as error:
        raise ImageError(str(error)) from error
    except Exception as error:  # file systems of other machines have errors of their own
        advice = "try again later" if may_pass(error) else "check that it is still there"
        raise ImageError(f"{name} cannot be read ({reason_of(error)}); {advice}.") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} has more than {MAX_BYTES >> 20} MB; make it smaller.")
    return data


@cache
def attempts() -> "Retrying":
    """What calls a function again, a little later, where the reason may pass. Raises SettingError without tenacity."""
    try:
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random
    except ImportError as error:
        raise SettingError("Images elsewhere are read with tenacity; install crosspool[store].") from error
    waits = wait_exponential(WAIT_SECONDS) + wait_random(0, WAIT_SECONDS)
    return Retrying(retry=retry_if_exception(may_pass), stop=stop_after_attempt(ATTEMPTS), wait=waits, reraise=True)


def fetch(address: str) -> bytes:
    """The bytes at an address. Raises what its file system raises."""
    fs, path = file_system(address)
    return bytes(fs.cat_file(path))


def span(fs: Any, path: str, start: int, stop: int) -> bytes:
    """A part of a file's bytes. Raises what its file system raises."""
    return bytes(fs.cat_file(path, start=start, end=stop))


def reader(address: str, name: str) -> Callable[[], bytes]:
    """What reads an image by its path or address; `name` is how messages call it."""
    if "://" not in address:
        return named_files.reader(Path(os.path.expanduser(address)), name)
    return partial(read, partial(fetch, address), name)
