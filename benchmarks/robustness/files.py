"""Does `load_image` read odd image files as others do?

`python -m benchmarks.robustness.files FOLDER` goes through all images in a folder and its subfolders. They are read in
another process, so that neither a crash nor a hang ends the run, and compared with a reference decoder: Chromium's
canvas, tifffile for TIFF (which needs imagecodecs for compressed ones), pillow-heif by itself for HEIF. It prints how
many were read, refused in a sentence, or failed otherwise; which differ in size, orientation, mean or correlation; and
which the reference reads and crosspool refuses. The exit status is 1 after a fault: another exception, a crash, a hang.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.harness.odd_files import Result, readings, report
from benchmarks.harness.pictures import is_image_file, kind_of_image
from benchmarks.harness.reference_decoders import references


def main(
    folder: Path,
    out: Annotated[Path | None, typer.Option(help="Write the tables to this file, too.")] = None,
) -> None:
    """Read all images of a folder, and compare."""
    files = sorted(path for path in folder.rglob("*") if is_image_file(path))
    if not files:
        raise SystemExit(f"There are no image files in {folder}.")
    results = []
    with references(files) as reference:
        for number, (path, reading) in enumerate(zip(files, readings(files), strict=True)):
            kind = kind_of_image(path.read_bytes()[:16])
            name = path.relative_to(folder).as_posix()
            results.append(Result(name, kind, reading, reference(number)))
    tables = report(results)
    print(tables)
    if out is not None:
        out.write_text(f"{tables}\n")
    sys.exit(any(result.reading.fault for result in results))


if __name__ == "__main__":
    typer.run(main)
