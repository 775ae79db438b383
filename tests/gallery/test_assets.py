"""Modules joined into one script, each in its own scope."""

from pathlib import Path

import pytest

import crosspool
from crosspool.gallery import assets
from crosspool.gallery.assets import script

PACKAGE = Path(crosspool.__file__).parent


@pytest.fixture
def use_files(monkeypatch):
    """A function that replaces the package's files by texts, {path: text}."""
    return lambda texts: monkeypatch.setattr(assets, "asset", texts.__getitem__)


def test_an_imported_module_has_its_own_scope(use_files):
    use_files(
        {
            "ui/bars.js": 'import { GAP, Wall } from "../gallery/wall.js";\n\nexport default function () {}\n',
            "gallery/wall.js": "const FRAME = 5;\nexport const GAP = 8;\nexport class Wall {}\n",
        }
    )
    assert script("ui/bars.js") == (
        "const gallery_wall_js = (() => {\n"
        "const FRAME = 5;\nconst GAP = 8;\nclass Wall {}\n"
        "return { GAP, Wall };\n})();\n"
        "const { GAP, Wall } = gallery_wall_js;\n\nexport default function () {}\n"
    )


def test_a_module_imported_by_several_is_included_once_and_first(use_files):
    importing = 'import { a } from "./a.js";\n'
    use_files(
        {
            "page.js": 'import { c } from "./c.js";\nimport { b } from "./b.js";\n',
            "c.js": f"{importing}export const c = a;\n",
            "b.js": f"{importing}export const b = a;\n",
            "a.js": "export function a() {}\n",
        }
    )
    text = script("page.js")
    positions = [text.index(f"const {name}_js = ") for name in "acb"]
    assert positions == sorted(positions)
    assert text.count("function a()") == 1


@pytest.mark.parametrize(
    ("page", "other", "error"),
    [
        ('import a from "./other.js";', "", "page.js: cannot read 'import a from"),
        ('import { a as b } from "./other.js";', "", "page.js: cannot read"),
        ('import { a } from "other";', "", "page.js: cannot read"),
        ('import { a } from "./other.js";', "export let a = 1;", "other.js: cannot read 'export let a = 1;'"),
        ('import { a } from "./other.js";', "export default function () {}", "other.js: cannot read"),
        ('import { a } from "./other.js";', "const a = 1;", "page.js imports a, which other.js does not export"),
        (
            'import { a } from "./other.js";',
            'import { b } from "./page.js";\nexport const a = b;',
            "other.js and page.js import each other",
        ),
    ],
)
def test_unsupported_syntax_is_refused(use_files, page, other, error):
    use_files({"page.js": page, "other.js": other})
    with pytest.raises(ValueError, match=error):
        script("page.js")


def test_every_script_of_the_package_is_used():
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.js")}
    classic = "ui/serving/full.js", "ui/serving/history.js"  # parts of the document itself
    entries = ["gallery/standalone.js", *classic, *(path for path, text in texts.items() if "export default" in text)]
    scripts = "".join(map(script, entries))
    unused = [path for path in texts if path not in entries and assets._constant(path) not in scripts]
    assert unused == []
    assert len(entries) > 5
