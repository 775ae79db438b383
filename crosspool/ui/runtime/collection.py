"""The store of features that this server's visitors look into: opened at the start, arranged in the background."""

import hashlib
import logging
import re
import threading
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import streamlit as st

from crosspool.backbones import PRETRAINED, UNTRAINED, Backbone, architecture
from crosspool.cache import default_cache
from crosspool.encoding import Encoder
from crosspool.errors import BackboneError, ModelError, SettingError
from crosspool.framing import Framing
from crosspool.grids import Size
from crosspool.methods import Method, parse_method
from crosspool.shards.codes import Sketch
from crosspool.shards.collection import Collection, arranged
from crosspool.shards.describing import map_of
from crosspool.shards.extraction import recalled
from crosspool.shards.plan import LEARNED, Plan
from crosspool.shards.store import Store
from crosspool.text import class_titles
from crosspool.ui.runtime.background import failure_sentence
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.runtime.plane import Plane
from crosspool.ui.widgets.browser import jpeg_url

MOSAIC_ROUTE = "/collection/{digest}/mosaic.webp"
DIGITS = 12


@dataclass(frozen=True)
class StoreMaps:
    """Which maps the peaks of a store are those of, as the page Maps names them; `grid` is (rows, columns)."""

    backbone: str
    weights: str
    pair: str
    size: int
    framing: Framing
    grid: Size


@dataclass(frozen=True)
class FittedMethod:
    """A store's method, its encoder, which has learned, and the sketch of its short codes."""

    method: Method
    encoder: Encoder
    sketch: Sketch


@dataclass(frozen=True)
class ArrangedStore:
    """A collection that is ready; `maps` is None where no layer pair of the page Maps has its channels."""

    collection: Collection
    maps: StoreMaps | None

    @cached_property
    def unread(self) -> int:
        """How many images could not be read."""
        return int((~self.collection.is_read).sum())

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many images that could be read each class has."""
        collection, counts = self.collection, dict.fromkeys(self.collection.classes, 0)
        for target in collection.targets[collection.is_read].tolist():
            if target >= 0:
                counts[collection.classes[target]] += 1
        return counts

    def largest(self, count: int) -> set[str]:
        """The labels that most images have, `count` at most."""
        return set(sorted(self.counts, key=lambda label: (-self.counts[label], label))[:count])

    @property
    def first_map(self) -> int:
        """The channel to look at first: the one that tells the classes apart best, or else the first."""
        return int(self.collection.telling.argmax())

    @cached_property
    def group_of(self) -> dict[int, int]:
        """The number of the group of near-copies, from 1, of each image that is in one."""
        groups = enumerate(self.collection.copies, 1)
        return {place: number for number, group in groups for place in group.tolist()}

    @cached_property
    def titles(self) -> dict[str, str]:
        """The labels as people read them."""
        return class_titles(self.collection.classes)

    @cached_property
    def plane(self) -> Plane | None:
        """The images on a plane, by their likeness; None where the store has no channels."""
        collection = self.collection
        if not collection.channels:
            return None
        return Plane.of(collection.positions, collection.is_read, collection.thumbnail)

    @cached_property
    def learned(self) -> FittedMethod:
        """What turns an image into a code, read once: its file may have tens of megabytes.

        Raises CrosspoolError where it is not there, is damaged, or is of a network that this server does not have.
        """
        store, plan = self.collection.store, self.collection.store.plan
        network = architecture(plan.backbone)
        method = parse_method(plan.method, network, plan.framing)
        encoder = method.encoder(plan.seed)
        learned = recalled(plan, store.place, encoder, network)
        if learned is None:
            raise ModelError(f"{store.place.address} lacks {LEARNED}; run the same crosspool extract again.")
        return FittedMethod(method, encoder, learned.sketch)

    @cached_property
    def digest(self) -> str:
        """Stands for the content in addresses, so that browsers keep what they got."""
        return hashlib.sha256(self.collection.folder.name.encode()).hexdigest()[:DIGITS]

    def picture(self, place: int) -> str:
        """An image's small picture as a data URL: a wall is there sooner in one message than by many requests."""
        return jpeg_url(self.collection.thumbnail(place))

    @property
    def mosaic_address(self) -> str:
        """Where browsers get the picture of the plane."""
        base = (st.get_option("server.baseUrlPath") or "").strip("/")
        return (f"/{base}" if base else "") + MOSAIC_ROUTE.replace("{digest}", self.digest)


class ServedStore:
    """A store, and its arrangement once it is made: in a thread that begins once."""

    def __init__(self, address: str, log: EventLog) -> None:
        """Raises CrosspoolError where there is no whole store."""
        self.store, self.done, self.problem = Store.opened(address), 0, ""
        self.ready: ArrangedStore | None = None
        self._log, self._begun, self._lock = log, False, threading.Lock()

    def begin(self) -> None:
        """Begin to arrange it, unless that has begun."""
        with self._lock:
            if self._begun:
                return
            self._begun, self.problem = True, ""
        threading.Thread(target=self._arrange, name="collection", daemon=True).start()

    def _arrange(self) -> None:
        start = perf_counter()
        try:
            collection = arranged(self.store, default_cache(), self._count)
            ready = ArrangedStore(collection, maps_of(self.store.plan, collection.channels))
            _read_what_pages_show(ready)
            self.ready = ready
            self._log.record("collection_arranged", images=len(self.store), ms=1000 * (perf_counter() - start))
        except Exception as error:  # any is shown on the page, and the thread must not end without a word
            reason = failure_sentence(error, "arranging the collection", "take a machine with more")
            self.problem = logged_failure(self._log, error, reason, "The collection could not be arranged")
            with self._lock:
                self._begun = False  # the next visitor has it tried again

    def _count(self, done: int) -> None:
        self.done = done


def _read_what_pages_show(ready: ArrangedStore) -> None:
    """Read what every visit needs, so that no visitor waits for it."""
    collection = ready.collection
    _ = ready.counts, ready.plane, collection.copies, collection.likeness


def logged_failure(log: EventLog, error: Exception, reason: str, what: str) -> str:
    """Log what failed with its reason, which may name the operator's folders, and return a sentence for visitors."""
    log.record("collection_failed", level=logging.ERROR, kind=" ".join(reason.split()), error=error)
    return f"{what}; tell the person who runs this server (its log says why)."


def without_folders(problem: str) -> str:
    """Why an image could not be read, with a path of the disk that held it cut down to the name of the file.

    Folders may have blanks in their names: all that is between the path's beginning and its last slash is left out.
    """
    return re.sub(r"(?<![^\s('\"])(?:[A-Za-z]:\\|/)(?=\S)(?:.*[/\\])?", "", problem)


def maps_of(plan: Plan, channels: int) -> StoreMaps | None:
    """The maps that the peaks are of; None where the method has none, or sees an image in several pieces."""
    try:
        network = architecture(plan.backbone)
        source = map_of(parse_method(plan.method, network, plan.framing))
        if source is None or source.network or source.views != "whole":
            return None
        pairs = [pair for pair in network.layer_pairs_at(source.size) if pair.upper == source.node]
    except BackboneError:  # a module of somebody's own, which this server does not have
        return None
    if not pairs or pairs[0].upper_channels != channels:
        return None
    grid = network.map_sizes(pairs[0], source.size)[1]
    return StoreMaps(plan.backbone, weights_of(plan), pairs[0].id, source.size, plan.framing, grid)


def weights_of(plan: Plan) -> str:
    """The weights as pages name them."""
    return UNTRAINED if plan.weights == UNTRAINED else PRETRAINED


def expect_network(plan: Plan, backbone: Backbone) -> None:
    """Raise SettingError where a network, or one beside it, is not that of the store."""
    expected = {plan.backbone: plan.fingerprint} | plan.others
    for each in (backbone, *backbone.others):
        if each.fingerprint != expected[each.spec.name]:
            raise SettingError(
                f"The store was made with other weights of {each.spec.title} than this server has; extract it again "
                "with these, or look at its own images."
            )
