"""What a case is and how it is judged, and damage that suits any file.

A `Kind` makes a case out of a random generator, as bytes, so that it can be kept in a file, and judges what crosspool
does with it: it is taken, and what came of it is as it should be, or it is refused with one clear sentence.
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

LONGEST_SENTENCE = 400  # beside names that came with the file
TAKEN = ""
NUMBERS = (0, 1, 2, 7, 15, 16, 17, 255, 256, 4095, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)

Mutation = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Kind:
    """What is tried: `make` gives one case, `judge` the sentence that refuses it or TAKEN. `warm` goes before all."""

    name: str
    make: Callable[[Random], bytes]
    judge: Callable[[bytes], str]
    warm: Callable[[], object] = lambda: None

    def case(self, seed: int, index: int) -> bytes:
        """The case of this number, the same on every machine and in any order."""
        return self.make(Random(f"{seed} {self.name} {index}"))


def clear(sentence: str, names: int = 0) -> str:
    """The sentence, if it is one: in one line, with its end, without a place on this machine, and not long.

    It may repeat names from a file, of this many characters.
    """
    assert sentence, "nothing is said"
    assert sentence.isprintable(), f"characters that steer a terminal: {sentence!r}"
    assert len(sentence) <= LONGEST_SENTENCE + names, f"{len(sentence)} characters: {sentence}"
    assert re.search(r"[.?]$|with: crosspool \w+$", sentence), f"no full stop: {sentence}"
    for place in {tempfile.gettempdir(), os.getcwd(), str(Path.home()), sys.prefix}:
        assert f"{place}/" not in sentence, f"names a place of the server's: {sentence}"
    return sentence


# --- damage that suits any file


def flip(data: bytes, random: Random) -> bytes:
    """Some bits turned over, often at the beginning, where headers are."""
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        damaged[place(data, random)] ^= 1 << random.randrange(8)
    return bytes(damaged)


def overwrite(data: bytes, random: Random) -> bytes:
    """A run of bytes made zeros, ones or noise."""
    start, length = place(data, random), random.choice((1, 4, 16, 200))
    run = random.choice((bytes(length), b"\xff" * length, random.randbytes(length)))[: len(data) - start]
    return data[:start] + run + data[start + len(run) :]


def number(data: bytes, random: Random) -> bytes:
    """A number that programs stumble over where another one stood, of any width and either order of its bytes."""
    return number_at(data, place(data, random), random.choice((1, 2, 4, 8)), random)


def number_at(data: bytes, start: int, width: int, random: Random) -> bytes:
    value = random.choice(NUMBERS) % 256**width
    written: bytes = value.to_bytes(width, random.choice(("little", "big")))
    return data[:start] + written[: len(data) - start] + data[start + width :]


def cut(data: bytes, random: Random) -> bytes:
    """The end missing."""
    return data[: random.randrange(len(data))]


def leave_out(data: bytes, random: Random) -> bytes:
    """A piece missing."""
    start = place(data, random)
    return data[:start] + data[start + random.choice((1, 4, 16, 200)) :]


def repeat(data: bytes, random: Random) -> bytes:
    """A piece over and over."""
    start = place(data, random)
    end = start + random.choice((1, 12, 50, 400))
    return data[:end] + data[start:end] * random.choice((1, 3, 100, 1000)) + data[end:]


def append(data: bytes, random: Random) -> bytes:
    """Something behind the end."""
    return data + random.choice((bytes(10_000), random.randbytes(100), data))


def place(data: bytes, random: Random) -> int:
    """Somewhere in the data, every other time near the beginning."""
    return random.randrange(min(len(data), random.choice((64, 64, 400, len(data), len(data)))))


ANYWHERE: tuple[Mutation, ...] = (flip, overwrite, number, number, cut, leave_out, repeat, append)


def damaged(data: bytes, random: Random, mutations: tuple[Mutation, ...] = ANYWHERE) -> bytes:
    """The data after one to three kinds of damage, and now and then as they were."""
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 2, 3))):
        data = random.choice(mutations)(data, random) if data else data
    return data
