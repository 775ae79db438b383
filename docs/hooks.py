"""The website has the documents at the top of the repository, too, read from there, with their links adapted."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md"} | {
    name: name.lower() for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
}
FILES = ("LICENSE", "CITATION.cff", "assets/SAMPLES.md", "assets/screenshot.jpg", "examples/quickstart.ipynb")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents, and the files that they link to."""
    for name, address in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, address, content=re.sub(r"\]\(([^)#:]+)(#[^)]*)?\)", _adapted, text)))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def _adapted(link: re.Match[str]) -> str:
    target, anchor = link[1], link[2] or ""
    return f"]({PAGES.get(target, target.removeprefix('docs/'))}{anchor})"
