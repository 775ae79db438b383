"""What runs a part of a network: torch itself, or ONNX Runtime on a CPU, which takes a third to a half of the time.

torch is the reference, is always there, and runs on every device. On a CPU the same part of the same network by the
same engine, with as many threads, gives the same bits, whatever runs beside it; by ONNX Runtime however images are
grouped, while by torch the last bits may depend on how many share a batch. Only "bfloat16", which is torch with numbers
of 16 bits, for processors that have units for them, does not give torch's numbers; it says by how much they differ.
"""

from typing import Literal, TypeAlias, get_args

from crosspool.errors import SettingError

EngineName: TypeAlias = Literal["auto", "torch", "onnxruntime", "bfloat16"]


def expect_engine(name: str) -> None:
    """Raise SettingError where this is not the name of an engine."""
    if name not in get_args(EngineName):
        raise SettingError(f"The engine must be auto, torch, onnxruntime or bfloat16, not {name!r}.")
