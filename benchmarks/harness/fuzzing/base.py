"""Cases and how they are judged, and damage that suits any file.

A `Kind` makes a case out of a random generator, as bytes, so that it can be stored in a file, and judges what crosspool
does with it: the case is accepted, and its result is as it should be, or it is refused with one clear sentence.
Everything else is a fault.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

LONGEST_SENTENCE = 400  # apart from names that came with the file
ACCEPTED = ""
NUMBERS = (0, 1, 2, 7, 15, 16, 17, 255, 256, 4095, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)

Mutation = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of cases: `make` returns one, `judge` the sentence that refuses it or ACCEPTED. `warm` runs before all."""

    name: str
    make: Callable[[Random], bytes]
    judge: Callable[[bytes], str]
    warm: Callable[[], object] = lambda: None

    def case(self, seed: int, index: int) -> bytes:
        """The case of this number, the same on every machine and in any order."""
        return self.make(Random(f"{seed} {self.name} {index}"))


def check_sentence(sentence: str, names: int = 0) -> str:
    """The sentence, which must be in one line, with its end, without a path on this machine, and not long.

    It may repeat names from a file, of at most this many characters.
    """
    assert sentence, "an empty sentence"
    assert sentence.isprintable(), f"characters that control a terminal: {sentence!r}"
    assert len(sentence) <= LONGEST_SENTENCE + names, f"{len(sentence)} characters: {sentence}"
    assert re.search(r"[.?]$|with: crosspool \w+$", sentence), f"no full stop: {sentence}"
    for folder in {tempfile.gettempdir(), os.getcwd(), str(Path.home()), sys.prefix}:
        assert f"{folder}/" not in sentence, f"names a folder of the server: {sentence}"
    return sentence


# --- damage that suits any file


def flip(data: bytes, random: Random) -> bytes:
    """Flip some bits, often at the beginning, where headers are."""
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        damaged[offset(data, random)] ^= 1 << random.randrange(8)
    return bytes(damaged)


def overwrite(data: bytes, random: Random) -> bytes:
    """Replace a run of bytes by zeros, ones or noise."""
    start, length = offset(data, random), random.choice((1, 4, 16, 200))
    run = random.choice((bytes(length), b"\xff" * length, random.randbytes(length)))[: len(data) - start]
    return data[:start] + run + data[start + len(run) :]


def put_number(data: bytes, random: Random) -> bytes:
    """Put a number that programs stumble over anywhere, of any width and either byte order."""
    return number_at(data, offset(data, random), random.choice((1, 2, 4, 8)), random)


def number_at(data: bytes, start: int, width: int, random: Random) -> bytes:
    value = random.choice(NUMBERS) % 256**width
    written: bytes = value.to_bytes(width, random.choice(("little", "big")))
    return data[:start] + written[: len(data) - start] + data[start + width :]


def cut(data: bytes, random: Random) -> bytes:
    """Remove the end."""
    return data[: random.randrange(len(data))]


def leave_out(data: bytes, random: Random) -> bytes:
    """Remove a piece."""
    start = offset(data, random)
    return data[:start] + data[start + random.choice((1, 4, 16, 200)) :]


def repeat(data: bytes, random: Random) -> bytes:
    """Repeat a piece."""
    start = offset(data, random)
    end = start + random.choice((1, 12, 50, 400))
    return data[:end] + data[start:end] * random.choice((1, 3, 100, 1000)) + data[end:]


def append(data: bytes, random: Random) -> bytes:
    """Add something after the end."""
    return data + random.choice((bytes(10_000), random.randbytes(100), data))


def offset(data: bytes, random: Random) -> int:
    """A random position in the data, every other time near the beginning."""
    return random.randrange(min(len(data), random.choice((64, 64, 400, len(data), len(data)))))


ANYWHERE: tuple[Mutation, ...] = (flip, overwrite, put_number, put_number, cut, leave_out, repeat, append)


def damaged(data: bytes, random: Random, mutations: tuple[Mutation, ...] = ANYWHERE) -> bytes:
    """The data after one to three kinds of damage, and sometimes unchanged."""
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 2, 3))):
        data = random.choice(mutations)(data, random) if data else data
    return data
