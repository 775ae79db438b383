"""Classifier files whose header is made to cost memory, or lies."""

import json
from collections.abc import Awaitable, Callable

from benchmarks.harness.abuse.base import Attack, Target, shown

MEGABYTE = 2**20
FORMAT, HEADER = "crosspool classifier 1", "crosspool"  # as in crosspool.classifier_files
LABEL = "A file from Train & compare"


def _stating(settings: str) -> bytes:
    """A header that is read as far as its settings."""
    return json.dumps({"__metadata__": {HEADER: f'{{"format": "{FORMAT}", {settings}}}'}}, ensure_ascii=False).encode()


def _objects() -> bytes:
    return _stating('"photographs": [' + "{}," * (9 * MEGABYTE) + "{}]")


def _nested() -> bytes:
    return _stating('"photographs": ' + "[" * (8 * MEGABYTE) + "]" * (8 * MEGABYTE))


def _strings() -> bytes:
    return _stating('"dataset": ' + f'"{"é" * (8 * MEGABYTE)}"')


def _names() -> bytes:
    names = ",".join(f'"{number}"' for number in range(10**6))
    return _stating(f'"method": "{"sum@128+" * 500}", "classes": [{names}], "versions": {{}}')


def _tensors() -> bytes:
    tensor = {"dtype": "F32", "shape": [], "data_offsets": [0, 0]}
    return json.dumps({f"tensor {number}": tensor for number in range(300_000)}).encode()


def _forged() -> bytes:
    shape = {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 2**64 - 1]}
    return json.dumps({"weights": shape, "intercept": shape}).encode()


def _file(header: bytes, declared: int | None = None) -> bytes:
    return (len(header) if declared is None else declared).to_bytes(8, "little") + header


def _uploading(make: Callable[[], bytes], at_once: int = 2) -> Callable[[Target], Awaitable[None]]:
    """An attack that loads such a file, by so many visits at a time."""

    async def attack(target: Target) -> None:
        data = make()

        async def visit(number: int) -> str:
            async with target.tab("/contributions") as tab:
                await tab.upload(("a.safetensors", data), name=LABEL)
                return shown(tab.page, "accepted")

        await target.repeat(visit, at_once)

    return attack


REFUSAL = "not a|not consistent|header|cannot be|too (many|long|large)|crosspool classifier|settings|[Dd]amaged"
ATTACKS = (
    Attack(
        "header-objects",
        "Classifier files whose settings are a list of nine million empty objects (28 MB).",
        _uploading(lambda: _file(_objects())),
        REFUSAL,
    ),
    Attack(
        "header-nested",
        "Classifier files whose settings are nested eight million deep (16 MB).",
        _uploading(lambda: _file(_nested())),
        REFUSAL,
    ),
    Attack(
        "header-strings",
        "Classifier files with a text of eight million characters in their header (16 MB).",
        _uploading(lambda: _file(_strings())),
        REFUSAL,
    ),
    Attack(
        "header-tensors",
        "Classifier files that name 300,000 empty tensors (21 MB).",
        _uploading(lambda: _file(_tensors())),
        REFUSAL,
    ),
    Attack(
        "header-lengths",
        "Classifier files whose header declares 2⁶⁴ − 1 bytes, though it has ten.",
        _uploading(lambda: _file(b'{"a": {}}\n', 2**64 - 1)),
        REFUSAL,
        times=1,
    ),
    Attack(
        "header-shapes",
        "Classifier files whose arrays have 2⁶² numbers by their shape, and none in the file.",
        _uploading(lambda: _file(_forged())),
        REFUSAL,
        times=1,
    ),
    Attack(
        "header-classes",
        "Classifier files of a million classes, by a method of 500 parts (9 MB).",
        _uploading(lambda: _file(_names())),
        REFUSAL,
    ),
)
