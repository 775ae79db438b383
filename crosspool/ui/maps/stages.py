"""A network as stages of shrinking maps, each with its layer pairs, of which the last is recommended."""

from dataclasses import dataclass

from crosspool.backbones import Architecture
from crosspool.grids import Size
from crosspool.layer_pairs import LayerPair

DENSE = "Fully-connected layers"
SAME_STAGE = 0.75  # of the side of a stage's largest map: a map without padding loses a few cells
TITLES: tuple[tuple[str, ...], ...] = (
    ("Last layers",),
    ("Early layers", "Last layers"),
    ("Early layers", "Middle layers", "Last layers"),
    ("Early layers", "Middle layers", "Late layers", "Last layers"),
    ("First layers", "Early layers", "Middle layers", "Late layers", "Last layers"),
)


@dataclass(frozen=True)
class PairBlock:
    """A layer pair to draw: the channels of both layers, and (rows, columns) of their maps at the chosen input size."""

    id: str
    name: str
    lower_channels: int
    upper_channels: int
    lower_size: Size
    upper_size: Size

    @property
    def words(self) -> str:
        """The pair in words: 320 → 1,280 maps, 7×7."""
        rows, columns = self.upper_size
        return f"{self.lower_channels:,} → {self.upper_channels:,} maps, {rows}×{columns}"


@dataclass(frozen=True)
class Stage:
    """Layer pairs whose maps are of about one size, in the order of the layers."""

    title: str
    pairs: tuple[PairBlock, ...]

    @property
    def recommended(self) -> PairBlock:
        """The last pair, which has seen most of what its size can show."""
        return self.pairs[-1]


def network_stages(network: Architecture, size: int) -> tuple[Stage, ...]:
    """The stages of a network from the image to its end, with map sizes at an input of `size` pixels.

    Which pairs make a stage depends on the network's own input size, so that it is the same at every size. Dense layers
    are a stage of their own, the last one, where the input is large enough for them.
    """
    convolutions = [pair for pair in network.layer_pairs if not pair.is_dense]
    by_side = sorted(convolutions, key=lambda pair: -_side(network, pair))
    groups: list[list[LayerPair]] = []
    for pair in by_side:  # the sort is stable: pairs of one side stay in the order of the layers
        if not groups or _side(network, pair) < SAME_STAGE * _side(network, groups[-1][0]):
            groups.append([])
        groups[-1].append(pair)
    order = {pair.id: index for index, pair in enumerate(convolutions)}
    titles = TITLES[min(len(groups), len(TITLES)) - 1]
    titles = titles[:1] * (len(groups) - len(titles)) + titles
    stages = [
        Stage(title, tuple(_block(network, pair, size) for pair in sorted(group, key=lambda pair: order[pair.id])))
        for title, group in zip(titles, groups, strict=True)
    ]
    dense = tuple(_block(network, pair, size) for pair in network.layer_pairs_at(size) if pair.is_dense)
    return (*stages, Stage(DENSE, dense)) if dense else tuple(stages)


def _side(network: Architecture, pair: LayerPair) -> int:
    return max(network.map_sizes(pair)[1])


def _block(network: Architecture, pair: LayerPair, size: int) -> PairBlock:
    lower, upper = network.map_sizes(pair, size)
    return PairBlock(pair.id, pair.label, pair.lower_channels, pair.upper_channels, lower, upper)
