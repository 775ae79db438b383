"""Fine-tuning as a step of a method: the last layers of a network, trained on, between maps and what is pooled of them.

How they are trained is in `crosspool.tail_training`.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspool.encoding import (
    Encoder,
    LearnedArray,
    LearnedStep,
    Lessons,
    Record,
    Records,
    ShapeOf,
)
from crosspool.errors import SettingError
from crosspool.framing import Source
from crosspool.tail_training import EPOCHS, Tuning, Views
from crosspool.tails import Tail, tensors_of

LARGEST = 1e6  # no number of a layer comes near it


class FineTuning(LearnedStep):
    """Records of a tail's input to records of what its layers yield once they are trained on.

    `sources` are those of the records that it yields. It reads `before(source)` of each, and learns from `lessons`, of
    which it needs the network. Training lasts for at most `epochs`; without any, the network stays as it is.

    Where `lessons.cache` is set, it goes on after the last epoch of a training that was interrupted, and one that was
    finished is not repeated. On CUDA, arithmetic is in bfloat16 where torch's autocast allows; this was not measured.

    Raises SettingError where it learns without a network, or gives numbers that are not finite.
    """

    weights_: NDArray[np.float32]
    epochs_: int  # the number that was chosen; 0 if the network stayed as it was

    def __init__(self, tail: Tail, sources: tuple[Source, ...], epochs: int = EPOCHS, random_state: int = 0) -> None:
        self.tail = tail
        self.sources = sources
        self.epochs = epochs
        self.random_state = random_state

    def before(self, source: Source) -> Source:
        """The input of the tail that a source is computed from."""
        return replace(source, node=self.tail.start)

    @property
    def inputs(self) -> tuple[Source, ...]:
        """What it needs of an image."""
        return tuple(sorted({self.before(source) for source in self.sources}))

    @property
    def lesson_views(self) -> Views:
        """What it learns from: an image, and its mirror image."""
        whole = Source(self.tail.start, self.tail.size, "whole", self.sources[0].framing)
        return whole, replace(whole, views="mirror")

    def fit(self, X: Records, y: Lessons | None = None) -> Self:
        if y is None or y.network is None:
            raise SettingError("Fine-tuning needs the network, and the classes of its training images.")
        tuning = self.training(X, y)
        self.epochs_ = tuning.tune() if self.epochs else 0
        self.layers = tuning.layers.requires_grad_(False)
        self.weights_ = torch.cat([tensor.flatten() for tensor in tensors_of(self.layers)]).cpu().numpy()
        return self

    def training(self, X: Records, y: Lessons) -> Tuning:
        """The training that it would do, not yet begun."""
        return Tuning(self.tail, self.lesson_views, self.epochs, self.random_state, X, y)

    def foreseen_seconds(self, X: Records, y: Lessons) -> float:
        """How long `fit` takes at most, where nothing of it is kept, by a batch of its images."""
        return self.training(X, y).foreseen_seconds()

    def learned_arrays(self, shape_of: ShapeOf) -> dict[str, LearnedArray]:
        return {"weights_": LearnedArray((self.tail.count,), LARGEST)}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().restore(arrays)
        self.layers = self.tail.without_numbers()
        tensors = tensors_of(self.layers)
        parts = torch.from_numpy(self.weights_).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def transform(self, X: Records) -> "TunedRecords":
        return TunedRecords(self, X)

    def vectors(self, records: Records) -> NDArray[np.float32]:
        """What the last layer of the network reads of images, (n, d), at the size that it was trained at."""
        whole, _ = self.lesson_views
        device = next(self.layers.parameters()).device
        with torch.no_grad():
            starts = (torch.as_tensor(record[whole]).to(device) for record in records)
            vectors = [self.tail.run(self.layers, start, self.tail.size)[-1] for start in starts]
        return torch.cat(vectors).float().cpu().numpy()

    def tuned(self, record: Record) -> Record:
        """What the trained layers yield for an image, from the maps before them, and what else its record has."""
        outputs: dict[Hashable, Tensor] = {}
        device = next(self.layers.parameters()).device
        for before in self.inputs:
            with torch.no_grad():
                maps = torch.as_tensor(record[before]).to(device)
                *yielded, _ = self.tail.run(self.layers, maps, before.side)
            by_node = dict(zip(self.tail.nodes, yielded, strict=True))
            outputs |= {each: by_node[each.node] for each in self.sources if self.before(each) == before}
        if not all(torch.stack(output.aminmax()).isfinite().all() for output in outputs.values()):
            raise SettingError("The tuned network gives numbers that are not finite; tune it again.")
        others = {key: value for key, value in record.items() if key not in self.inputs}
        return {**others, **outputs}


@dataclass(frozen=True)
class TunedRecords(Sequence[Record]):
    """The records that trained layers yield, each computed when it is used."""

    tuning: FineTuning
    records: Records

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> "TunedRecords": ...
    def __getitem__(self, place: int | slice) -> "Record | TunedRecords":
        if isinstance(place, slice):
            return TunedRecords(self.tuning, self.records[place])
        return self.tuning.tuned(self.records[place])


class TunedEncoder(Encoder):
    """Two steps: the trained layers, and the encoder of what they yield."""

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        tuning, encoder = self[0], self[1]
        encoder.fit(tuning.fit(X, y).transform(X), y)
        return self


def leaves_network(encoder: Encoder) -> bool:
    """Whether a fitted encoder was to tune the network, but left it as it was."""
    return isinstance(encoder, TunedEncoder) and encoder[0].epochs_ == 0
