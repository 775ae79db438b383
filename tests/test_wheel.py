"""The wheel has every file of the tree, serves the app without a clone, and does without the app's packages."""

import importlib.metadata
import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmarks.harness.visits import Visit
from crosspool.installation import requirements
from tests.conftest import ROOT, served

SECONDS = 240  # the machine may be small and busy
PAGES = {  # the titles by the names in the menu
    "Why this class?": "Why this class?",
    "Build the feature": "Build the feature",
    "Guided lesson": "Guided lesson",
    "Train & compare": "Train & compare",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        ".",
    ]
    subprocess.run(build, cwd=ROOT, timeout=SECONDS, check=True)
    (path,) = folder.glob("*.whl")
    return path


def installed(wheel, folder, without=()):
    """A new environment with the wheel and what this one has, but for the packages `without`; its `crosspool`.

    Links stand in for copies of what takes gigabytes.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], timeout=SECONDS, check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    left_out = {"crosspool", *without}
    names = {
        Path(file.parts[0])
        for distribution in importlib.metadata.distributions()
        if distribution.name.lower() not in left_out
        for file in distribution.files or ()
        if file.parts[0] not in {"..", "__pycache__"}
    }
    for name in names:
        (packages / name).symlink_to(Path(sysconfig.get_path("purelib")) / name)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", str(wheel)], timeout=SECONDS, check=True)
    return folder / "bin" / "crosspool"


def test_the_wheel_has_every_file_of_the_tree_and_no_other(wheel):
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    tree = [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]
    package = {path for path in tree if path.startswith("crosspool/")}
    app = {
        f"crosspool/app/{path}" for path in tree
        if path in {"app.py", ".streamlit/config.toml"} or path.startswith(("pages/", "assets/"))
    }  # fmt: skip
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    assert names == package | app
    assert {Path(name).suffix for name in names} >= {".js", ".css", ".html", ".jpg", ".json", ".toml", ".typed"}


@pytest.mark.browser
def test_the_wheel_serves_every_page_from_an_empty_folder(wheel, tmp_path, browser):
    crosspool = installed(wheel, tmp_path / "environment")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with served(tmp_path, [str(crosspool), "serve", "--port"], elsewhere) as url:
        window = Visit(browser.new_page(viewport={"width": 1440, "height": 900}), url).go(size="128")
        colour = window.page.get_by_role("heading", name="Weighting maps").evaluate("h1 => getComputedStyle(h1).color")
        assert colour == "rgb(20, 32, 31)", "the theme of .streamlit/config.toml"
        for name, title in PAGES.items():
            window.page.get_by_role("link", name=name).first.click()
            expect(window.page.get_by_role("heading", name=title, exact=True)).to_be_visible()
            window.settle()
        window.page.close()
        window.expect_no_complaints()
    assert list(elsewhere.iterdir()) == []


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """Runs `crosspool` (or `python`) where the app's packages are not installed, in an empty folder."""
    folder = tmp_path_factory.mktemp("bare")
    crosspool = installed(wheel, folder / "environment", {each.name for each in requirements("app")})

    def run(program, *arguments):
        command = [str(crosspool.with_name(program)), *map(str, arguments)]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)

    return run


def test_the_library_maps_and_evaluate_work_without_the_apps_packages(bare, tmp_path):
    maps = ["maps", str(ROOT / "assets" / "samples" / "cat.jpg"), "--size", "128", "--out", str(tmp_path / "maps.png")]
    evaluate = ["evaluate", "fieldguide:2", "--methods", "global@128", "--splits", "2", "--cache", str(tmp_path)]
    code = (  # one process, as each takes seconds to load torch
        "import crosspool; from crosspool.cli import main; assert crosspool.load_image; "
        f"assert main({maps}) == 0; print('evaluate:'); assert main({[*evaluate, '--json']}) == 0; import streamlit"
    )
    done = bare("python", "-c", code)
    assert done.stderr.endswith("No module named 'streamlit'\n")
    assert (tmp_path / "maps.png").stat().st_size > 10_000
    assert json.loads(done.stdout.partition("evaluate:")[2])


def test_serve_says_what_to_install(bare):
    done = bare("crosspool", "serve")
    assert done.returncode == 2
    assert done.stderr.startswith("crosspool: The app needs packages that are not installed (")
    assert done.stderr.endswith("python -m pip install 'crosspool[app]'\n")
