"""The networks in memory, shared by all sessions."""

import threading
from dataclasses import dataclass, field

import torch
from cachetools import LRUCache

from crosspool.backbones import UNTRAINED, Backbone, BackboneSpec, load_backbone, spec_of


class Networks:
    """At most `limit` networks; the least recently used one makes room for another.

    A computation with one of them uses `threads` threads.
    """

    def __init__(self, limit: int, threads: int) -> None:
        self._backbones: LRUCache[tuple[str, str], Backbone] = LRUCache(limit)
        self._threads = threads
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """The number in memory."""
        return len(self._backbones)

    def named(self, name: str, weights: str) -> "Network":
        """A network by its name and weights, as in a link; nothing is loaded yet."""
        return Network(name, weights, self)

    def backbone(self, name: str, weights: str) -> Backbone:
        """The network, loaded where it is not in memory. Raises BackboneError."""
        with self._lock:
            if (name, weights) not in self._backbones:
                torch.set_num_threads(self._threads)
                if len(self._backbones) == self._backbones.maxsize:
                    self._backbones.popitem()  # before the other is loaded, as there is no room for both
                self._backbones[name, weights] = load_backbone(name, UNTRAINED if weights == UNTRAINED else None)
            return self._backbones[name, weights]

    def clear(self) -> None:
        """Drop all networks that are not in use."""
        with self._lock:
            self._backbones.clear()


@dataclass(frozen=True)
class Network:
    """A network by its name and weights, as in a link, which does not keep it in memory."""

    name: str
    weights: str
    _networks: Networks = field(repr=False, compare=False)

    @property
    def backbone(self) -> Backbone:
        return self._networks.backbone(self.name, self.weights)

    @property
    def spec(self) -> BackboneSpec:
        return spec_of(self.name)

    @property
    def title(self) -> str:
        """Its name for people, and whether it is untrained."""
        return self.spec.titled(self.weights)
