"""Classifier files whose header is made to cost memory, or lies."""

import json
from collections.abc import Awaitable, Callable

from benchmarks.harness.abuse.base import Attack, Target, shown

MEGABYTE = 2**20
LABEL = "A file from Train & compare"


def _objects() -> bytes:
    return b'{"a":[' + b"{}," * (9 * MEGABYTE) + b"{}]}"


def _nested() -> bytes:
    return b'{"a":' * (4 * MEGABYTE) + b"1" + b"}" * (4 * MEGABYTE)


def _strings() -> bytes:
    return json.dumps({"__metadata__": {"crosspool": "é" * (8 * MEGABYTE)}}, ensure_ascii=False).encode()


def _tensors() -> bytes:
    tensor = {"dtype": "F32", "shape": [], "data_offsets": [0, 0]}
    return json.dumps({f"tensor {number}": tensor for number in range(300_000)}).encode()


def _small(settings: dict[str, object]) -> bytes:
    return json.dumps({"__metadata__": {"crosspool": json.dumps(settings)}}).encode()


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


REFUSAL = "not a|header|cannot be|too (many|long|large)|crosspool classifier|settings|[Dd]amaged"
ATTACKS = (
    Attack(
        "header-objects",
        "Classifier files whose header is a list of ten million empty objects (28 MB).",
        _uploading(lambda: _file(_objects())),
        REFUSAL,
    ),
    Attack(
        "header-nested",
        "Classifier files whose header is nested four million deep (24 MB).",
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
        "header-settings",
        "Classifier files that are trained by a method of 4,000 parts.",
        _uploading(lambda: _file(_small({"method": "sum@128+" * 500, "classes": ["a"] * 100_000}))),
        REFUSAL,
    ),
)
