"""What crosspool requires is read from its metadata, or from a clone's own list; its app's files are found in both."""

from importlib.metadata import PackageNotFoundError

import pytest

from crosspool import installation
from crosspool.installation import app_folder, missing, requirements

METADATA = [
    "numpy<3,>=2.1",
    "no-such-package==1.0",
    'tomli>=2; python_version < "3.11"',
    'streamlit<2,>=1.67; extra == "app"',
    'no-such-app; extra == "app"',
    'mkdocs; extra == "docs"',
]


@pytest.fixture
def metadata(monkeypatch):
    monkeypatch.setattr(installation, "requires", lambda name: METADATA)


@pytest.fixture
def not_installed(monkeypatch):
    def requires(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "requires", requires)


def test_requirements_come_from_the_metadata(metadata) -> None:
    assert [each.name for each in requirements()] == ["numpy", "no-such-package"]
    assert [each.name for each in requirements("app")] == ["streamlit", "no-such-app"]
    assert str(requirements()[0].specifier) == "<3,>=2.1"


def test_missing_packages(metadata) -> None:
    assert missing() == ["no-such-package"]
    assert missing("app") == ["no-such-app"]


def test_a_clone_that_is_not_installed_has_its_own_list(not_installed) -> None:
    library, app = ({each.name for each in requirements(extra)} for extra in ("", "app"))
    assert {"torch", "scikit-learn", "scipy", "platformdirs", "pydantic", "cachetools"} <= library
    assert {"streamlit", "prometheus-client", "psutil"} <= app
    assert not library & app


def test_the_apps_files_are_in_the_wheel_or_in_the_clone(monkeypatch, tmp_path) -> None:
    assert (app_folder() / "app.py").is_file()
    monkeypatch.setattr(installation, "PACKAGE", tmp_path / "crosspool")
    assert app_folder() == tmp_path
    (tmp_path / "crosspool" / "app").mkdir(parents=True)
    assert app_folder() == tmp_path / "crosspool" / "app"
