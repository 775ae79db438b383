"""A loaded backbone: images in, maps of a layer pair or class probabilities out."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor, nn

from crosspool.backbones.activations import PairActivations
from crosspool.backbones.batches import Images, batches, framed_images, images_at_once
from crosspool.backbones.needed_layers import expect_layers
from crosspool.backbones.own_modules import own_network
from crosspool.backbones.parameters import fingerprint_of
from crosspool.backbones.probabilities import class_probabilities
from crosspool.backbones.structure import OWN, Architecture, BackboneSpec, architecture_of, with_state
from crosspool.engines import EngineName, expect_engine
from crosspool.engines.choice import Programs
from crosspool.engines.programs import Sessions
from crosspool.errors import BackboneError, LayerPairError, SettingError
from crosspool.framing import Framing
from crosspool.layer_pairs import LayerPair, NotOffered
from crosspool.receptive_field import Box, receptive_field
from crosspool.tracing import fold_batch_norm


@dataclass(frozen=True)
class Backbone:
    """A network with weights, ready to run; shared by any number of threads.

    Attributes:
        spec: Data about the network: name, title, preprocessing, licence.
        architecture: Its structure at any input size.
        model: The network itself, in eval mode, with BatchNorm folded into its convolutions.
        device: The device that it runs on.
        weights: The source of its weights: "pretrained", "untrained", or a file's path.
        classes: The names of its own outputs.
        missing: The layers that a file of weights lacks; nothing is computed with them.
        engine: What computes on a CPU: "torch", "onnxruntime", or "auto" for whichever is faster; elsewhere torch does.
            "bfloat16" is torch with numbers of 16 bits, on any device.
        others: Networks beside it, whose maps a method may pool, too.

    Example:
        >>> import crosspool
        >>> backbone = crosspool.load_backbone("efficientnet_lite0")
        >>> maps = backbone.activations(crosspool.load_image("assets/samples/cat.jpg"))
        >>> crosspool.cross_layer_pool(maps.lower, maps.upper, **maps.pair.geometry).shape
        torch.Size([1, 1280, 320])
    """

    spec: BackboneSpec
    architecture: Architecture
    model: nn.Module
    device: torch.device
    weights: str
    classes: tuple[str, ...]
    missing: frozenset[str] = frozenset()
    engine: EngineName = "auto"
    others: tuple["Backbone", ...] = ()
    _programs: Programs = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # They do not hold the backbone, which would then be freed late.
        programs = Programs(
            self.engine,
            self.model,
            self.device,
            cache(partial(_fingerprint, self.weights, self.spec, self.model)),
            self.architecture.subgraph,
            self.architecture.memory_format,
        )
        object.__setattr__(self, "_programs", programs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return replace(self, model=deepcopy(self.model, memo))  # everything else is shared, or made for that model

    @classmethod
    def from_state(
        cls, spec: BackboneSpec, state: Mapping[str, Tensor], classes: tuple[str, ...], *, weights: str,
        device: torch.device, missing: frozenset[str] = frozenset(),
    ) -> Self:  # fmt: skip
        """The network with these tensors as its parameters, ready to run.

        Args:
            spec: Data about the network.
            state: Its tensors by the names of its parameters (`spec.renamed` gives those of a file).
            classes: The names of its outputs.
            weights: The source of the tensors: "pretrained", "untrained", or a file's path.
            device: The device to run on.
            missing: Layers whose tensors stand in for some that are not known; nothing is computed with them.

        Returns:
            Backbone: Ready to run.

        Raises:
            BackboneError: The names or shapes of the tensors do not fit, or some of their numbers are not finite.

        Example:
            >>> import torch
            >>> from crosspool.backbones import Backbone, spec_of
            >>> spec = spec_of("squeezenet1_1")
            >>> state = spec.build(2).state_dict()
            >>> Backbone.from_state(
            ...     spec, state, ("cat", "dog"), weights="untrained", device=torch.device("cpu")
            ... ).title
            'SqueezeNet 1.1 with UNTRAINED (random) weights'
        """
        model = with_state(spec, state, len(classes), Path(weights).name)
        architecture = architecture_of(spec, len(classes))
        fold_batch_norm(model, architecture.layout().graph)
        model.to(device, memory_format=architecture.memory_format)  # type: ignore[call-overload]
        return cls(spec, architecture, model, device, weights, classes, missing)

    @classmethod
    def from_module(
        cls, module: nn.Module, *, size: int, mean: Sequence[float], std: Sequence[float],
        classes: Sequence[str] | None = None, name: str | None = None, engine: EngineName = "auto",
    ) -> Self:  # fmt: skip
        """A network of your own, from a module that takes a batch of images, (B, 3, size, size).

        A copy of the module is used, in eval mode; yours stays as it is. It is run on noise, to find its layer pairs;
        forward hooks are part of it. What it does is checked against its own code, at every input size.

        Args:
            module: With parameters in single precision, all on the device to compute on.
            size: The side of its own square input in pixels, from 8 to 896.
            mean: Of the red, green and blue of the images that it was trained on, as parts of 1.
            std: The standard deviations of these.
            classes: The names of its outputs; None stands for "class 0", "class 1" and so on.
            name: What to call it: no name of `backbone_specs()`. None stands for the name of its class.
            engine: As for `load_backbone`.

        Returns:
            Backbone: For everything that takes one. `not_offered` says which convolutions define no layer pair, and
            why.

        Raises:
            BackboneError: The module cannot be copied, run or followed, its numbers cannot be used, or it has no layer
                pair; the message says what to do.
            SettingError: The size, the mean, the standard deviation, a name or the number of classes is impossible.
            LayerPairError: The module fails on an image of this size.

        Example:
            >>> import crosspool
            >>> from torch import nn
            >>> module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.ReLU())
            >>> backbone = crosspool.Backbone.from_module(module, size=64, mean=(0.5,) * 3, std=(0.5,) * 3, name="mine")
            >>> [pair.id for pair in backbone.layer_pairs], [layer.id for layer in backbone.not_offered]
            (['2'], ['0'])
        """
        expect_engine(engine)
        own = own_network(module, size, mean, std, classes, name)
        return cls(own.spec, own.architecture, own.model, own.device, OWN, own.classes, engine=engine)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the network's name and all parameters: equal for networks that compute the same."""
        return self._programs.fingerprint()

    def beside(self, others: Sequence["Backbone"]) -> "Backbone":
        """This network with others beside it, for methods that name several networks.

        Args:
            others: Networks of other names.

        Returns:
            Backbone: The same network, which shares everything with this one.

        Example:
            >>> import crosspool
            >>> both = crosspool.load_backbone().beside([crosspool.load_backbone("squeezenet1_1", "untrained")])
            >>> both.of("squeezenet1_1").title
            'SqueezeNet 1.1 with UNTRAINED (random) weights'
        """
        together = copy(self)  # not `replace`, which would measure the engines again
        object.__setattr__(together, "others", tuple(others))
        object.__setattr__(together, "_alone", self)  # kept alive: a server counts its networks by these objects
        return together

    def of(self, network: str) -> "Backbone":
        """The network of this name, among this one and those beside it.

        Args:
            network: Its name; empty for this one.

        Returns:
            Backbone: That network.

        Raises:
            BackboneError: No network of this name is loaded.

        Example:
            >>> import crosspool
            >>> crosspool.load_backbone().of("efficientnet_lite0").title
            'EfficientNet-Lite0'
        """
        for backbone in (self, *self.others):
            if network in ("", backbone.spec.name):
                return backbone
        raise BackboneError(f"{network} is not loaded beside {self.spec.name}; hand over backbone.beside([{network}]).")

    @property
    def title(self) -> str:
        """The title of the network and of those beside it, with a note if weights are untrained or your own."""
        return " and ".join(each.spec.titled(each.weights) for each in (self, *self.others))

    @property
    def layer_pairs(self) -> tuple[LayerPair, ...]:
        """The pairs in the order of the layers."""
        return self.architecture.layer_pairs

    @property
    def not_offered(self) -> tuple[NotOffered, ...]:
        """The convolutions that define no usable pair, with the reasons."""
        return self.architecture.not_offered

    def activations(
        self,
        images: Images,
        pair: LayerPair | str | None = None,
        size: int | None = None,
        *,
        framing: Framing = "crop",
        signed: bool = False,
    ) -> PairActivations:
        """The lower and upper maps of images for a layer pair.

        Runs in small batches, and only as far as layer t+1.

        Args:
            images: One image or several, upright RGB, as `load_image` gives them.
            pair: A pair of this network, or its id; None stands for the last convolution's.
            size: The side of the network's input in pixels; None stands for the network's own.
            framing: "crop" cuts out the middle of an image, "squash" resizes the whole image to a square.
            signed: Keep negative weights instead of rectifying the upper map, max(0, a).

        Returns:
            PairActivations: `lower` (B, D_t, H_t, W_t) and `upper` (B, D_{t+1}, H, W), the framed images, and what made
                them.

        Raises:
            LayerPairError: The network has no such pair, or no room for this size.
            SettingError: There is no image, or the size or framing is impossible.

        Example:
            >>> import crosspool
            >>> backbone = crosspool.load_backbone()
            >>> maps = backbone.activations(crosspool.load_image("assets/samples/cat.jpg"), size=448)
            >>> maps.lower.shape, maps.upper.shape
            (torch.Size([1, 320, 14, 14]), torch.Size([1, 1280, 14, 14]))

        References:
            Liu, Shen and van den Hengel, CVPR 2015, section 3: layer t gives local features, layer t+1 the weights.
        """
        pair = self._pair(pair)
        framed = framed_images(images, self.spec.preprocessing, size, framing)
        (lower, upper), engine = self._outputs(framed, (pair.lower, pair.upper))
        weights = upper.clamp_min(0) if pair.can_be_negative and not signed else upper
        return PairActivations(pair, lower, weights, framed, self, framing, signed, engine)

    def predict(
        self, images: Images, top: int = 5, *, size: int | None = None, framing: Framing = "crop"
    ) -> list[list[tuple[str, float]]]:
        """The network's own classes for images, with the softmax of their scores; of a single output, its sigmoid.

        Args:
            images: One image or several, upright RGB.
            top: The number of classes for each image.
            size: The side of the network's input in pixels; None stands for the network's own.
            framing: "crop" cuts out the middle of an image, "squash" resizes the whole image to a square.

        Returns:
            list: The classes of each image as (label, probability), in the order of their scores, the highest first.

        Raises:
            BackboneError: The network has no last layer, or gives numbers that are not finite.
            SettingError: There is no image, or `top`, the size or framing is impossible.

        Example:
            >>> import crosspool
            >>> backbone = crosspool.load_backbone()
            >>> (classes,) = backbone.predict(crosspool.load_image("assets/samples/cat.jpg"), top=2)
            >>> [label for label, probability in classes]
            ['tiger cat', 'Egyptian cat']
        """
        if top < 1:
            raise SettingError(f"The number of top classes is at least 1, not {top}.")
        framed = framed_images(images, self.spec.preprocessing, size, framing)
        (scores,) = self.outputs(framed, (self.architecture.layout(size).output,))
        orders = scores.argsort(dim=1, descending=True, stable=True)[:, :top].tolist()  # probabilities may be rounded
        rows = zip(orders, class_probabilities(scores.cpu()).tolist(), strict=True)
        return [[(self.classes[index], values[index]) for index in order] for order, values in rows]

    def outputs(self, framed: Sequence[Image.Image], names: tuple[str, ...]) -> list[Tensor]:
        """The outputs of nodes of the traced network for framed images.

        Runs in small batches, and only as far as the last of these nodes.

        Args:
            framed: Images from `crosspool.framing.frame_image`, all of the same size.
            names: Names of nodes in `architecture.layout(size).graph`.

        Returns:
            list: A tensor, (B, ...), for each node.

        Raises:
            BackboneError: The weights lack a layer that is needed, or an output has numbers that are not finite.

        Example:
            >>> import crosspool
            >>> from crosspool.framing import frame_image
            >>> backbone = crosspool.load_backbone()
            >>> image = crosspool.load_image("assets/samples/cat.jpg")
            >>> framed = frame_image(image, backbone.spec.preprocessing, 128)
            >>> [output.shape for output in backbone.outputs([framed], (backbone.architecture.layout(128).output,))]
            [torch.Size([1, 1000])]
        """
        return self._outputs(framed, names)[0]

    def settle(self, names: tuple[str, ...], size: int, *, passes: int) -> None:
        """Choose the engine for a run of many passes, so that all of it is computed by the same one.

        With "auto", the engines are measured first where so many passes take longer than that; it is kept for later.

        Args:
            names: The nodes that are asked of `outputs`.
            size: The side of the framed images in pixels.
            passes: How many there will be, in threads that compute as this one does.

        Returns:
            None: `outputs` uses the engine from now on.

        Raises:
            BackboneError: The weights lack a layer that is needed.

        Example:
            >>> import crosspool
            >>> backbone = crosspool.load_backbone()
            >>> backbone.settle((backbone.architecture.layout(128).output,), 128, passes=1)
        """
        expect_layers(self, names, size)
        self._programs.settle(names, size, passes)

    def prepare(self, names: tuple[str, ...], size: int) -> None:
        """Measure the engines in the background, for a server on which many passes will follow.

        Args:
            names: The nodes that will be asked of `outputs`.
            size: The side of the framed images in pixels.

        Returns:
            None: `outputs` uses the faster engine as soon as it is known.

        Raises:
            BackboneError: The weights lack a layer that is needed.

        Example:
            >>> import crosspool
            >>> backbone = crosspool.load_backbone(engine="torch")  # for which there is nothing to measure
            >>> backbone.prepare((backbone.architecture.layout(128).output,), 128)
        """
        expect_layers(self, names, size)
        self._programs.prepare(names, size)

    @property
    def sessions(self) -> Sessions:
        """Further copies of the weights, which ONNX Runtime holds."""
        return self._programs.sessions

    def _outputs(self, framed: Sequence[Image.Image], names: tuple[str, ...]) -> tuple[list[Tensor], str]:
        """The outputs, and the engine that computed them."""
        expect_layers(self, names, framed[0].width)
        parts, engines = zip(*(self._programs.run(names, batch) for batch in self._batches(framed, names)), strict=True)
        outputs = [torch.cat(part) if len(part) > 1 else part[0] for part in zip(*parts, strict=True)]
        if not all(torch.stack(output.aminmax()).isfinite().all() for output in outputs):  # of which NaN is both
            problem = f"{self.title} gives numbers that are not finite"
            raise BackboneError(f"{problem}; its weights are too large, or those of another kind of network.")
        return outputs, " and ".join(dict.fromkeys(engines))

    def receptive_field(self, pair: LayerPair | str, row: int, column: int, size: int | None = None) -> Box:
        """The pixels of the framed image on which one position of the upper map can depend.

        It is the theoretical field: an upper bound, of which the centre usually counts most.

        Args:
            pair: A pair of this network, or its id.
            row: The position's row in the upper map, from 0.
            column: Its column, from 0.
            size: The side of the network's input in pixels; None stands for the network's own.

        Returns:
            Box: Left, top, right and bottom in pixels, the last two not included.

        Raises:
            IndexError: The position lies outside the map.
            LayerPairError: The network has no such pair.

        Example:
            >>> import crosspool
            >>> backbone = crosspool.load_backbone()
            >>> backbone.receptive_field("blocks.0.project_conv", 3, 4)
            Box(left=6, top=4, right=13, bottom=11)
        """
        return receptive_field(self.architecture.layout(size), self._pair(pair).upper, row, column)

    def _pair(self, pair: LayerPair | str | None) -> LayerPair:
        if pair is None:
            return self.architecture.default_pair
        if isinstance(pair, str):
            return self.architecture.pair(pair)
        if pair != self.architecture.pair(pair.id):
            raise LayerPairError(f"The pair {pair.id} ({pair.label}) belongs to another network than {self.spec.name}.")
        return pair

    def _batches(self, framed: Sequence[Image.Image], names: tuple[str, ...]) -> Iterator[Tensor]:
        count = images_at_once(self.architecture, names, framed[0].width, self.device)
        return batches(framed, self.spec.preprocessing, self.device, count)


def _fingerprint(weights: str, spec: BackboneSpec, model: nn.Module) -> str:
    return spec.weights.checksum if weights == OWN else fingerprint_of(spec.name, model)
