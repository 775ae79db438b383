"""Load a backbone: find its weights, pretrained, random or your own, and hand them to `Backbone.from_state`."""

import os
import threading
from collections.abc import Mapping

import torch
from torch import Tensor

from crosspool.backbones.architecture import without_memory
from crosspool.backbones.backbone import Backbone
from crosspool.backbones.spec import BackboneSpec
from crosspool.backbones.weights import read_state_dict
from crosspool.errors import BackboneError

PRETRAINED = "pretrained"
UNTRAINED = "untrained"
UNTRAINED_SEED = 0
_SEEDING = threading.Lock()  # torch's random numbers are the whole process's


def load(spec: BackboneSpec, weights: str | os.PathLike[str] | None, device: str) -> Backbone:
    """The backbone that `spec` describes; see `crosspool.load_backbone`."""
    target = choose_device(device)
    if weights is None:
        return _pretrained(spec, target)
    if weights == UNTRAINED:
        return Backbone.from_state(spec, _random_state(spec), spec.classes(), weights=UNTRAINED, device=target)
    state = spec.renamed(read_state_dict(weights))
    return Backbone.from_state(spec, state, _classes_of(spec, state), weights=str(weights), device=target)


def choose_device(device: str = "auto") -> torch.device:
    """ "auto" is CUDA where there is one, else Apple's MPS, else the CPU."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()  # fails on "meta", which has no numbers
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise BackboneError(
            f"The device {device!r} cannot be used here; choose auto, cpu, cuda or mps (see crosspool doctor)."
        ) from error
    return chosen


def _pretrained(spec: BackboneSpec, device: torch.device) -> Backbone:
    if spec.weights.availability == "needs a download":
        raise BackboneError(
            f"The weights of {spec.name} ({spec.weights.megabytes:.0f} MB) are not here yet; "
            f"download them with: crosspool fetch {spec.name}"
        )
    try:
        state = spec.renamed(read_state_dict(spec.weights.path))
        return Backbone.from_state(spec, state, spec.classes(), weights=PRETRAINED, device=device)
    except BackboneError as error:
        raise BackboneError(
            f"The weights file {spec.weights.path} is damaged; get it again with: crosspool fetch {spec.name}"
        ) from error


def _random_state(spec: BackboneSpec) -> dict[str, Tensor]:
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return spec.build(len(spec.classes())).state_dict()


def _classes_of(spec: BackboneSpec, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The pretrained classes, or numbered ones where the last layer of your own weights has another number of them."""
    classes = spec.classes()
    last = state.get(list(without_memory(spec, len(classes)).state_dict())[-1])
    if last is None or not last.ndim or len(last) == len(classes):
        return classes
    return tuple(f"class {number}" for number in range(len(last)))
