"""What a store holds and how it is computed: written once, before anything else."""

import hashlib
import io
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crosspool import __version__
from crosspool.backbones import Backbone
from crosspool.engines import EngineName
from crosspool.errors import BackboneError, ModelError, SettingError
from crosspool.framing import Framing
from crosspool.image_maps import IMAGE_MAPS
from crosspool.methods import Method
from crosspool.records import passes_of
from crosspool.shards.describing import file_of
from crosspool.shards.listing import Listing
from crosspool.shards.place import Place
from crosspool.strict_json import json_text

PLAN, IMAGES, LEARNED = "plan.json", "images.parquet", "learned.safetensors"
SHARD = 1000  # images
SAMPLE = 512  # images that a method and the codes are learned from
BITS = 1024  # of a short code
THUMBNAIL = 160  # pixels, the longer side of a small image
_SHARD_NAME = "shard-"
PROBES = 8  # images whose files are compared when a store is gone on with
_FREE = {"name", "layout", "problems", "probes"}  # what another plan for the same store may have otherwise
_WORDS = {
    "images": "the number of images",
    "listing": "the list of images, their labels or their split",
    "classes": "the classes",
    "shard": "the images of a shard",
    "fingerprint": "the network's weights",
    "others": "the networks beside it",
    "sample": "the images that are learned from",
}


class Plan(BaseModel):
    """A plan: images, method, network, and everything else that decides the bytes of a store.

    `listing` is the SHA-256 of the list of images, `classes` are the names of all labels in the order of the data set.
    `fingerprint` is the SHA-256 of the network, `outputs` its number of classes, and `others` are the SHA-256 of the
    networks beside it. `engine` and `device` compute the maps. `sample` images, drawn by `seed`, are learned from.
    `probes` are the SHA-256 of a few images' files, those that could be read, by the images' names.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal["crosspool store 3"] = "crosspool store 3"
    name: str
    layout: str
    problems: list[str]
    images: int = Field(ge=1)
    listing: str
    probes: dict[str, str] = {}
    classes: list[str]
    shard: int = Field(ge=1)
    method: str
    framing: Framing
    backbone: str
    outputs: int = Field(ge=1)
    weights: str
    fingerprint: str
    others: dict[str, str]
    engine: EngineName
    device: str
    seed: int = Field(ge=0, lt=2**32)
    sample: int = Field(ge=1)
    bits: int = BITS
    thumbnail: int = THUMBNAIL
    versions: dict[str, str]

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.images // self.shard)

    def shard_name(self, number: int) -> str:
        """The name of a shard's file."""
        digits = max(5, len(str(self.shards - 1)))
        return f"{_SHARD_NAME}{number:0{digits}}.parquet"

    def origin(self, number: int, learned: str) -> str:
        """What a shard's file says of where it belongs.

        That is of which plan it is, which of its shards, and the SHA-256 of what was learned before.
        """
        return origin(self.checksum, number, learned)

    @property
    def checksum(self) -> str:
        """The SHA-256 of all that decides the bytes of a store."""
        decides = json_text(self.model_dump(exclude=_FREE), sort_keys=True)
        return hashlib.sha256(decides.encode()).hexdigest()

    def places(self, number: int) -> range:
        """The places of a shard's images in the list of all."""
        return range(number * self.shard, min((number + 1) * self.shard, self.images))

    def missing(self, names: set[str]) -> list[int]:
        """The shards that have no file among these names."""
        return [number for number in range(self.shards) if self.shard_name(number) not in names]

    def differences(self, other: "Plan") -> list[str]:
        """What differs in another plan, in words, with both values where they are short."""
        found = []
        for name, own in self:
            theirs = getattr(other, name)
            follows = name == "sample" and self.images != other.images
            if name in _FREE or own == theirs or follows:
                continue
            words = _WORDS.get(name, f"the {name}")
            is_long = name in ("listing", "classes", "fingerprint", "others")
            found.append(words if is_long else f"{words} ({_shown(own)} there, {_shown(theirs)} here)")
        changed = [name for name, checksum in self.probes.items() if other.probes.get(name, checksum) != checksum]
        return [*found, f"the files of images, such as {changed[0]}"] if changed else found


def origin(checksum: str, number: int, learned: str) -> str:
    """What the file of a shard says of the plan with this checksum, of its own place, and of what was learned."""
    return f"{checksum} {number} {learned}"


def _shown(value: Any) -> str:
    return ", ".join(f"{name} {each}" for name, each in value.items()) if isinstance(value, dict) else str(value)


def versions() -> dict[str, str]:
    """The versions of what computes and writes a store's bytes."""
    names = ("torch", "onnxruntime", "numpy", "scikit-learn", "pyarrow", "pillow")
    return {"crosspool": __version__, **{name: version(name) for name in names}}


def agree_on(plan: Plan, listing: Listing, place: Place) -> Plan:
    """Write the plan where there is none, or expect the one that is there to be the same.

    Raises SettingError where it is another one, or where there are files without any, and ModelError where it is
    damaged.
    """
    there = place.names()  # before the plan, without which nothing is written
    existing = read_plan(place)
    if existing is None:
        others = sorted(name for name in there if not name.startswith("."))
        if others and PLAN not in there:
            problem = f"{place.address} has {others[0]}, but no {PLAN}, so it is not a store"
            raise SettingError(f"{problem}; choose another --out, such as an empty folder.")
        try:
            place.write_once(PLAN, (json_text(plan.model_dump(), indent=2) + "\n").encode())
            existing = plan
        except FileExistsError:  # another process was faster
            existing = read_plan(place)
            assert existing is not None
    different = existing.differences(plan)
    if different:
        advice = "Choose another --out, or the settings that it has."
        if existing.listing != plan.listing:
            apart = "extract new ones into a store of their own, or all of them at another --out"
            advice = f"A store's images cannot change: {apart}."
        raise SettingError(f"{place.address} is the store of another plan: {'; '.join(different)}. {advice}")
    if not place.has(IMAGES):  # only now is it known that the list is the plan's
        with place.new_file(IMAGES) as path:
            path.write_bytes(_listed(listing))
    return existing


def read_plan(place: Place) -> Plan | None:
    """The plan of a store; None where there is none. Raises ModelError where it is damaged."""
    try:
        return Plan.model_validate_json(place.read(PLAN))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        problem = f"{place.address}/{PLAN} is damaged, or of another version of crosspool"
        raise ModelError(f"{problem}; extract the store again, at another place.") from error


def _listed(listing: Listing) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [sample.name for sample in listing.samples]
    table = pa.table(
        {
            "path": names,
            "label": pa.array(listing.labels, pa.string()),
            "split": pa.array(listing.splits, pa.string()),
            "place": pa.array(listing.places or range(len(listing)), pa.int64()),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def plan_of(listing: Listing, method: Method, backbone: Backbone, shard: int, seed: int) -> Plan:
    """The plan for a list of images, a method and its network.

    The engine is not the one that is faster here, but the same everywhere: ONNX Runtime on a CPU where it can run the
    network, and else torch.

    Raises SettingError where the method learns from classes or annotated parts, or reads those of every image.
    """
    if method.is_taught or method.reads_parts:
        problem = f"{method.name} learns from classes or annotated parts, of which a store knows little"
        raise SettingError(f"{problem}; take a method that does without, such as cl or gem.")
    return Plan(
        name=listing.name, layout=listing.layout, problems=list(listing.problems), images=len(listing),
        listing=listing.checksum, probes=_probed(listing), classes=list(listing.classes), shard=shard,
        method=method.name, framing=method.framing, backbone=backbone.spec.name, outputs=len(backbone.classes),
        weights=Path(backbone.weights).name, fingerprint=backbone.fingerprint,
        others={name: backbone.of(name).fingerprint for name in method.networks},
        engine=_settled(backbone, method), device=backbone.device.type, seed=seed,
        sample=min(SAMPLE, len(listing)), versions=versions(),
    )  # fmt: skip


def _probed(listing: Listing) -> dict[str, str]:
    """The SHA-256 of a few files: another data set may have the same names."""
    places = np.unique(np.linspace(0, len(listing) - 1, PROBES).round().astype(int)).tolist()
    read = [file_of(listing.samples[place]) for place in places]
    return {sample.name: hashlib.sha256(data).hexdigest() for sample, data in read if isinstance(data, bytes)}


def _settled(backbone: Backbone, method: Method) -> EngineName:
    """The engine that computes all maps of a method."""
    if backbone.engine != "auto":
        return backbone.engine
    if backbone.device.type != "cpu":
        return "torch"
    for each in passes_of(method.sources):
        network = backbone.of(each[0].network)
        nodes = tuple(source.node for source in each if source.node not in IMAGE_MAPS)
        image = Image.new("RGB", (each[0].side, each[0].side))
        try:
            if nodes:
                replace(network, engine="onnxruntime").outputs([image], nodes)
        except BackboneError:
            return "torch"
    return "onnxruntime"
