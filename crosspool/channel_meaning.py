"""The classes that a channel speaks for and against, where a network's classes read the mean of the upper map.

There a class's score is s = w . mean(A) + b, so a channel k adds w_k times its mean, whatever the image is: w_k alone
says how much each class makes of the channel. Nothing is estimated, and no image is needed. It is not the whole meaning
of a channel: where many channels share the work, as in EfficientNet-Lite0, no class hangs on a single one of them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import fx

from crosspool.backbones import UNTRAINED, Backbone
from crosspool.classifiers import last_layer
from crosspool.errors import BackboneError, ModelError
from crosspool.layer_pairs import LayerPair
from crosspool.statistics import channel_numbers
from crosspool.tracing import Layout


class ClassWeight(NamedTuple):
    """A class, and the weight that it gives to a channel's mean."""

    label: str
    weight: float


@dataclass(frozen=True)
class ChannelClasses:
    """What a network's classes make of the channels of a layer pair's upper map.

    Attributes:
        classes: The names of the L classes.
        weights: The weight that each class gives to the mean of each channel, (L, K).

    Example:
        >>> import crosspool
        >>> meaning = crosspool.channel_classes(crosspool.load_backbone())
        >>> [label for label, weight in meaning.speaks_for(112)]
        ['butternut squash', 'spaghetti squash', 'plunger']
    """

    classes: tuple[str, ...]
    weights: NDArray[np.float32]

    def speaks_for(self, channel: int, count: int = 3) -> list[ClassWeight]:
        """The classes whose scores a channel raises most.

        Args:
            channel: Its number, from 0.
            count: How many classes at most.

        Returns:
            list: `ClassWeight`s, (label, weight), the largest weight first; all are positive.

        Raises:
            SettingError: There is no such channel.

        Example:
            >>> import crosspool
            >>> crosspool.channel_classes(crosspool.load_backbone()).speaks_for(112, count=1)[0].label
            'butternut squash'
        """
        return self._extreme(channel, count, sign=1)

    def speaks_against(self, channel: int, count: int = 3) -> list[ClassWeight]:
        """The classes whose scores a channel lowers most.

        Args:
            channel: Its number, from 0.
            count: How many classes at most.

        Returns:
            list: `ClassWeight`s, (label, weight), the most negative weight first; all are negative.

        Raises:
            SettingError: There is no such channel.

        Example:
            >>> import crosspool
            >>> crosspool.channel_classes(crosspool.load_backbone()).speaks_against(112, count=1)[0].label
            'tiger'
        """
        return self._extreme(channel, count, sign=-1)

    def as_json(self, channel: int, count: int = 3) -> dict[str, list[dict[str, Any]]]:
        """The classes of a channel for a file of results.

        Args:
            channel: Its number, from 0.
            count: How many classes of each kind at most.

        Returns:
            dict: Under "for" and "against" the classes with their weights.

        Example:
            >>> import crosspool
            >>> crosspool.channel_classes(crosspool.load_backbone()).as_json(112, count=1)["for"][0]["class"]
            'butternut squash'
        """
        listed = {"for": self.speaks_for(channel, count), "against": self.speaks_against(channel, count)}
        return {kind: [{"class": label, "weight": weight} for label, weight in rows] for kind, rows in listed.items()}

    def table(self, count: int = 3) -> pd.DataFrame:
        """For each channel the classes that it speaks for and against, with their weights, in words.

        Args:
            count: How many classes of each kind at most.

        Returns:
            DataFrame: A row for each channel, by number, with the columns `speaks_for` and `speaks_against`.

        Example:
            >>> import crosspool
            >>> crosspool.channel_classes(crosspool.load_backbone()).table(count=1).speaks_for[112]
            'butternut squash 0.272'
        """
        channels = range(self.weights.shape[1])
        columns = {"speaks_for": self.speaks_for, "speaks_against": self.speaks_against}
        texts = {name: [_in_words(listed(channel, count)) for channel in channels] for name, listed in columns.items()}
        return pd.DataFrame(texts)

    def _extreme(self, channel: int, count: int, sign: int) -> list[ClassWeight]:
        weights = self.weights[:, channel_numbers([channel], self.weights.shape[1])[0]]
        order = np.argsort(-sign * weights, kind="stable")[:count].tolist()
        return [ClassWeight(self.classes[k], float(weights[k])) for k in order if sign * weights[k] > 0]


def channel_classes(backbone: Backbone, pair: LayerPair | str | None = None) -> ChannelClasses:
    """The classes that each channel of a layer pair's upper map speaks for and against, from the last layer's weights.

    A class's score is the sum over the channels of weight times mean of the map, plus the class's intercept. It is the
    mean of the map as the network computes it: of a layer with negative values, the signed one.

    Args:
        backbone: The network.
        pair: A pair of this network, or its id; None stands for the last convolution's.

    Returns:
        ChannelClasses: The weights, (L, K), with `speaks_for(channel)` and `speaks_against(channel)`.

    Raises:
        LayerPairError: The network has no such pair.
        ModelError: The network's classes do not read the mean of this pair's upper map; the sentence says why.
        BackboneError: The file of weights has no last layer.

    Example:
        >>> import crosspool
        >>> meaning = crosspool.channel_classes(crosspool.load_backbone(), "conv_head")
        >>> meaning.weights.shape
        (1000, 1280)

    References:
        The weights of class activation maps (Zhou et al., CVPR 2016), read by channel instead of by class.
    """
    network = backbone.architecture
    if not isinstance(pair, LayerPair):
        pair = network.default_pair if pair is None else network.pair(pair)
    layout = network.layout()
    layer = last_layer(backbone, layout)
    first = _first_channel(layout.node(layer.map), pair.upper, layout)
    if first is None:
        title = backbone.spec.title
        raise ModelError(f"The classes of {title} read the mean of another map than that of {pair.label}.")
    return ChannelClasses(backbone.classes, layer.weights[:, first : first + pair.upper_channels])


def classes_or_reason(backbone: Backbone, pair: LayerPair) -> ChannelClasses | str:
    """What `channel_classes` gives, or in a sentence why there is nothing to tell."""
    if backbone.weights == UNTRAINED:
        return "The network is untrained: its channels and its classes have nothing to do with each other yet."
    try:
        return channel_classes(backbone, pair)
    except (ModelError, BackboneError) as error:
        return str(error)


def _in_words(classes: list[ClassWeight]) -> str:
    return "; ".join(f"{label} {weight:.3f}" for label, weight in classes)


def _first_channel(joined: fx.Node, name: str, layout: Layout) -> int | None:
    """Where the channels of the map `name` begin in another: 0 if that is the same map, None if they are not in it.

    A map contains others unchanged where it is their concatenation, as at the end of an Inception network.
    """
    if joined.name == name:
        return 0
    if joined.target is not torch.cat or joined.args[1:] != (1,):
        return None
    start = 0
    for part in joined.all_input_nodes:
        inside = _first_channel(part, name, layout)
        if inside is not None:
            return start + inside
        start += layout.shapes[part.name][1]
    return None
