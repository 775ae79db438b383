"""A method's name, read once, for any number of networks."""

from dataclasses import dataclass
from typing import Self

from crosspool.backbones import Architecture
from crosspool.encoding import TernaryQuantizer
from crosspool.errors import SettingError
from crosspool.framing import Framing
from crosspool.methods.building import build_parts
from crosspool.methods.grammar import METHOD_OPTIONS, PartSpec, parse_parts
from crosspool.methods.representation import Method


@dataclass(frozen=True)
class MethodSpec:
    """What a method's name says, before it is known on which network.

    `threshold` is that of the ternary quantiser, None without one.
    """

    name: str
    parts: tuple[PartSpec, ...]
    threshold: float | None

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read a name. Raises SettingError for what is not understood."""
        return cls(name, *parse_parts(name))

    def on(self, architecture: Architecture, framing: Framing = "squash") -> Method:
        """The method on a network.

        Raises SettingError for what the network cannot give, or LayerPairError for an unknown pair.
        """
        parts = tuple(part for spec in self.parts for part in build_parts(spec, architecture, framing))
        return Method(self.name, parts, None if self.threshold is None else TernaryQuantizer(self.threshold))


def parse_method(name: str, architecture: Architecture, framing: Framing = "squash") -> Method:
    """The image representation of this name, on a network.

    To use one name on several networks, read it once with `crosspool.methods.MethodSpec`.

    Args:
        name: NAME[:PAIR][@SIZE][/OPTION...], such as "cl:features.10@448/pca64", and several such parts with + between
            them; the README lists the names.
        architecture: The network's structure: `backbone.architecture`.
        framing: "squash" resizes the whole image to a square, "crop" cuts the middle out.

    Returns:
        Method: It says what it needs of an image (`sources`) and makes an encoder from that to a vector (`encoder()`)
        of `length` values.

    Raises:
        SettingError: The name is not understood, or the network cannot give what it asks for.
        LayerPairError: The network has no such layer pair.

    Example:
        >>> import crosspool
        >>> method = crosspool.parse_method("cl@448/pca64", crosspool.architecture("efficientnet_lite0"))
        >>> method.length  # 1,280 maps over 64 principal components
        81920

    References:
        Liu, Shen and van den Hengel, CVPR 2015, section 4, for cl, cl-f, cl-c and the presets such as cl-45.
    """
    return MethodSpec.parse(name).on(architecture, framing)


def parse_methods(text: str, architecture: Architecture, framing: Framing = "squash") -> list[Method]:
    """Methods by name, separated by commas, on a network. Raises as `parse_method_specs` and `MethodSpec.on`."""
    return [spec.on(architecture, framing) for spec in parse_method_specs(text)]


def parse_method_specs(text: str) -> list[MethodSpec]:
    """Methods by name, separated by commas. Raises SettingError for none, for one twice, and what is not understood."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SettingError(f"Name at least one method: {', '.join(METHOD_OPTIONS)}.")
    lower_case = [name.lower() for name in names]
    repeated = [name for name in names if lower_case.count(name.lower()) > 1]
    if repeated:
        raise SettingError(f"The method {min(repeated)} is named twice; name each once.")
    return [MethodSpec.parse(name) for name in names]
