"""The website has documents from outside docs/, too, read from there, with their links adapted."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
}
FILES = (
    "LICENSE",
    "CITATION.cff",
    "assets/SAMPLES.md",
    "assets/screenshot.jpg",
    "assets/channels.webp",
    "examples/quickstart.ipynb",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents, and the files that they link to."""
    for name, address in PAGES.items():
        files.append(File.generated(config, address, content=_adapted(name)))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def _adapted(name: str) -> str:
    def address(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), link[1]))
        return f"]({PAGES.get(target, target.removeprefix('docs/'))}{link[2] or ''})"

    return re.sub(r"\]\(([^)#:]+)(#[^)]*)?\)", address, (ROOT / name).read_text(encoding="utf-8"))
