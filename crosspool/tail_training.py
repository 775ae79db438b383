"""How the last layers of a network are trained further, for the classes of the training images.

The layers before them are frozen, and their maps computed once (`crosspool.tails`). Only the weights of convolutions
and fully-connected layers are tuned, by AdamW, each at a rate in proportion to the root mean square of its numbers
(Shazeer and Stern, ICML 2018, section 8): BatchNorm, folded into convolutions, leaves weights of very different sizes.
BatchNorm itself and all biases stay as they are, as batches are small. The new last layer reads the signed root of the
pooled vector, of unit length, as a support vector machine does later on, and gradients go through both (Lin,
RoyChowdhury and Maji, ICCV 2015): without that, tuned maps served the softmax alone. It is trained alone first, by
L-BFGS on the network as it is (Kumar et al., ICLR 2022): from a layer that knows nothing, the first steps silenced a
third of the channels of EfficientNet-Lite0. Each training image is seen as it is or mirrored, drawn anew for every
epoch.

Which of the layers are tuned (all, or the later half), the learning rate and the number of epochs are chosen on a
quarter of the training images of each class, rounded, that is held out meanwhile; then all images are used. The number
may be 0: where no epoch lowers the loss of the held-out images, or no class has more than two images, so that none is
held out, the network stays as it is.
Nothing else is looked at: neither test images nor their number. The other settings are the same for all data sets.
They were tried on held-out training images of birds alone.

The same seed gives the same bits on the same machine with the same number of threads. With another number, torch adds
in another order, and the numbers differ by rounding, which training magnifies.
"""

import hashlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, cos, isfinite, pi
from pickle import UnpicklingError
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from crosspool.cache import Array
from crosspool.encoding import (
    LOGIT_SCALE,
    Lessons,
    Records,
    class_loss,
    unit_root,
)
from crosspool.errors import SettingError
from crosspool.framing import Source
from crosspool.strict_json import json_text
from crosspool.tails import Tail, weights_of

VERSION = 6  # to be increased when the same images give other numbers
EPOCHS = 8  # at most
HEAD_RATE = 1e-3  # of the new layer
HEAD_C = 1.0  # of the regression that it starts from, as in scikit-learn's LogisticRegression
HEAD_STEPS = 200  # of that regression, at most
WEIGHT_DECAY = 0.05
BATCH = 16  # images
HELD_OUT = 0.25  # of each class
PATIENCE = 3  # epochs without a lower loss
VIEWS = 2  # an image, and its mirror image

Indices = NDArray[np.intp]
Views = tuple[Source, Source]  # of an image, and of its mirror image


class Trial(NamedTuple):
    """A learning rate, relative to the size of the weights, and the share of the layers, counted from the last, tuned.

    The share is of the layers that what is pooled depends on; those after them are tuned in any case.
    """

    rate: float
    share: float


TRIALS = (Trial(4e-3, 1), Trial(8e-3, 1), Trial(8e-3, 0.5))


@dataclass
class Tuning:
    """The training of a tail's layers on `views` of images, with a new last layer, `head`; at most `most` epochs."""

    tail: Tail
    views: Views
    most: int
    seed: int
    records: Records
    lessons: Lessons
    layers: fx.GraphModule = field(init=False)
    head: nn.Linear = field(init=False)

    def __post_init__(self) -> None:
        self.targets = torch.from_numpy(self.lessons.targets)
        self.held_out = held_out_part(self.lessons.targets, self.seed)
        self.begin()
        self._total = self.most_images
        self._heads: dict[bytes, dict[str, Tensor]] = {}  # by images

    def begin(self, trial: Trial = TRIALS[0]) -> torch.optim.Optimizer:
        """Start from the network's own layers."""
        assert self.lessons.network is not None
        tail, many = self.tail, self.targets.ndim == 2
        outputs = self.targets.shape[1] if many else int(self.targets.max()) + 1
        self.layers = tail.of(self.lessons.network).requires_grad_(False)
        self.head = nn.Linear(tail.length, outputs, device=next(self.layers.parameters()).device)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)
        weights = [self.layers.get_parameter(name).requires_grad_() for name in self.tuned_names(trial.share)]
        rates = [trial.rate * float(weight.detach().square().mean().sqrt()) for weight in weights]
        parts = [*zip(weights, rates, strict=True), *((each, HEAD_RATE) for each in self.head.parameters())]
        settings = [{"params": [part], "lr": highest, "highest": highest} for part, highest in parts]
        return torch.optim.AdamW(settings, weight_decay=WEIGHT_DECAY)

    def tuned_names(self, share: float) -> list[str]:
        """The names of the weights that are tuned with such a share of the layers: of one of them at least."""
        names, pooled = weights_of(self.layers, self.layers.graph), self.tail.pooled_weights
        counted = [name for name in names if name in pooled]
        frozen = counted[: len(counted) - max(1, int(len(counted) * share))]
        return [name for name in names if name not in frozen]

    @property
    def trials(self) -> list[Trial]:
        """Those of `TRIALS` that differ here: half of a single layer is all of it."""
        different = {(trial.rate, len(self.tuned_names(trial.share))): trial for trial in reversed(TRIALS)}
        return list(reversed(different.values()))

    def tune(self) -> int:
        """Choose layers, rate and number of epochs on held-out images, and train on all. Returns how many epochs."""
        if not self.held_out.size:
            return 0
        everything, losses = np.arange(len(self.records)), {}
        kept, done = np.setdiff1d(everything, self.held_out), 0
        for trial in self.trials:
            losses[trial] = self._trained(trial, kept, self.held_out, self.most, done)
            done += (VIEWS + self.most) * len(kept)
        trial, epochs = best_of(losses)
        if epochs:
            self._trained(trial, everything, self.held_out[:0], epochs, done)
        else:
            self.begin()
        return epochs

    @property
    def most_images(self) -> int:
        """How many images are learned from at most: those of all trials, and of the training at last."""
        count = len(self.records)
        trials = len(self.trials) * (count - len(self.held_out))
        return (VIEWS + self.most) * (trials + count) if self.held_out.size else 0

    def foreseen_seconds(self) -> float:
        """How long `tune` takes at most where nothing of it is kept, by the second batch of a training."""
        optimizer, batch = self.begin(), np.arange(len(self.records))[:BATCH]
        self._train_on(batch, np.zeros_like(batch), optimizer)
        start = time.perf_counter()
        self._train_on(batch, np.zeros_like(batch), optimizer)
        return (time.perf_counter() - start) / len(batch) * self.most_images

    def _trained(self, trial: Trial, images: Indices, held_out: Indices, epochs: int, done: int) -> list[float]:
        """Train on some images. Returns the losses of the held-out ones before and after each epoch.

        It ends when they stop falling. Of a finished training that held images out, only its losses are kept.
        """
        place = self._place(trial, images, epochs)
        optimizer, losses = self._resume(place, trial)
        if not losses:
            self._train_head(images, done)
            losses.append(self.loss(held_out) if held_out.size else 0.0)
        for epoch in range(len(losses) - 1, epochs):
            if held_out.size and has_stopped(losses):
                break
            self._epoch(optimizer, images, epoch, done + (VIEWS + epoch) * len(images))
            losses.append(self.loss(held_out) if held_out.size else 0.0)
            is_tried = held_out.size and (epoch + 1 == epochs or has_stopped(losses))
            self._keep(place, losses, () if is_tried else (self.layers, self.head, optimizer))
        return losses

    def _train_head(self, images: Indices, done: int) -> None:
        """Train the new layer alone, by logistic regression on images and their mirror images, once for all trials."""
        if known := self._heads.get(images.tobytes()):
            self.head.load_state_dict(known)
            return
        vectors, targets = [], self.targets[np.repeat(images, VIEWS)].to(self.head.weight.device)
        with torch.no_grad():
            for batch in np.array_split(images, ceil(len(images) / BATCH)):
                vectors.append(self._vectors(np.repeat(batch, VIEWS), np.tile(np.arange(VIEWS), len(batch))))
                done += VIEWS * len(batch)
                self.lessons.progress(done, self._total)
        read, penalty = torch.cat(vectors), 1 / (2 * HEAD_C * VIEWS * len(images))
        optimizer = torch.optim.LBFGS(self.head.parameters(), max_iter=HEAD_STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = class_loss(self.head(read), targets) + penalty * self.head.weight.square().sum()
            value.backward()
            return value

        optimizer.step(loss)
        self._heads[images.tobytes()] = {name: value.clone() for name, value in self.head.state_dict().items()}

    def _epoch(self, optimizer: torch.optim.Optimizer, images: Indices, epoch: int, done: int) -> None:
        generator = np.random.default_rng([self.seed, epoch])
        order, batches = generator.permutation(images), ceil(len(images) / BATCH)
        for number, batch in enumerate(np.array_split(order, batches)):
            share = (epoch + number / batches) / self.most
            for group in optimizer.param_groups:
                group["lr"] = group["highest"] * (1 + cos(pi * share)) / 2
            self._train_on(batch, generator.integers(0, 2, len(batch)), optimizer)
            done += len(batch)
            self.lessons.progress(done, self._total)

    def _train_on(self, batch: Indices, mirrored: Indices, optimizer: torch.optim.Optimizer) -> None:
        loss = self._loss(batch, mirrored)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def loss(self, images: Indices) -> float:
        """The mean loss of images as they are."""
        with torch.no_grad():
            batches = np.array_split(images, ceil(len(images) / BATCH))
            losses = [float(self._loss(batch, np.zeros(len(batch), np.intp))) * len(batch) for batch in batches]
        return sum(losses) / len(images)

    def _loss(self, images: Indices, mirrored: Indices) -> Tensor:
        return class_loss(self.head(self._vectors(images, mirrored)), self.targets[images].to(self.head.weight.device))

    def _vectors(self, images: Indices, mirrored: Indices) -> Tensor:
        """What the new layer reads: the roots of the pooled vectors, of the same length."""
        tail, views = self.tail, self.views
        pairs = zip(images.tolist(), mirrored.tolist(), strict=True)
        device = self.head.weight.device
        maps = torch.cat([torch.as_tensor(self.records[index][views[view]]) for index, view in pairs]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            vectors = tail.run(self.layers, maps, tail.size)[-1]
        return LOGIT_SCALE * unit_root(vectors.float())

    # --- what is kept of a training

    def _place(self, trial: Trial, images: Indices, epochs: int) -> str:
        """The name of all that decides a training: images, network, settings; methods of the same tail share it."""
        layers = list(self.layers.state_dict())
        rates, counts = (HEAD_RATE, HEAD_C, WEIGHT_DECAY, HELD_OUT), (EPOCHS, HEAD_STEPS, BATCH, PATIENCE, self.most)
        about = [VERSION, self.lessons.key, rates, counts, self.seed, layers, self.tail.size]
        about += [trial, images.tolist(), epochs]
        return hashlib.sha256(json_text(about).encode()).hexdigest()

    def _keep(self, place: str, losses: Sequence[float], parts: Sequence[nn.Module | torch.optim.Optimizer]) -> None:
        if self.lessons.cache is None:
            return
        file = io.BytesIO()
        torch.save([list(losses), *(part.state_dict() for part in parts)], file)
        self.lessons.cache.put(place, np.frombuffer(file.getbuffer(), np.uint8))

    def _resume(self, place: str, trial: Trial) -> tuple[torch.optim.Optimizer, list[float]]:
        """Go on where a training of that name was interrupted, or begin. Returns also the losses that it has seen."""
        optimizer = self.begin(trial)
        kept: Array | None = None if self.lessons.cache is None else self.lessons.cache.get(place)
        if kept is None:
            return optimizer, []
        try:
            file, device = io.BytesIO(kept.tobytes()), self.head.weight.device
            losses, *states = torch.load(file, device, weights_only=True)  # no states: it was a trial
            if states:
                layers, head, optimized = states
                self.layers.load_state_dict(layers)
                self.head.load_state_dict(head)
                optimizer.load_state_dict(optimized)
            return optimizer, list(losses)
        except (UnpicklingError, RuntimeError, EOFError, LookupError, AttributeError, TypeError, ValueError):
            # it is something else
            return self.begin(trial), []


def held_out_part(targets: NDArray[np.intp], seed: int) -> Indices:
    """A seeded quarter of each class, rounded, or of all images where each has several labels."""
    order = np.random.default_rng(seed).permutation(len(targets))
    groups = [order] if targets.ndim == 2 else [order[targets[order] == each] for each in np.unique(targets)]
    return np.sort(np.concatenate([group[: round(HELD_OUT * len(group))] for group in groups]))


def has_stopped(losses: Sequence[float]) -> bool:
    """Whether the loss has not fallen below its lowest value for `PATIENCE` epochs."""
    return len(losses) > PATIENCE and min(losses[-PATIENCE:]) >= min(losses[:-PATIENCE])


def best_of(losses: Mapping[Trial, Sequence[float]]) -> tuple[Trial, int]:
    """The trial with the lowest loss, and after how many epochs it had it: the fewest, of the first of equal ones.

    Raises SettingError where no loss is finite.
    """
    found = [(loss, trial, epoch) for trial, row in losses.items() for epoch, loss in enumerate(row)]
    finite = [each for each in found if isfinite(each[0])]
    if not finite:
        raise SettingError("The network cannot be fine-tuned: its loss is not finite in any trial.")
    _, trial, epoch = min(finite, key=lambda each: each[0])
    return trial, epoch
