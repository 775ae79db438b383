"""A process that reads visitors' files: it brings images into the form in which they are stored, and says what is in
classifiers' files.

`python -m crosspool.ui.runtime.decode_worker` reads requests from its standard input and answers on its standard output
until the input ends.

A bomb that fills the memory, a decoder that crashes or one that never returns then costs nothing but this process.
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

from crosspool.errors import ImageError, ModelError
from crosspool.images import frame_count, load_image, shrink_image, shrunk_file
from crosspool.inspection.image import ImageFacts, image_facts
from crosspool.sound_metadata import JPEG_SIGNATURE, PNG_SIGNATURE, with_sound_metadata
from crosspool.strict_json import json_text
from crosspool.ui.runtime.confinement import confine
from crosspool.ui.runtime.described_classifiers import description

MEMORY = 2**30  # bytes of address space: images of 50 million pixels fit, except a few rare kinds
# Of files that the server decodes itself, JPEG and PNG; others, and colour profiles, only this process reads.
PLAIN_SIGNATURES = (JPEG_SIGNATURE, PNG_SIGNATURE)
QUICK_SECONDS = 0.5  # of a core; a file that takes longer is encoded again, so that this happens only once
LONGEST_HEADER = 2**16
THUMBNAIL_QUALITY = 88  # of JPEG
Message = tuple[dict[str, Any], bytes]  # a header, and the data after it
_LENGTHS = struct.Struct(">II")  # of the JSON object and of the bytes after it


@dataclass(frozen=True)
class StorageFormat:
    """The form in which images are stored: sides of at most `side` pixels, and files of at most `largest` bytes.

    Images with more pixels are shrunk, and encoded as JPEG of this `quality`. Files with only more bytes, of other
    formats than JPEG and PNG, and with a colour profile are encoded again, too; if `exact` as PNG, so that no pixel
    changes. `thumbnail` is the side of the square thumbnail. `facts` is whether the original is described, too.
    """

    side: int
    largest: int
    quality: int
    exact: bool
    thumbnail: int
    facts: bool = False


@dataclass(frozen=True)
class StoredImage:
    """An image as it is stored: its file, whether that has fewer pixels than the original, and a JPEG thumbnail.

    `frames` is how many the original has, of which this is the first. `facts` are about the original.
    """

    file: bytes
    shrunk: bool
    thumbnail: bytes
    frames: int
    facts: ImageFacts | None = None


def stored_image(data: bytes, name: str, form: StorageFormat) -> StoredImage:
    """An image in the form in which it is stored; `name` is for messages. Raises ImageError."""
    start = time.process_time()
    image = load_image(data, name=name)
    is_quick = time.process_time() - start < QUICK_SECONDS
    frames = frame_count(data)
    facts = image_facts(data, image, name) if form.facts else None
    is_large = max(image.size) > form.side
    image = shrink_image(image, form.side)
    thumbnail = BytesIO()
    ImageOps.fit(image, (form.thumbnail, form.thumbnail)).save(thumbnail, "JPEG", quality=THUMBNAIL_QUALITY)
    if is_large or len(data) > form.largest or not is_quick or not _is_plain(data):
        file = BytesIO()
        if form.exact and not is_large:
            image.save(file, "PNG", compress_level=1)
        else:
            file.write(shrunk_file(image, form.side, form.quality))
        data = file.getvalue()
    return StoredImage(data, is_large, thumbnail.getvalue(), frames, facts)


def _is_plain(data: bytes) -> bool:
    if not data.startswith(PLAIN_SIGNATURES):
        return False
    with Image.open(BytesIO(with_sound_metadata(data))) as image:  # as it was read before
        return "icc_profile" not in image.info


# --- messages


def send(stream: IO[bytes], header: Mapping[str, Any], data: bytes = b"") -> None:
    """Write one message."""
    encoded = json_text(header).encode()
    stream.write(_LENGTHS.pack(len(encoded), len(data)) + encoded)
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes], limit: int) -> Message:
    """Read a message with at most `limit` bytes. Raises EOFError at the end, and ValueError for a wrong message."""
    header_length, data_length = _LENGTHS.unpack(_read(stream, _LENGTHS.size))
    if header_length > LONGEST_HEADER or data_length > limit:
        raise ValueError("a message is too long")
    header = json.loads(_read(stream, header_length))
    if not isinstance(header, dict):
        raise ValueError("a message is not an object")
    return header, _read(stream, data_length)


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data


# --- the process


def main() -> None:
    """Answer requests until the input ends."""
    import pillow_heif  # noqa: F401  # loaded before the memory is limited

    Image.init()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # a decoder's output is not an answer,
    os.dup2(silence, 2)  # and may say things about a visitor's image that belong in no log
    send(answers, {"confinement": confine(MEMORY)})
    while True:
        try:
            header, data = receive(requests, sys.maxsize)
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, header["seconds"])  # of its own work: other work does not count
        signal.setitimer(signal.ITIMER_REAL, header["wait"])  # ends this process even if the server was killed
        try:
            answer = _answer(header, data)
        except (ImageError, ModelError) as error:
            answer = {"error": str(error)}, b""
        send(answers, *answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        del data, answer


def _answer(header: Mapping[str, Any], data: bytes) -> Message:
    if header["form"] is None:
        return description(data, header["name"])
    stored = stored_image(data, header["name"], StorageFormat(**header["form"]))
    facts = None if stored.facts is None else asdict(stored.facts)
    about = {"shrunk": stored.shrunk, "frames": stored.frames, "file": len(stored.file), "facts": facts}
    return about, stored.file + stored.thumbnail


def request(name: str, form: StorageFormat | None, seconds: float, wait: float) -> dict[str, Any]:
    """The header of a request to store the image in its data or, without a form, to describe a classifier.

    The process ends itself after `seconds` of a core's work, or when `wait` seconds have passed.
    """
    return {"name": name, "form": None if form is None else asdict(form), "seconds": seconds, "wait": wait}


if __name__ == "__main__":
    main()
