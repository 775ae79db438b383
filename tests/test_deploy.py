"""The files of deploy/: they fit the app, its settings and each other; `benchmarks.load.replicas` runs them."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from benchmarks.harness.nginx import at_ports
from crosspool.ui.runtime.settings import ServerSettings, read_settings
from crosspool.ui.serving.uploads import largest_file

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
NGINX, IMAGE, COMPOSE = (
    (DEPLOY / name).read_text(encoding="utf-8") for name in ("nginx.conf", "Dockerfile", "compose.yaml")
)


def test_nginx_takes_what_the_app_takes():
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    assert int(megabytes) == largest_file(ServerSettings()) + 1  # what goes around a file takes less


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
    given = re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert {path.split("/")[0] for path in given} == set(copied)
    assert all((ROOT / path).exists() for path in given)
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    needed = {path.split("/")[0] for path in [*wheel["packages"], *wheel["force-include"]]}
    assert set(copied) == needed | {"LICENSE", "README.md", "pyproject.toml"}


def test_nothing_runs_as_root_or_may_write():
    assert re.search(r"^USER \d+$", IMAGE, re.MULTILINE)
    assert "read_only: true" in COMPOSE
    assert COMPOSE.count("<<: *confined") == 2  # the app and nginx
