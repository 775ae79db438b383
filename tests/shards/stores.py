"""Stores for tests: of vectors that a test writes by hand, and of images through a network."""

import hashlib
import io
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save

from crosspool.datasets import Sample
from crosspool.encoding import VALUES_PER_BYTE
from crosspool.methods import parse_method
from crosspool.shards.codes import Sketch, as_numbers
from crosspool.shards.extraction import DIRECTIONS, THRESHOLDS, Extractor, sample_of, task_of
from crosspool.shards.listing import Listing
from crosspool.shards.place import Place
from crosspool.shards.plan import IMAGES, LEARNED, PLAN, Plan, agree_on, plan_of
from crosspool.shards.rows import Row, Shape, ShardWriter
from crosspool.shards.store import Store

UNREAD = "it cannot be read."


def name_of(number):
    return f"image {number:03}"


def checksum_of(number):
    return bytes([number]) * 32


def plan_by_hand(images, *, shard=2, method="gem@128", bits=64, **more):
    """A plan that no network stands behind."""
    settings = {
        "name": "by hand", "layout": "By hand.", "problems": [], "listing": "", "framing": "squash",
        "classes": [], "backbone": "efficientnet_lite0", "outputs": 1000,
        "weights": "", "fingerprint": "", "others": {}, "engine": "torch",
        "device": "cpu", "seed": 0, "sample": 1, "versions": {},
    }  # fmt: skip
    return Plan.model_validate(settings | {"images": images, "shard": shard, "method": method, "bits": bits} | more)


def origin_in(place, plan, number):
    """What a shard's file says of where it belongs."""
    return plan.origin(number, hashlib.sha256(place.read(LEARNED)).hexdigest())


def written(folder, vectors, labels=None, splits=None, *, unread=(), **settings):
    """A store of vectors in their kind, (n, d), written by hand; the images at the places `unread` have none.

    `settings` are those of `plan_by_hand`; packed vectors need a method such as cl@128/ternary.
    """
    plan, place = plan_by_hand(len(vectors), classes=_classes(labels), **settings), Place(str(folder))
    length = vectors.shape[1] * (VALUES_PER_BYTE if vectors.dtype == np.uint8 else 1)
    sketch = Sketch(np.eye(length, dtype=np.float32), np.zeros(plan.bits, np.float32), plan.seed)
    codes = sketch.codes(as_numbers(vectors, length))
    shape = Shape(vectors[0].nbytes, plan.bits // 8, 0)
    place.prepare()
    place.write_once(PLAN, plan.model_dump_json().encode())
    place.write_once(IMAGES, _listed(len(vectors)))
    place.write_once(LEARNED, save({DIRECTIONS: sketch.directions, THRESHOLDS: sketch.thresholds}))
    for number in range(plan.shards):
        origin = origin_in(place, plan, number)
        with place.new_file(plan.shard_name(number)) as path, ShardWriter(path, shape, origin) as writer:
            for each in plan.places(number):
                row = partial(Row, name_of(each), labels and labels[each], splits and splits[each])
                read = {"sha256": checksum_of(each), "vector": vectors[each], "code": codes[each], "thumbnail": b""}
                writer.append(row(UNREAD) if each in unread else row(**read))
    return Store.opened(str(folder))


def _listed(count):
    """The list of images, which are in the order of their names."""
    file = io.BytesIO()
    pq.write_table(pa.table({"path": [name_of(each) for each in range(count)], "place": range(count)}), file)
    return file.getvalue()


def _classes(labels):
    return sorted({label for label in labels or () if label is not None})


def listing_of(files, labels=None, splits=None):
    """A list of image files, by their names: their bytes. Labels and parts of a split are in the order of the names."""
    names = sorted(files)
    nothing = (None,) * len(names)
    samples = tuple(Sample(each, partial(bytes, files[each])) for each in names)
    return Listing(
        "tiny", samples, tuple(labels or nothing), tuple(splits or nothing), "Tiny.", (), tuple(_classes(labels))
    )


def extracted(folder, listing, backbone, method, *, shard=2):
    """A store of images through a network, extracted in this process."""
    plan = plan_of(listing, parse_method(method, backbone.architecture), backbone, shard, 0)
    place = Place(str(folder))
    place.prepare()
    agree_on(plan, listing, place)
    extractor = Extractor(plan, place, backbone)
    list(extractor.work(sample_of(plan, listing)))
    for number in range(plan.shards):
        list(extractor.work(task_of(plan, listing, number)))
    return Store.opened(str(folder))
