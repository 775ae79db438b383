"""What works on this machine and what to do about the rest, as data: every check reports, none raises."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
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
DECODER_SECONDS = 60.0  # for the process that reads files to start
CALL_FILTER = "system calls for computing only"  # as crosspool.ui.runtime.confinement calls it
TORCHVISION_AFTER_TORCH = 15  # torch 2.13 belongs to torchvision 0.28, and so on since 2.0


@dataclass(frozen=True)
class Check:
    """The result of one check. `advice` says what to do, and is empty where there is nothing to do."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine() -> tuple[Check, ...]:
    """Check everything that crosspool needs. Takes a few seconds: files are read whole, and a network runs once."""
    return tuple(_guarded(name, check) for name, check in CHECKS)


def _guarded(name: str, check: Callable[[str], Check]) -> Check:
    """The result of a check; a failed one where the check itself breaks."""
    try:
        return check(name)
    except Exception as error:  # a broken installation breaks in ways that cannot be listed
        reason = " ".join(str(error).split()) or type(error).__name__
        return Check(name, "fail", reason[:200], str(error) if isinstance(error, CrosspoolError) else REINSTALL)


def _python(name: str) -> Check:
    installed = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= OLDEST_PYTHON:
        return Check(name, "ok", installed)
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Check(name, "fail", installed, f"crosspool needs Python {oldest} or newer; make a new environment with it.")


def _packages(name: str) -> Check:
    return _installed(name, "", "fail", REINSTALL)


def _app(name: str) -> Check:
    return _installed(name, "app", "warn", f"The command line works without the app. For the app, {REINSTALL}")


def _installed(name: str, extra: str, otherwise: State, advice: str) -> Check:
    """Whether the packages that crosspool requires are installed in the right versions; torch has its own check."""
    versions = {each: installed_version(each.name) for each in requirements(extra) if each.name not in TORCH}
    missing, unfit = [], []
    for each, number in versions.items():
        if number is None:
            missing.append(each.name)
        elif not each.specifier.contains(number, prereleases=True):
            unfit.append(f"{each.name} {number} (needs {each.specifier})")
    faults = [f"{fault}: {', '.join(names)}" for fault, names in (("missing", missing), ("unfit", unfit)) if names]
    if faults:
        return Check(name, otherwise, "; ".join(faults), advice)
    return Check(name, "ok", ", ".join(f"{each.name} {number}" for each, number in versions.items()))


def _torch(name: str) -> Check:
    torch, torchvision = map(installed_version, TORCH)
    if torch is None or torchvision is None:
        missing = " and ".join(package for package in TORCH if installed_version(package) is None)
        return Check(name, "fail", f"missing: {missing}", REINSTALL)
    installed = f"torch {torch} with torchvision {torchvision}"
    if belongs_to(torch, torchvision):
        return Check(name, "ok", installed)
    return Check(name, "warn", installed, f"These two were not built for each other; {REINSTALL}")


def belongs_to(torch: str, torchvision: str) -> bool:
    """Whether these versions of torch and torchvision were built for each other."""
    major, minor = torch.split(".")[:2]
    return torchvision.split(".")[:2] == [str(int(major) - 2), str(int(minor) + TORCHVISION_AFTER_TORCH)]


def _operators(name: str) -> Check:
    import torch

    from crosspool.backbones.torchvision_guard import declared_operators, torchvision

    if declared_operators is None:
        return Check(name, "ok", "the compiled operators load")
    found = (
        f"those of torchvision {torchvision.__version__} do not load beside torch {torch.__version__}; crosspool does "
        "without them"
    )
    builds = "CPU builds" if shutil.which("nvidia-smi") is None else "CUDA builds"
    advice = (
        "The two packages are of different builds. There is nothing to do for crosspool; for torchvision's own box "
        f"operators, install the {builds} of both (https://pytorch.org/get-started/locally)."
    )
    return Check(name, "warn", found, advice)


def _device(name: str) -> Check:
    import torch

    from crosspool.backbones import choose_device

    device = choose_device()
    threads = f"{torch.get_num_threads()} threads on {os.cpu_count()} processors"
    if device.type == "cuda":
        return Check(name, "ok", f"cuda: {torch.cuda.get_device_name(device)}; {threads}")
    if device.type == "mps":
        return Check(name, "ok", f"mps: Apple's GPU; {threads}")
    if shutil.which("nvidia-smi") is None:
        return Check(name, "ok", f"cpu; {threads}")
    advice = (
        "Install the CUDA build of torch and torchvision (https://pytorch.org/get-started/locally), "
        "or go on without a GPU."
    )
    reason = f"there is an NVIDIA driver, but torch {torch.__version__} does not see a GPU"
    return Check(name, "warn", f"cpu, {threads}; {reason}", advice)


def _embedded_weights(name: str) -> Check:
    from crosspool.backbones import DEFAULT, spec_of

    weights = spec_of(DEFAULT).weights
    file = f"{weights.path.name}, {weights.megabytes:.0f} MB"
    if weights.is_intact():
        return Check(name, "ok", f"{file}, checksum right")
    state = "damaged" if weights.path.exists() else "missing"
    return Check(name, "fail", f"{file}: {state}", f"The weights: {weights.how_to_mend(DEFAULT)}")


def _more_embedded_weights(name: str) -> Check:
    from crosspool.backbones import DEFAULT, backbone_specs

    specs = [spec for spec in backbone_specs().values() if spec.weights.url is None and spec.name != DEFAULT]
    unfit = [spec for spec in specs if not spec.weights.is_intact()]
    if not unfit:
        return Check(name, "ok", f"checksums right: {', '.join(spec.name for spec in specs)}")
    damaged = [spec for spec in unfit if spec.weights.is_here]
    faults = [f"{spec.name}: {'damaged' if spec in damaged else 'not installed'}" for spec in unfit]
    advice = {
        spec.weights.how_to_mend(spec.name) if spec in damaged else spec.weights.how_to_get(spec.name) for spec in unfit
    }
    return Check(name, "fail" if damaged else "warn", ", ".join(faults), f"The weights: {'; '.join(sorted(advice))}")


def _weights_folder(name: str) -> Check:
    from crosspool.backbones.weights import cache_folder

    folder = cache_folder()
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        advice = "Set TORCH_HOME to a folder that you may write to; without it no weights can be downloaded."
        return Check(name, "warn", f"{folder} cannot be written ({error.strerror})", advice)
    free = f"{folder}, {shutil.disk_usage(nearest).free / 1e9:.0f} GB free"
    partial = sorted(path.name for path in folder.glob("*.partial"))
    if not partial:
        return Check(name, "ok", free)
    advice = f"Downloads that were broken off; unless one is under way, delete them: {', '.join(partial)}"
    return Check(name, "warn", f"{free}, {len(partial)} unfinished downloads", advice)


def _cached_weights(name: str) -> Check:
    from crosspool.backbones import backbone_specs

    cached = [spec for spec in backbone_specs().values() if spec.weights.availability == "cached"]
    damaged = [spec.name for spec in cached if not spec.weights.is_intact()]
    if damaged:
        commands = ", ".join(f"crosspool fetch {network}" for network in damaged)
        return Check(name, "fail", f"damaged: {', '.join(damaged)}", f"Download them again: {commands}")
    names = ", ".join(spec.name for spec in cached)
    return Check(name, "ok", f"checksums right: {names}" if names else "none yet; crosspool fetch NAME downloads them")


def _fonts(name: str) -> Check:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties, findfont

    font = Path(findfont(FontProperties()))
    figure = Figure(figsize=(1, 1))
    figure.suptitle("conv4 → conv5 · 7×7")
    figure.savefig(BytesIO(), format="png")
    return Check(name, "ok", f"contact sheets are written in {font.stem}")


def _image_formats(name: str) -> Check:
    import pillow_heif
    from PIL import features

    libraries = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp", "AVIF": "avif"}
    readable = {kind: bool(features.check(library)) for kind, library in libraries.items()}
    readable["HEIC"] = bool(pillow_heif.libheif_info()["decoders"])
    missing = " and ".join(kind for kind, is_readable in readable.items() if not is_readable)
    if not missing:
        return Check(name, "ok", f"{', '.join(readable)} can be read")
    other = "PNG" if readable["PNG"] else "BMP"
    advice = f"Save such images as {other}, or install Pillow and pillow-heif from PyPI."
    return Check(name, "warn", f"no decoder for {missing}", advice)


def _reading(name: str) -> Check:
    """What holds the process in which the app reads strangers' files; a new Python tells, as the app may be missing."""
    code = (
        "from crosspool.ui.runtime.decoder_pool import DecoderProcess; process = DecoderProcess(); "
        "print('; '.join(process.confinement)); process.close()"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=DECODER_SECONDS)
    if run.returncode:
        return Check(name, "warn", "the app's process for reading files does not start", f"For the app, {REINSTALL}")
    measures = run.stdout.strip() or "nothing but a time limit holds the process that reads them"
    advice = (
        ""
        if CALL_FILTER in measures
        else "Without libseccomp, which filters system calls, serve only people you trust."
    )
    return Check(name, "warn" if advice else "ok", measures, advice)


def _samples(name: str) -> Check:
    from crosspool.samples import samples

    try:
        photos = samples()
    except CrosspoolError as error:
        return Check(name, "warn", "not here", str(error))
    missing = ", ".join(photo.path.name for photo in photos if not photo.path.is_file())
    if missing:
        return Check(name, "warn", f"missing: {missing}", f"To get them back, {REINSTALL}")
    return Check(name, "ok", f"{len(photos)} photos")


def _trial(name: str) -> Check:
    from time import perf_counter

    from PIL import Image

    from crosspool.backbones import load_backbone

    backbone = load_backbone()
    grey = Image.new("RGB", (224, 224), "grey")
    backbone.predict(grey)  # the first run of a network is slower
    start = perf_counter()
    backbone.predict(grey)
    milliseconds = 1000 * (perf_counter() - start)
    return Check(name, "ok", f"{backbone.spec.title} on {backbone.device}: {milliseconds:.0f} ms an image")


CHECKS: tuple[tuple[str, Callable[[str], Check]], ...] = (
    ("Python", _python),
    ("packages", _packages),
    ("torch", _torch),
    ("torchvision operators", _operators),
    ("device", _device),
    ("embedded weights", _embedded_weights),
    ("more embedded weights", _more_embedded_weights),
    ("weights folder", _weights_folder),
    ("cached weights", _cached_weights),
    ("trial run", _trial),
    ("image formats", _image_formats),
    ("strangers' files", _reading),
    ("fonts", _fonts),
    ("sample photos", _samples),
    ("app", _app),
)
