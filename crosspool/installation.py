"""The installation: where the app's files are, and which packages crosspool requires."""

import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

PACKAGE = Path(__file__).resolve().parent


def app_folder() -> Path:
    """The folder of app.py, pages/, assets/ and .streamlit/: inside the wheel, or the root of a clone."""
    inside = PACKAGE / "app"
    return inside if inside.is_dir() else PACKAGE.parent


def requirements(extra: str = "") -> tuple[Requirement, ...]:
    """The requirements of the library and the command line, or those that an extra such as `app` adds."""
    listed = map(Requirement, _listed())
    return tuple(each for each in listed if _is_for(each, extra) and not (extra and _is_for(each, "")))


def _listed() -> list[str]:
    try:
        return requires("crosspool") or []
    except PackageNotFoundError:  # a clone that is run without being installed
        project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    return [*project["dependencies"], *(_of_extra(line, extra) for extra, lines in extras for line in lines)]


def _of_extra(line: str, extra: str) -> str:
    """A requirement of an extra, marked as an installed package marks it."""
    package, _, marker = line.partition(";")
    return f'{package}; extra == "{extra}"' + (f" and ({marker.strip()})" if marker else "")


def _is_for(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def installed_version(package: str) -> str | None:
    """The version of a package, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def missing(extra: str = "") -> list[str]:
    """The names of the packages in `requirements` that are not installed."""
    return [each.name for each in requirements(extra) if installed_version(each.name) is None]
