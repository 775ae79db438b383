"""A loaded backbone: images in, maps of a layer pair or class probabilities out."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from PIL import Image
from torch import Tensor, nn

from crosspool.activations import PairActivations, run_graph
from crosspool.backbones.architecture import Architecture, architecture_of, without_memory
from crosspool.backbones.folding import fold_batch_norm
from crosspool.backbones.spec import BackboneSpec
from crosspool.errors import BackboneError, LayerPairError, SettingError
from crosspool.framing import Framing, frame_image, to_tensor
from crosspool.layer_pairs import LayerPair, NotOffered
from crosspool.receptive_field import Box, receptive_field
from crosspool.tracing import forbid_in_place

BATCH_PIXELS = 8 * 224 * 224  # larger batches are slower an image on a CPU: see benchmarks/speed/batches.py


@dataclass(frozen=True)
class Backbone:
    """A network with weights, ready to run; shared by any number of threads.

    `weights` says where the numbers come from: "pretrained", "untrained", or a file's path.
    """

    spec: BackboneSpec
    architecture: Architecture
    model: nn.Module
    device: torch.device
    weights: str
    classes: tuple[str, ...]

    @classmethod
    def from_state(
        cls,
        spec: BackboneSpec,
        state: Mapping[str, Tensor],
        classes: tuple[str, ...],
        *,
        weights: str,
        device: torch.device,
    ) -> Self:
        """The network with the tensors of `state`, by its own parameters' names, made ready to run.

        Every backbone is made here, whatever its weights come from. Raises BackboneError where they do not fit.
        """
        model = without_memory(spec, len(classes))  # nothing is initialised only to be overwritten
        with_version = OrderedDict(state)
        # MNASNet asks for the version of its layout. Its parts stay without one, so that files from before BatchNorm
        # counted its batches still fit.
        with_version._metadata = {"": model.state_dict()._metadata[""]}  # type: ignore[attr-defined]
        try:
            model.load_state_dict(with_version, strict=True, assign=True)
        except RuntimeError as error:
            raise BackboneError(
                f"{Path(weights).name} does not fit {spec.name}: names or shapes differ; train or export it for this "
                "architecture."
            ) from error
        architecture = architecture_of(spec, len(classes))
        model.eval().requires_grad_(False)
        forbid_in_place(model)
        fold_batch_norm(model, architecture.layout().graph)
        model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(spec, architecture, model, device, weights, classes)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of every parameter and of the network's name: equal for networks that compute the same."""
        digest = hashlib.sha256(self.spec.name.encode())
        for name, value in self.model.state_dict().items():
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def title(self) -> str:
        """EfficientNet-Lite0; with UNTRAINED (random) weights, or the name of your own file, where that is so."""
        return self.spec.titled(self.weights)

    @property
    def layer_pairs(self) -> tuple[LayerPair, ...]:
        """The pairs in the order of the layers; the last one is the default."""
        return self.architecture.layer_pairs

    @property
    def not_offered(self) -> tuple[NotOffered, ...]:
        """The convolutions that define no usable pair, with the reason."""
        return self.architecture.not_offered

    def activations(
        self,
        images: Image.Image | Sequence[Image.Image],
        pair: LayerPair | str | None = None,
        size: int | None = None,
        *,
        framing: Framing = "crop",
        signed: bool = False,
    ) -> PairActivations:
        """The lower and upper maps of `images` (upright RGB) for a pair (None: the last one).

        `size` is the side of the network's input in pixels (None: the network's own). The upper map is
        rectified, max(0, a), unless `signed`. Runs in small batches, only as far as layer t+1.
        """
        pair = self._pair(pair)
        framed = self._framed(images, size, framing)
        lower, upper = self.outputs(framed, (pair.lower, pair.upper))
        weights = upper.clamp_min(0) if pair.can_be_negative and not signed else upper
        return PairActivations(pair, lower, weights, framed)

    def predict(
        self,
        images: Image.Image | Sequence[Image.Image],
        top: int = 5,
        *,
        size: int | None = None,
        framing: Framing = "crop",
    ) -> list[list[tuple[str, float]]]:
        """For each image the network's `top` classes as (label, probability), the likeliest first."""
        if top < 1:
            raise SettingError(f"The number of top classes is at least 1, not {top}.")
        framed = self._framed(images, size, framing)
        (scores,) = self.outputs(framed, (self.architecture.layout(size).output,))
        best = scores.softmax(dim=1).topk(min(top, scores.shape[1]), dim=1)
        return [
            [(self.classes[index], value) for index, value in zip(indices, values, strict=True)]
            for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def outputs(self, framed: Sequence[Image.Image], names: tuple[str, ...]) -> list[Tensor]:
        """What the named nodes of the traced network yield for pictures that `frame_image` gave, each (B, ...).

        Runs in small batches, and only as far as the last of these nodes.
        """
        graph = self.architecture.subgraph(names, framed[0].width)
        parts = [run_graph(self.model, graph, batch) for batch in self._batches(framed)]
        return [torch.cat(part) if len(part) > 1 else part[0] for part in zip(*parts, strict=True)]

    def receptive_field(self, pair: LayerPair | str, row: int, column: int, size: int | None = None) -> Box:
        """The pixels of the framed image on which position (row, column) of the upper map can depend."""
        return receptive_field(self.architecture.layout(size), self._pair(pair).upper, row, column)

    def _pair(self, pair: LayerPair | str | None) -> LayerPair:
        if pair is None:
            return self.architecture.default_pair
        if isinstance(pair, str):
            return self.architecture.pair(pair)
        if pair != self.architecture.pair(pair.id):
            raise LayerPairError(
                f"This pair {pair.id} ({pair.label}) belongs to another network than {self.spec.name}."
            )
        return pair

    def _framed(
        self, images: Image.Image | Sequence[Image.Image], size: int | None, framing: Framing
    ) -> tuple[Image.Image, ...]:
        images = [images] if isinstance(images, Image.Image) else images
        if not images:
            raise SettingError("Give at least one image.")
        return tuple(frame_image(image, self.spec.preprocessing, size, framing) for image in images)

    def _batches(self, framed: Sequence[Image.Image]) -> Iterator[Tensor]:
        side = framed[0].width
        count = max(1, BATCH_PIXELS // side**2)
        for start in range(0, len(framed), count):
            batch = to_tensor(framed[start : start + count], self.spec.preprocessing)
            yield batch.to(self.device, memory_format=torch.channels_last)
