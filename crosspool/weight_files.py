"""What a file of weights is told by, without torch: whether it is of safetensors, a torch checkpoint or a program."""

import zipfile
from pathlib import Path

_PICKLE = b"\x80"  # and the protocol's number, which torch's own files of before 2020 begin with


def is_safetensors(path: Path) -> bool:
    """Whether a file begins with the length of a header, and a header in JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def is_torch_script(path: Path) -> bool:
    """Whether a file is a program that torch.jit.save wrote, instead of a pickle."""
    return "constants.pkl" in _names_in_zip(path)


def is_weights_file(path: Path) -> bool:
    """Whether a file begins as weights do, in any form that torch or safetensors write."""
    if {"data.pkl", "version"} <= _names_in_zip(path) or is_safetensors(path):
        return True
    with path.open("rb") as file:
        start = file.read(2)
    return start[:1] == _PICKLE and start[1:] in (b"\2", b"\3", b"\4", b"\5")


def _names_in_zip(path: Path) -> set[str]:
    """The names of a ZIP's members, without their folders; none of another file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {Path(name).name for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return set()
