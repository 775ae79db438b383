"""A stranger's image, decoded in a process of its own, and brought into the form in which it is stored.

`python -m crosspool.ui.runtime.decode_worker` reads requests from its standard input and answers on its
standard output until the input ends.

A bomb that fills the memory, a decoder that crashes and one that never returns then cost nothing but this process.
Nothing is pickled: a message is two lengths, a JSON object, and bytes.
"""

import json
import os
import signal
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import IO, Any

from PIL import Image, ImageOps

from crosspool.errors import ImageError
from crosspool.images import load_image, shrink_image, shrunk_file

MEMORY = 2**30  # bytes of address space: images of 50 million pixels fit, except a few rare kinds
QUICK_SECONDS = 0.5  # of a core; a file that takes longer is written anew, so that it never does so again
LONGEST_HEADER = 2**16
THUMBNAIL_QUALITY = 88  # of JPEG
_LENGTHS = struct.Struct(">II")  # of the JSON object and of the bytes after it


@dataclass(frozen=True)
class StorageFormat:
    """How images are stored: sides of at most `side` pixels, and files of at most `largest` bytes.

    What is larger in pixels is shrunk, and written as JPEG of this `quality`. What is larger in bytes alone is written
    anew, too; if `exact` as PNG, so that no pixel changes. `thumbnail` is the side of the square thumbnail.
    """

    side: int
    largest: int
    quality: int
    exact: bool
    thumbnail: int


@dataclass(frozen=True)
class StoredImage:
    """An image as it is stored: its file, whether it has fewer pixels than it came with, and a JPEG thumbnail."""

    file: bytes
    shrunk: bool
    thumbnail: bytes


def stored_image(data: bytes, name: str, form: StorageFormat) -> StoredImage:
    """An image's file in the form in which it is stored; `name` is for messages. Raises ImageError."""
    start = time.process_time()
    image = load_image(data, name=name)
    quick = time.process_time() - start < QUICK_SECONDS
    large = max(image.size) > form.side
    image = shrink_image(image, form.side)
    thumbnail = BytesIO()
    ImageOps.fit(image, (form.thumbnail, form.thumbnail)).save(thumbnail, "JPEG", quality=THUMBNAIL_QUALITY)
    if large or len(data) > form.largest or not quick:
        exact = form.exact and not large
        data = _png(image) if exact else shrunk_file(image, form.side, form.quality)
    return StoredImage(data, large, thumbnail.getvalue())


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


# --- messages


def send(stream: IO[bytes], header: Mapping[str, Any], data: bytes = b"") -> None:
    """Write one message."""
    encoded = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(encoded), len(data)) + encoded)
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes], limit: int) -> tuple[dict[str, Any], bytes]:
    """Read a message with at most so many bytes. Raises EOFError at the end, and ValueError for anything else."""
    header_length, data_length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if header_length > LONGEST_HEADER or data_length > limit:
        raise ValueError("a message is too long")
    header = json.loads(_exactly(stream, header_length))
    if not isinstance(header, dict):
        raise ValueError("a message is not an object")
    return header, _exactly(stream, data_length)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data


# --- the process


def confine() -> None:
    """From now on this process gets no more memory than it needs, writes no file, and is the first to be killed."""
    import resource  # Windows lacks it: there only the parent's time limit protects

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> None:
    """Answer until the input ends."""
    import pillow_heif  # noqa: F401  # before the memory is bounded, so that it is there

    Image.init()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # what a decoder prints is not an answer,
    os.dup2(silence, 2)  # and tells things about a stranger's image that belong in no log
    confine()
    send(answers, {})
    while True:
        try:
            header, data = receive(requests, sys.maxsize)
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, header["seconds"])  # ends this process even where nobody else can
        try:
            stored = stored_image(data, header["name"], StorageFormat(**header["form"]))
        except ImageError as error:
            send(answers, {"error": str(error)})
        else:
            send(answers, {"shrunk": stored.shrunk, "file": len(stored.file)}, stored.file + stored.thumbnail)
        signal.setitimer(signal.ITIMER_REAL, 0)
        del data


def request(name: str, form: StorageFormat, seconds: float) -> dict[str, Any]:
    """The header of a request whose data are the file; the process ends itself after so many seconds."""
    return {"name": name, "form": asdict(form), "seconds": seconds}


if __name__ == "__main__":
    main()
