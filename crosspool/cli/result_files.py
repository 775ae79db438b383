"""The folder of files that `evaluate --out` writes, each replaced whole."""

import json
import re
from contextlib import suppress
from pathlib import Path

from crosspool.cli.outputs import made_folder, replacing
from crosspool.evaluation.findings import Findings

RECORD = "results.json"
OWN_FILES = re.compile(
    r"results\.(csv|md)|(paired|predictions)\.csv|accuracy-against-bytes\.(png|svg)|confusion-[\w.@+-]+\.(csv|png)",
    re.ASCII,
)


def write_results(folder: Path, findings: Findings) -> list[str]:
    """Write all files and return their names; what an earlier run wrote here and this one does not is removed."""
    from crosspool.evaluation.files import files_of

    made_folder(folder)
    files = files_of(findings)
    earlier = _files_of(folder / RECORD)
    for number, (name, contents) in enumerate(files.items()):
        with replacing(folder / name) as temporary:
            temporary.write_bytes(contents())
        if number == 0:  # the record of what is here
            for old in earlier - set(files):
                _remove(folder / old)
    return list(files)


def _files_of(record: Path) -> set[str]:
    """What the run that wrote results.json says that it wrote, as far as those are names that this tool gives."""
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    listed = document.get("files") if isinstance(document, dict) else None
    names = listed if isinstance(listed, list) else []
    return {name for name in names if isinstance(name, str) and OWN_FILES.fullmatch(name)}


def _remove(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        with suppress(OSError):
            path.unlink()
