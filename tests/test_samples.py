"""The sample photos, and what is said where they are missing."""

import json

import numpy as np
import pytest

from crosspool import samples as module
from crosspool.backbones import load_backbone
from crosspool.errors import CrosspoolError
from crosspool.images import load_image
from crosspool.localisation import score_region
from crosspool.samples import SamplePhoto, samples


def test_every_sample_is_a_described_photo() -> None:
    found = samples()
    assert 6 <= len(found) <= 8
    assert len({sample.id for sample in found}) == len(found)
    for sample in found:
        assert sample.title
        assert len(sample.alt) > 15
        assert load_image(sample.path).mode == "RGB"


def test_examples_are_boxes_that_maps_find() -> None:
    """On what the app shows first: EfficientNet-Lite0's last pair at twice its own size."""
    network = load_backbone()
    pair, examples = network.architecture.default_pair, [sample for sample in samples() if sample.example]
    assert samples()[0] in examples
    for sample in examples:
        assert sample.example is not None
        maps = network.activations(load_image(sample.path), pair, 448).upper[0]
        left, top, right, bottom = (round(448 * part) for part in sample.example.box)
        mask = np.zeros((448, 448), bool)
        mask[top:bottom, left:right] = True
        scores = score_region(maps, mask)
        assert np.sort(scores.precision)[-8] > max(0.5, 4 * scores.chance), sample.id


def test_the_list_names_every_file_of_the_folder() -> None:
    photos = {path.name for path in module.FOLDER.iterdir() if path.suffix != ".json"}
    assert {sample.path.name for sample in samples()} == photos


def test_keeps_the_order_of_the_list(tmp_path, monkeypatch) -> None:
    entries = [
        {"id": name, "file": f"{name}.jpg", "title": name.title(), "alt": f"A {name}"} for name in ("owl", "ant")
    ]
    (tmp_path / "samples.json").write_text(json.dumps(entries), encoding="utf-8")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    assert samples() == (
        SamplePhoto("owl", "Owl", "A owl", tmp_path / "owl.jpg"),
        SamplePhoto("ant", "Ant", "A ant", tmp_path / "ant.jpg"),
    )


def test_a_missing_folder_of_samples_is_an_error_with_advice(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path / "nowhere")
    with pytest.raises(CrosspoolError, match="install crosspool again"):
        samples()
