"""The networks in memory, shared by all sessions."""

import gc
import threading
import weakref
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from cachetools import LRUCache

from crosspool.backbones import (
    DEFAULT,
    PRETRAINED,
    UNTRAINED,
    Backbone,
    BackboneSpec,
    architecture,
    backbone_specs,
    given_network,
    load_backbone,
    spec_of,
)
from crosspool.backbones.timm_networks import is_timm
from crosspool.engines import EngineName
from crosspool.errors import BackboneError, SettingError
from crosspool.text import human_bytes
from crosspool.ui.runtime.gate import FairSemaphore, outside, undivided

BYTES_PER_PARAMETER = 4
PEAK = 2.3  # bytes in use while a network is built, as a multiple of those that stay


def network_bytes(spec: BackboneSpec) -> int:
    """The memory that a network takes."""
    return BYTES_PER_PARAMETER * spec.parameters


def peak_bytes(spec: BackboneSpec) -> int:
    """The memory that a network takes while it is loaded."""
    return int(PEAK * network_bytes(spec))


SMALLEST_LIMIT = peak_bytes(spec_of(DEFAULT))  # with less, no page could be shown


def _is_default(key: tuple[str, str]) -> bool:
    name, weights = key
    return name == DEFAULT and weights != UNTRAINED


def names_of(setting: str) -> frozenset[str]:
    """The networks that the operator allows, from the setting; empty for all. Raises SettingError for unknown ones."""
    names = frozenset(filter(None, map(str.strip, setting.split(","))))
    try:
        for name in filter(is_timm, names):
            architecture(name)  # some of timm's have no layer pair
        return names and frozenset({DEFAULT, *(spec_of(name).name for name in names)})
    except BackboneError as error:
        raise SettingError(f"network_names: {error}") from error


class Networks:
    """At most `count` networks of at most `nbytes` bytes.

    Where they take too much, the largest that no computation holds makes room for another, so that whoever asks for
    large networks takes small ones from others last, and none in vain; where there are too many, the least recently
    used. The default network, with its weights, is not counted among them and stays, as every visitor begins with it.
    Those that were dropped count as long as a computation holds them. Only `allowed` networks are loaded, if there are
    any. A computation with one of them uses `threads` threads, and on a CPU this `engine`, whose copies of the weights
    count too and are the first to make room. Networks are loaded one at a time, in turns of `loading`: beside the
    computations, as loading a large one takes many seconds.
    """

    def __init__(
        self,
        count: int,
        nbytes: int,
        threads: int,
        allowed: Collection[str] = (),
        loading: FairSemaphore | None = None,
        engine: EngineName = "auto",
    ) -> None:
        self._backbones: LRUCache[tuple[str, str], Backbone] = LRUCache(count)
        self._default: Backbone | None = None
        self._alive: list[weakref.ref[Backbone]] = []
        self.limit = nbytes
        self.own = given_network()
        self._threads, self._allowed, self._engine = threads, frozenset(allowed), engine
        self._lock, self._loading = threading.Lock(), loading or FairSemaphore()

    def __len__(self) -> int:
        """The number that is kept."""
        return len(self._backbones) + (self._default is not None)

    @property
    def nbytes(self) -> int:
        """The memory of all networks, those included that are only held by a computation."""
        return sum(network_bytes(backbone.spec) + backbone.sessions.nbytes for backbone in self._living())

    @property
    def specs(self) -> dict[str, BackboneSpec]:
        """The networks that visitors find in lists, by name: the operator's own first, of timm's only those allowed."""
        own = {} if self.own is None else {self.own.spec.name: self.own.spec}
        return own | backbone_specs() | {name: spec_of(name) for name in sorted(filter(is_timm, self._allowed))}

    def named(self, name: str, weights: str) -> "Network":
        """A network by its name and weights, as in a link; nothing is loaded yet."""
        return Network(name, weights, self)

    def why_not(self, spec: BackboneSpec) -> str:
        """Why this server never loads a network, in a sentence, or ""."""
        if spec.is_own:
            return ""
        if self._allowed and spec.name not in self._allowed:
            return f"{spec.title} is not among the networks of this server: {', '.join(self._titles())}."
        if peak_bytes(spec) > self.limit:
            need, room = human_bytes(peak_bytes(spec)), human_bytes(self.limit)
            problem = f"{spec.title} needs {need} while it is loaded, and this server has {room} for networks"
            millions = self.limit / PEAK / BYTES_PER_PARAMETER / 1e6
            return f"{problem}; choose one of at most {millions:,.0f} M parameters."
        return ""

    def backbone(self, name: str, weights: str) -> Backbone:
        """The network, loaded where it is not in memory. Raises BackboneError, before anything is built."""
        key = name, weights
        backbone = self._kept(key)
        if backbone is None and spec_of(name).is_own:
            raise BackboneError(f"{name} is a module with weights of its own: there is no untrained one.")
        if backbone is None:
            with outside(), self._loading.turn(), undivided():  # there is memory to load one at a time
                backbone = self._kept(key)
                if backbone is None:
                    self._make_room(spec_of(name))
                    torch.set_num_threads(self._threads)
                    backbone = load_backbone(name, UNTRAINED if weights == UNTRAINED else None, engine=self._engine)
                    with self._lock:
                        if _is_default(key):
                            self._default = backbone
                        else:
                            self._backbones[key] = backbone
                        self._alive = [ref for ref in self._alive if ref() is not None] + [weakref.ref(backbone)]
        return backbone

    def in_memory(self, name: str, weights: str) -> Backbone | None:
        """The network, if it is in memory."""
        return self._kept((name, weights))

    def clear(self) -> None:
        """Drop all networks that are not in use."""
        with self._lock:
            self._backbones.clear()
            self._default = None

    def _kept(self, key: tuple[str, str]) -> Backbone | None:
        name, weights = key
        if self.own is not None and name == self.own.spec.name and weights != UNTRAINED:
            return self.own
        with self._lock:
            return self._default if _is_default(key) else self._backbones.get(key)

    def _make_room(self, spec: BackboneSpec) -> None:
        """Drop networks until there is room to load this one. Raises BackboneError where there will not be."""
        if reason := self.why_not(spec):
            raise BackboneError(reason)
        with self._lock:
            if self.nbytes + peak_bytes(spec) > self.limit:
                self._drop_copies()
            self._drop_largest(self.limit - peak_bytes(spec))
            if self.nbytes + peak_bytes(spec) > self.limit:
                problem = f"There is no memory for {spec.title} while other networks are at work"
                raise BackboneError(f"{problem}; try again in a minute.")
            if len(self._backbones) == self._backbones.maxsize and spec.name != DEFAULT:
                self._backbones.popitem()

    def _drop_copies(self) -> None:
        """Drop what engines hold of all networks, which is made again in less time than a network is loaded."""
        for backbone in self._living():
            backbone.sessions.clear()

    def _drop_largest(self, most: int) -> None:
        """Drop the largest networks that are not in use until all take `most` bytes; none where that is in vain."""
        in_use = {}
        while self.nbytes > most >= self.nbytes - sum(network_bytes(spec_of(name)) for name, _ in self._backbones):
            key = max(self._backbones, key=lambda key: network_bytes(spec_of(key[0])))
            reference = weakref.ref(self._backbones.pop(key))
            gc.collect()  # a module and its graph hold each other
            if (backbone := reference()) is not None:
                in_use[key] = backbone
        self._backbones.update(in_use)

    def _living(self) -> list[Backbone]:
        """The networks in memory, those included that are only held by a computation."""
        backbones = (reference() for reference in list(self._alive))
        return [backbone for backbone in backbones if backbone is not None]

    def _titles(self) -> list[str]:
        return [spec.title for name, spec in self.specs.items() if name in self._allowed]


@dataclass(frozen=True)
class Network:
    """A network by its name and weights, as in a link, which does not keep it in memory."""

    name: str
    weights: str
    _networks: Networks = field(repr=False, compare=False)

    @property
    def backbone(self) -> Backbone:
        return self._networks.backbone(self.name, self.weights)

    def beside(self, others: Collection[str]) -> Backbone:
        """The network with pretrained ones of these names beside it."""
        return self.backbone.beside([self._networks.backbone(name, PRETRAINED) for name in others])

    @property
    def in_memory(self) -> Backbone | None:
        """The network, if it is in memory."""
        return self._networks.in_memory(self.name, self.weights)

    @property
    def spec(self) -> BackboneSpec:
        return spec_of(self.name)

    @property
    def title(self) -> str:
        """Its name for people, and whether it is untrained."""
        return self.spec.titled(self.weights)
