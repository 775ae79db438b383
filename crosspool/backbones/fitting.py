"""A file's tensors as the parameters of a network: what fits, what is left out, and which network would fit.

The layers that maps are computed with, the body, have to be whole, and all that there is: a ResNet-34 has all tensors
of a ResNet-18 under the same names, and is none. The head, the layers that make class scores of the last map, may have
another form, or be missing.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import torch
from torch import Tensor

from crosspool.backbones.checkpoints import Checkpoint
from crosspool.backbones.fit_wording import Shapes, about_head, about_left_out, about_misfit
from crosspool.backbones.structure import MAX_ARCHITECTURES, BackboneSpec, without_memory
from crosspool.errors import BackboneError

COUNTS = ("total_ops", "total_params", "num_batches_tracked")  # of profilers, and of BatchNorm: no map depends on them
AVERAGED = "ema"  # in the names of averaged weights, which are read where there are no others
NEAREST = 10  # networks of about the same size that are tried


@dataclass(frozen=True)
class Form:
    """The shapes of a network's tensors by name, and the name of its last layer.

    The last layer's are those of the pretrained network; any other number of outputs fits as well.
    """

    shapes: Mapping[str, tuple[int, ...]]
    last: str

    def is_in_head(self, name: str) -> bool:
        """Whether a tensor belongs to the head: the layers whose names begin as that of the last one."""
        return _top(name) == _top(self.last)

    @property
    def body(self) -> list[str]:
        """The names of the tensors that have to be there."""
        return [name for name in self.shapes if not self.is_in_head(name) and not _is_count(name)]

    @property
    def head(self) -> list[str]:
        return [name for name in self.shapes if self.is_in_head(name)]

    def fits(self, name: str, value: Tensor) -> bool:
        """Whether the network has a tensor of this name and shape."""
        own, shape = self.shapes.get(name), tuple(value.shape)
        if own is None or _layer(name) != self.last:
            return own == shape
        return len(own) == len(shape) and own[1:] == shape[1:] and shape[0] > 0


@dataclass(frozen=True)
class Fit:
    """The tensors of a file by the names of a network.

    `outputs` is the number of outputs of its last layer. `missing` are the layers of the head that the file lacks;
    their numbers in `state` are zeros. `prefix` stands before the network's names in the file. `left_out` are the
    parts of the file that are not read, with the number of their tensors, and `notes` say that in words.
    """

    state: dict[str, Tensor]
    outputs: int
    missing: frozenset[str]
    prefix: str
    left_out: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """How well a file fits a network: the tensors of its body that the file lacks, and those that it has instead.

    `body` is how many there are in the body, and `prefix` what stands before the network's names in the file.
    """

    spec: BackboneSpec
    body: int
    lacking: Shapes
    foreign: Shapes
    prefix: str
    tensors: Mapping[str, Tensor] = field(repr=False)

    @property
    def fits(self) -> bool:
        return not self.lacking and not self.foreign

    @property
    def there(self) -> int:
        """How many tensors of the body the file has."""
        return self.body - len(self.lacking)


@lru_cache(MAX_ARCHITECTURES)
def form_of(spec: BackboneSpec) -> Form:
    """The form of a network."""
    state = without_memory(spec, len(spec.classes())).state_dict()
    return Form({name: tuple(value.shape) for name, value in state.items()}, _layer(list(state)[-1]))


def fit(spec: BackboneSpec, checkpoint: Checkpoint, specs: Iterable[BackboneSpec]) -> Fit:
    """The file's tensors as parameters of the network, in single precision.

    Raises BackboneError where they do not fit, with names that differ and the one of `specs` that fits.
    """
    form, match = form_of(spec), match_of(spec, checkpoint)
    prefix, tensors = match.prefix, match.tensors
    if not match.fits:
        nearest = islice(matches(checkpoint, specs), NEAREST)
        other = next((near.spec.name for near in nearest if near.fits), None)
        raise BackboneError(about_misfit(checkpoint.file, spec.name, match.lacking, match.foreign, other))
    head, read_as = _head(form, tensors)
    state = {name: tensors[name] for name in tensors if name in form.shapes and not form.is_in_head(name)} | head
    outputs = len(head[f"{form.last}.weight"]) if f"{form.last}.weight" in head else len(spec.classes())
    lacked = [name for name in form.head if name not in state and not _is_count(name)]
    zeros = {name: torch.zeros(_shape(form, name, outputs)) for name in lacked}
    is_bias = lacked == [f"{form.last}.bias"] and bool(head)  # a last layer without a bias adds 0
    missing = frozenset() if is_bias else frozenset(map(_layer, lacked))
    left_out = _left_out(form, prefix, tensors, checkpoint)
    notes = [
        *about_left_out(left_out, checkpoint.unread),
        *about_head(form.last, read_as, missing, is_bias=is_bias),
    ]
    return Fit(state | zeros, outputs, missing, prefix, dict(left_out), tuple(notes))


def matches(checkpoint: Checkpoint, specs: Iterable[BackboneSpec]) -> Iterator[Match]:
    """How well the file fits each of the networks, the likeliest by size first; at most one fits, by its body."""
    return (match_of(spec, checkpoint) for spec in _by_size(checkpoint, specs))


def match_of(spec: BackboneSpec, checkpoint: Checkpoint) -> Match:
    """How well the file fits the network."""
    form, prefix = form_of(spec), _prefix(spec, checkpoint)
    tensors = spec.renamed(_under(prefix, checkpoint.tensors))
    lacking, foreign = _differences(form, tensors)
    wanted = {name: form.shapes[name] for name in lacking}
    there = {name: tuple(tensors[name].shape) for name in foreign}
    return Match(spec, len(form.body), wanted, there, prefix, tensors)


def _prefix(spec: BackboneSpec, checkpoint: Checkpoint) -> str:
    """What stands before most of the network's names in the file; the first in the file where several do."""
    form, votes = form_of(spec), Counter[str]()
    for name, value in checkpoint.tensors.items():
        parts = name.split(".")
        for start in range(len(parts)):
            own = spec.rename(".".join(parts[start:]))
            if own is not None and form.fits(own, value) and not form.is_in_head(own):
                votes["".join(f"{part}." for part in parts[:start])] += 1
    return max(votes, key=lambda prefix: (votes[prefix], AVERAGED not in prefix.lower()), default="")


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _differences(form: Form, tensors: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
    """The names in the network's body that are not in the file, or with another shape, and those the other way."""
    body = form.body
    tops = {_top(name) for name in body}
    lacking = [name for name in body if name not in tensors or not form.fits(name, tensors[name])]
    foreign = [
        name for name, value in tensors.items()
        if _top(name) in tops and not _is_count(name) and not form.fits(name, value)
    ]  # fmt: skip
    if lacking and not foreign:
        foreign = [name for name in tensors if name not in form.shapes]
    return lacking, foreign


def _head(form: Form, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors of the head, and the name of the layer in the file that was read as its last, if it has another.

    They are none where the file's head has another form: then its layers may do other things under the same names.
    """
    own = {name: value for name, value in tensors.items() if form.is_in_head(name) and not _is_count(name)}
    others = {name for name, value in own.items() if not form.fits(name, value)}
    layers = {_layer(name) for name in others}
    is_single = {_layer(name) for name in form.head} == {form.last}
    read_as = layers.pop() if len(layers) == 1 else ""
    if read_as and (is_single or read_as.startswith(f"{form.last}.")):
        # The layer in a sequence with dropout that took its place, or in the place of such a sequence.
        own = {name.replace(read_as, form.last, 1) if name in others else name: value for name, value in own.items()}
    lengths = {len(value) for name, value in own.items() if _layer(name) == form.last}
    if len(lengths) > 1 or not all(form.fits(name, value) for name, value in own.items()):
        return {}, ""
    if f"{form.last}.weight" not in own:
        own = {name: value for name, value in own.items() if _layer(name) != form.last}
    return own, read_as


def _left_out(form: Form, prefix: str, tensors: Mapping[str, Tensor], checkpoint: Checkpoint) -> Counter[str]:
    """What of the file's tensors is not read, and how many they are: by the first part of their names that differs."""
    outside = (name for name in checkpoint.tensors if not name.startswith(prefix))
    parts = Counter(_departure(name, prefix) for name in outside)
    for name in tensors:
        if name not in form.shapes and not form.is_in_head(name) and not name.endswith(COUNTS[-1]):
            parts[name.rpartition(".")[2] if _is_count(name) else _top(name)] += 1
    return parts


def _departure(name: str, prefix: str) -> str:
    """The beginning of a name, as far as it agrees with `prefix`, and the part after that."""
    parts, same = name.split("."), prefix.split(".")
    agreeing = next((number for number, part in enumerate(parts) if part != same[number]), len(parts))
    return ".".join(parts[: agreeing + 1])


def _by_size(checkpoint: Checkpoint, specs: Iterable[BackboneSpec]) -> list[BackboneSpec]:
    """The networks, those first that have about as many numbers as the file, or as a part of it under one key."""
    counts: Counter[str] = Counter()
    for name, value in checkpoint.tensors.items():
        for part in {"", *name.split(".")[:1], ".".join(name.split(".")[:2])}:
            counts[part] += value.numel()

    def distance(spec: BackboneSpec) -> float:
        return min(abs(math.log(max(count, 1) / max(spec.parameters, 1))) for count in counts.values())

    return sorted(specs, key=distance)


def _shape(form: Form, name: str, outputs: int) -> tuple[int, ...]:
    return (outputs, *form.shapes[name][1:]) if _layer(name) == form.last else form.shapes[name]


def _top(name: str) -> str:
    return name.partition(".")[0]


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _is_count(name: str) -> bool:
    return name.rpartition(".")[2] in COUNTS
