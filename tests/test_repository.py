"""The repository itself: no paths of one machine, no dead links, one list of dependencies."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from packaging.requirements import Requirement

import crosspool
from crosspool.installation import requirements

ROOT = Path(__file__).resolve().parent.parent

# Joined here, so that this file does not hold what it looks for.
HOMES = "|".join(("work", "root", r"home/[a-z_][\w-]*", r"Users/\w+"))
MACHINE_PATH = re.compile((r"(?<![\w.~$})-])/(?:" + HOMES + ")/").encode())

LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?[^)]*\)"  # [text](target "title"), ![text](target)
    r"|<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)=\"([^\"]+)\""
)
NOT_LOCAL = re.compile(r"[a-z][a-z0-9+.-]*:|#|//", re.IGNORECASE)


def tracked() -> list[Path]:
    try:
        done = subprocess.run(
            ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [ROOT / name.decode() for name in done.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def lines_of(name: str) -> list[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def local_links(text: str) -> set[str]:
    targets = {inline or html for inline, html in LINK.findall(without_code(text))}
    return {unquote(target.split("#")[0]) for target in targets if not NOT_LOCAL.match(target)}


def test_no_machine_paths_are_tracked() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for path in tracked()
        if (match := MACHINE_PATH.search(path.read_bytes()))
    ]
    assert found == []


@pytest.mark.parametrize("home", ["work", "root", "home/ada", "Users/ada"])
def test_machine_paths_are_recognised(home: str) -> None:
    assert MACHINE_PATH.search(f'open("/{home}/photo.jpg")'.encode())
    assert not MACHINE_PATH.search(f"https://example.org/{home}/photo.jpg".encode())


def test_local_links_are_recognised() -> None:
    text = """[a](docs/a%20b.md#top) ![p](p.png 'title') [![badge](b.svg)](LICENSE)
    [w](https://x.org) [h](#here) `[c](c.md)` <img width="9" src="i.svg">"""
    assert local_links(text) == {"docs/a b.md", "p.png", "b.svg", "LICENSE", "i.svg"}


def test_links_and_images_exist() -> None:
    folders = [ROOT / name for name in ("assets", "benchmarks", "docs")]
    pages = sorted({*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md"))})
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in sorted(local_links(page.read_text(encoding="utf-8")))
        if not (page.parent / link).exists()
    ]
    assert dead == []


def test_the_architecture_names_what_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:crosspool|tests|docs|pages|assets)/[\w./]*)`", text))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    rooms = {path.parent.name for path in (ROOT / "crosspool").rglob("__init__.py")} - {"crosspool", "fieldguide"}
    assert {room for room in rooms if f"  {room}/" not in text} == set()
    diagram = set(re.findall(r"\w+", text.partition("```")[2].partition("```")[0]))
    modules = {path.stem for path in (ROOT / "crosspool").glob("*.py")} - {"__init__", "__main__"}
    assert modules - diagram == set(), "modules that the diagram lacks"


def test_the_website_has_every_guide_and_every_public_name() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2].partition("exclude_docs")[0]
    guides = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert guides <= set(re.findall(r": ([\w.]+\.md)", menu))
    hooks = (ROOT / "docs" / "hooks.py").read_text(encoding="utf-8")
    links = {link for page in ROOT.glob("*.md") for link in local_links(page.read_text(encoding="utf-8"))}
    assert [
        link for link in sorted(links) if f'"{link}"' not in hooks and link.removeprefix("docs/") not in guides
    ] == []
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    # `architecture` is the name of a module, too, which the website's tool would document in its place.
    names = [*re.findall(r"^::: crosspool\.(\w+)$", reference, re.MULTILINE), "architecture"]
    assert sorted(names) == sorted(crosspool.__all__)


def test_one_list_of_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert lines_of("requirements.txt") == ["-e .[app,networks,store]"]
    extras = project["optional-dependencies"]
    listed = [Requirement(line) for line in [*project["dependencies"], *extras["app"], *extras["networks"]]]
    names = [requirement.name.lower() for requirement in listed]
    assert len(set(names)) == len(names)
    assert all(requirement.specifier for requirement in listed), "every dependency has a range"
    assert set(extras["timm"]) <= set(lines_of("requirements-dev.txt")), "tests need it, and in the same range"
    exact = {requirement.name: str(requirement.specifier) for requirement in listed}
    assert (exact["torch"], exact["torchvision"]) == ("==2.13.0", "==0.28.0"), "built for each other"


def test_the_library_and_the_command_line_do_not_need_the_apps_packages() -> None:
    assert not {requirement.name for requirement in requirements()} & {
        "streamlit", "pydantic-settings", "prometheus-client", "psutil"
    }  # fmt: skip


def test_actions_are_pinned_to_a_commit_and_named_by_their_version() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    used = [line for path in workflows for line in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))]
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_images_of_the_workflows_are_pinned() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    named = [name for path in workflows for name in re.findall(r"[\w-]+/[\w-]+:\S+", path.read_text(encoding="utf-8"))]
    assert named
    assert [name for name in named if not re.search(r"@sha256:[0-9a-f]{64}$", name)] == []


def test_the_search_for_secrets_finds_one_and_is_the_same_everywhere(tmp_path: Path) -> None:
    commands = [
        re.findall(r"detect-secrets-hook (.*)", (ROOT / name).read_text(encoding="utf-8").replace("$$", "$"))
        for name in (".pre-commit-config.yaml", "Makefile")
    ]
    assert commands[0] == commands[1]
    hook = [sys.executable, "-m", "detect_secrets.pre_commit_hook", *shlex.split(commands[0][0])]
    key = "AKIA" + "QYLPMN5H" * 2  # joined here, so that this file has none
    planted, innocent = tmp_path / "settings.py", tmp_path / "lock.py"
    planted.write_text(f'KEY = "{key}"\n', encoding="utf-8")
    innocent.write_text('VERSION = "0.1.0"\n', encoding="utf-8")
    results = [
        subprocess.run([*hook, str(path)], cwd=tmp_path, capture_output=True, text=True, check=False)
        for path in (planted, innocent)
    ]
    assert [result.returncode for result in results] == [1, 0]
    assert "AWS Access Key" in results[0].stdout
    assert key not in results[0].stdout


def test_vulnerabilities_are_reported_privately() -> None:
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in policy
    assert "@" not in policy, "no address is made up"
    for name in ("README.md", "CONTRIBUTING.md"):
        assert "SECURITY.md" in local_links((ROOT / name).read_text(encoding="utf-8")), name


def test_development_adds_to_the_run_time_list() -> None:
    first, *more = lines_of("requirements-dev.txt")
    assert first == "-r requirements.txt"
    apart = lines_of("requirements-supply.txt")
    run_time = {each.name.lower() for extra in ("", "app", "networks") for each in requirements(extra)}
    assert not run_time & {Requirement(line).name.lower() for line in [*more, *apart]}
