"""The files of deploy/: they fit the app, its settings and each other; `benchmarks.load.replicas` runs them."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from benchmarks.harness.nginx import at_ports
from crosspool.ui.runtime.settings import ServerSettings, read_settings

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
NGINX, IMAGE, COMPOSE = (
    (DEPLOY / name).read_text(encoding="utf-8") for name in ("nginx.conf", "Dockerfile", "compose.yaml")
)


def test_nginx_takes_what_the_app_takes():
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    assert int(megabytes) == ServerSettings().largest_file_megabytes + 1  # what goes around a file takes less


def test_nginx_takes_its_configuration(tmp_path):
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("nginx is not installed")
    conf = tmp_path / "nginx.conf"
    conf.write_text(at_ports(NGINX, 8642, {"app1": 8643, "app2": 8644}, tmp_path), encoding="utf-8")
    done = subprocess.run(
        [program, "-t", "-q", "-p", str(tmp_path), "-c", str(conf)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_tls_is_served_where_compose_says_and_by_what_it_mounts():
    tls, compose = ((DEPLOY / name).read_text(encoding="utf-8") for name in ("tls.conf", "compose.tls.yaml"))
    (listens,) = re.findall(r"listen (\d+) ssl;", tls)
    assert f':{listens}"]' in compose
    mounted = re.findall(r":(/etc/nginx/[\w./]+):ro", compose)
    (included,) = re.findall(r"include (/etc/nginx/tls\S+);", NGINX)
    assert included.replace("[.]", ".") in mounted
    for path in re.findall(r"ssl_certificate\w* (\S+);", tls):
        assert str(Path(path).parent) in mounted


def test_nginx_knows_the_replicas_of_compose_and_their_port():
    replicas = re.findall(r"^  (app\d):", COMPOSE, re.MULTILINE)
    assert re.findall(r"server (app\d):(\d+) ", NGINX) == [(name, "8501") for name in replicas]
    assert "--port=8501" in IMAGE
    assert "http://127.0.0.1:8501/ready" in IMAGE
    (listens,) = re.findall(r"listen (\d+);", NGINX)
    assert f":{listens}" in COMPOSE


def test_strangers_start_no_downloads():
    settings = dict(re.findall(r"^    (CROSSPOOL_\w+): \"(.*)\"$", COMPOSE, re.MULTILINE))
    assert read_settings(settings, DEPLOY).downloads == "off"


def test_nginx_hides_what_is_for_the_operator():
    hidden = re.findall(r"location ~ (\S+) \{\n\s+return 404;", NGINX)
    for path in ("/ready", "/metrics", "/_stcore/metrics"):
        assert any(re.search(pattern, path) for pattern in hidden), path


def test_the_image_has_what_the_app_needs_and_the_builder_is_given_it():
    copied = [path for line in re.findall(r"^COPY ([^-].*) \S+$", IMAGE, re.MULTILINE) for path in line.split()]
    locks = {path.name for path in DEPLOY.glob("*.lock")}
    given = re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert {path if path.endswith(".lock") else path.split("/")[0] for path in given} == set(copied)
    assert all((ROOT / path).exists() for path in given)
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    needed = {path.split("/")[0] for path in [*wheel["packages"], *wheel["force-include"]]}
    assert set(copied) == needed | {"LICENSE", "README.md", "pyproject.toml"} | {f"deploy/{name}" for name in locks}


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """By package: its version, and its checksums, in a list that `make lock` has written."""
    entries = re.split(r"^(?=[a-z0-9])", (DEPLOY / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    packages: dict[str, tuple[str, list[str]]] = {}
    for entry in entries:
        pin, *rest = entry.split()
        package, _, version = pin.partition("==")
        packages[canonicalize_name(package)] = version, [word for word in rest if word.startswith("--hash=")]
    return packages


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
NEEDED = {
    "build.lock": PROJECT["build-system"]["requires"],
    "requirements.lock": [*PROJECT["project"]["dependencies"], *EXTRAS["app"], *EXTRAS["networks"]],
}


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_the_locked_packages_are_those_that_the_project_requires(name):
    packages = locked(name)
    requirements = [Requirement(line) for line in NEEDED[name]]
    absent = [each.name for each in requirements if canonicalize_name(each.name) not in packages]
    unfit = [
        f"{each} is locked at {packages[canonicalize_name(each.name)][0]}"
        for each in requirements
        if each.name not in absent and not each.specifier.contains(packages[canonicalize_name(each.name)][0])
    ]
    assert (absent, unfit) == ([], []), "make lock"


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_every_locked_package_has_checksums(name):
    packages = locked(name)
    assert len(packages) >= len(NEEDED[name])
    for package, (version, checksums) in packages.items():
        assert str(Version(version)) == version, package
        assert checksums, package
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", checksum) for checksum in checksums), package
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert not re.search(r"^ *(-e|-i|--(extra-)?index-url|--find-links)\b|://| @ ", text, re.MULTILINE), "no places"


def test_the_image_installs_nothing_without_its_checksum():
    installs = re.findall(r"pip install (.*?)(?=&&|\n(?! ))", IMAGE.replace("\\\n", " "), re.DOTALL)
    assert len(installs) == 3
    for arguments in installs:
        assert "--require-hashes" in arguments or "--no-index" in arguments, arguments
    assert re.search(r"pip wheel .*--no-build-isolation --no-index", IMAGE)


def test_every_image_is_pinned():
    stages = set(re.findall(r" AS (\w+)$", IMAGE, re.MULTILINE))
    bases = [name for name in re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE) if name not in stages]
    started = [name for name in re.findall(r"image: (\S+)", COMPOSE) if name != "crosspool"]  # which is built
    assert bases
    assert started
    for name in [*bases, *started]:
        assert re.fullmatch(r"[a-z]+:[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}", name), name


def test_nothing_runs_as_root_or_may_write():
    assert re.search(r"^USER \d+$", IMAGE, re.MULTILINE)
    assert "read_only: true" in COMPOSE
    assert COMPOSE.count("<<: *confined") == 2  # the app and nginx
