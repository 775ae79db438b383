"""`crosspool search` with the network that comes with crosspool, and a few samples as a store."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from crosspool.backbones import load_backbone
from crosspool.samples import FOLDER
from tests.images import noise
from tests.shards.stores import extracted, listing_of

CAT = str(FOLDER / "cat.jpg")
NAMES = ("astronaut", "cat", "espresso", "rocket")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The folder of a store of four samples and a file that is no image."""
    files = {f"photos/{name}.jpg": (FOLDER / f"{name}.jpg").read_bytes() for name in NAMES} | {"photos/broken": b"?"}
    backbone = replace(load_backbone(device="cpu"), engine="torch")
    labels = ["person", None, "animal", "cup", "machine"]  # broken is the second one
    folder = tmp_path_factory.mktemp("store")
    extracted(folder, listing_of(files, labels), backbone, "gem@128")
    return folder


def test_as_a_table(works, store):
    text = works("search", CAT, "--features", store, "--top", "3")
    lines = text.splitlines()
    assert lines[0] == "cat.jpg: the 3 nearest of 5 images · gem@128 · EfficientNet-Lite0"
    assert lines[2].split("  ")[0] == "rank"
    first = lines[4].split()
    assert first[:4] == ["1", "1.0000", "photos/cat.jpg", "animal"]
    assert "row " in lines[4]
    assert [line.split()[0] for line in lines[4:7]] == ["1", "2", "3"]
    words = " ".join(text.split())
    assert "This very file is in the store: photos/cat.jpg." in words
    assert "All 4 images that could be read were compared by their vectors." in words
    assert "Channels, and the 4×4 cells of your image, counted from 0, add up to each similarity" in words
    assert "broken" not in text


def test_as_json(works, store, tmp_path):
    photo = tmp_path / "noise.png"
    noise(3).save(photo)
    document = json.loads(works("search", photo, "--features", store, "--exact", "--json"))
    assert document["image"]["copies"] == []
    assert (document["method"], document["images"], document["ranked"]) == ("gem@128", 5, 4)
    assert document["parts"] == [{"name": "gem@128", "channels": 1280}]
    neighbours = document["neighbours"]
    assert [neighbour["rank"] for neighbour in neighbours] == [1, 2, 3, 4]
    assert sorted(neighbour["image"] for neighbour in neighbours) == [f"photos/{name}.jpg" for name in NAMES]
    similarities = [neighbour["similarity"] for neighbour in neighbours]
    assert similarities == sorted(similarities, reverse=True)
    for neighbour in neighbours:
        assert not neighbour["is_query"]
        assert len(neighbour["channels"]) == 1280
        assert sum(neighbour["channels"]) == pytest.approx(neighbour["similarity"], abs=1e-9)
        assert np.shape(neighbour["cells"]) == (4, 4)
        assert np.sum(neighbour["cells"]) == pytest.approx(neighbour["similarity"], abs=1e-9)
        assert neighbour["check"]["holds"]


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_as_a_figure(works, store, tmp_path, kind):
    out = tmp_path / f"alike.{kind}"
    assert f"Wrote {out}." in works("search", CAT, "--features", store, "--out", out)
    if kind == "png":
        with Image.open(out) as figure:
            assert figure.size == (1920, 1080)
            about = json.loads(figure.info["Description"])
            first = {"image": "photos/cat.jpg", "label": "animal", "similarity": pytest.approx(1)}
            assert about["neighbours"][0] == first
            pixels = np.asarray(figure.convert("RGB")).astype(int)
        assert (pixels.min(axis=2) < 200).mean() > 0.1  # pictures, not an empty page
    else:
        assert out.stat().st_size > 10_000


def test_mistakes(fails, store, tmp_path):
    assert "was not found" in fails("search", CAT, "--features", tmp_path / "no-store")
    assert "must end in .png or .pdf or .svg" in fails("search", CAT, "--features", store, "--out", "alike.gif")
    own = tmp_path / "own.pt"
    own.write_bytes(b"no weights")
    assert "own.pt" in fails("search", CAT, "--features", store, "--weights", own)
    untrained = fails("search", CAT, "--features", store, "--weights", "untrained")
    assert "weights of efficientnet_lite0 are not those of the plan; give the same --weights" in untrained


def test_a_damaged_shard(fails, store):
    shard = store / "shard-00001.parquet"
    whole = shard.read_bytes()
    try:
        shard.write_bytes(whole[:-100])
        for more in ((), ("--exact",)):
            sentence = fails("search", CAT, "--features", store, *more)
            assert "shard-00001.parquet" in sentence
            assert sentence.endswith("delete it, and run the same crosspool extract again.")
    finally:
        shard.write_bytes(whole)
