"""Detected parts are compared with the annotated ones of test images, and of these alone."""

from dataclasses import replace

import numpy as np
import pytest

from crosspool.cache import ArrayCache
from crosspool.datasets import Split
from crosspool.datasets.fieldguide.guide import fieldguide
from crosspool.evaluation.findings import method_json
from crosspool.evaluation.part_detection import found_parts, mean_shares, overlap
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods
from crosspool.evaluation.tables import _parts_found
from crosspool.features import Features
from crosspool.methods import parse_methods
from crosspool.parts.rcnn import DetectedParts

BIRDS = fieldguide(2, size=128)
SPLIT = Split(np.arange(0, 24, 2), np.arange(1, 24, 2))


@pytest.fixture
def reported(tiny, tmp_path, monkeypatch):
    """A report whose detector finds what annotations say of the images, but for heads, which it takes for wholes."""
    methods = [each.with_parts(BIRDS.annotated) for each in parse_methods("parts-rcnn@128,cl@128", tiny.architecture)]
    features = Features(BIRDS, tiny, methods[0].sources, ArrayCache(tmp_path))
    record = features.record

    def told(self, record):
        boxes = BIRDS.samples[record.get("index", 0)].part_boxes(tiny.spec.preprocessing, "squash")
        return boxes | {"head": boxes["whole"]}

    monkeypatch.setattr(features, "record", lambda index, sources: {**record(index, sources), "index": index})
    monkeypatch.setattr(DetectedParts, "boxes", told)
    return evaluate_methods(methods, features, Protocol([SPLIT], official=False))


def test_each_part_is_counted_where_it_is_shown(reported):
    detecting, pooling = reported.methods
    assert detecting.localised == {"whole": 1, "head": 0, "torso": 1, "tail": 1}
    assert pooling.localised == {}
    assert method_json(detecting, "accuracy")["localised"]["head"] == 0
    assert "localised" not in method_json(pooling, "accuracy")


def test_the_table_has_the_methods_that_detect(reported):
    table = _parts_found(reported)
    cells = {column.title: list(column.cells) for column in table.columns}
    assert cells == {
        "method": ["parts-rcnn@128"], "whole": ["100.0 %"], "head": ["0.0 %"], "torso": ["100.0 %"], "tail": ["100.0 %"]
    }  # fmt: skip


def test_training_images_and_parts_that_are_not_shown_do_not_count(tiny, tmp_path):
    (method,) = (each.with_parts(BIRDS.annotated) for each in parse_methods("parts-rcnn@128", tiny.architecture))
    features = Features(BIRDS, tiny, method.sources, ArrayCache(tmp_path))
    records, lessons = features.records_of(SPLIT.train, method.sources), features.lessons(method, SPLIT.train)
    encoder = method.encoder().fit(records, lessons)
    assert set(found_parts(method, encoder, features, SPLIT)) == set(BIRDS.annotated)
    nothing = replace(BIRDS, samples=tuple(replace(sample, annotation=None) for sample in BIRDS.samples))
    assert found_parts(method, encoder, features.restricted_to(nothing), SPLIT) == {}


def test_means_are_over_the_splits_that_show_a_part():
    assert mean_shares([{"whole": 1.0}, {"whole": 0.5, "tail": 0.25}]) == {"whole": 0.75, "tail": 0.25}


def test_overlaps_by_hand():
    assert overlap((0, 0, 1, 1), (0.5, 0, 1.5, 1)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert overlap((0, 0, 1, 1), (0, 0, 1, 1)) == 1
