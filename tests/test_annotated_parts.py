"""Boxes of parts on their way from a data set's annotations to the step of an encoder that learns from them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import Normalizer

from crosspool.backbones import UNTRAINED, load
from crosspool.cache import ArrayCache
from crosspool.datasets import Annotation, Sample
from crosspool.encoding import LearnedStep
from crosspool.errors import ImageError, SettingError
from crosspool.features import Features
from crosspool.framing import Preprocessing, Source
from crosspool.methods import Method, Part, parse_method
from tests.images import tints
from tests.networks import small_network, spec_for

CROPPED = Preprocessing(128, 0.5, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
BOXES = {"whole": (10.0, 0.0, 50.0, 40.0), "head": (40.0, 10.0, 60.0, 20.0), "tail": (0.0, 30.0, 20.0, 40.0)}
SOURCE = Source("second", 128, "whole", "squash")


def annotated(box=None, size=(80, 40)):
    return Sample("bird", lambda: b"", box, annotation=lambda: Annotation(size, BOXES))


def test_boxes_are_fractions_of_the_squashed_image():
    boxes = annotated().part_boxes(CROPPED, "squash")
    assert boxes == {"whole": (0.125, 0, 0.625, 1), "head": (0.5, 0.25, 0.75, 0.5), "tail": (0, 0.75, 0.25, 1)}


def test_what_a_crop_leaves_out_is_cut_off_or_absent():
    """It sees 20 pixels either way, from (30, 10) on."""
    assert annotated().part_boxes(CROPPED, "crop") == {"whole": (0, 0, 1, 1), "head": (0.5, 0, 1, 0.5)}


def test_boxes_move_with_the_part_of_the_image_that_is_the_sample():
    boxes = annotated((40, -5, 60, 20)).part_boxes(CROPPED, "squash")
    assert boxes == {"whole": (0, 0, 0.5, 1), "head": (0, 0.5, 1, 1)}
    with pytest.raises(ImageError, match="bird has its box"):
        annotated((80, 0, 90, 20)).part_boxes(CROPPED, "squash")


def test_a_sample_without_annotation_has_no_boxes():
    assert Sample("bird", lambda: b"").part_boxes(CROPPED, "squash") == {}


class Told(LearnedStep):
    """Keeps what it is told of the parts."""

    needs_parts = True

    def __init__(self, parts=()):
        self.parts = parts

    def fit(self, X, y=None):
        self.told_ = y.parts
        return self


def needy(name="told"):
    part = Part(name, (SOURCE,), (("pool", Told()), ("unit", Normalizer())), 5, length_per_part=3)
    return Method(name, (part,), None)


def test_a_method_grows_with_the_parts():
    method = needy().with_parts(("whole", "head"))
    assert method.length == 11
    assert method.with_parts(("whole", "head")).length == 11  # and not twice
    assert method.encoder()[0].parts == ("whole", "head")
    assert needy().encoder()[0].parts == ()


@pytest.mark.parametrize("annotated", [(), ("whole",)])
def test_a_method_that_needs_parts_refuses_a_data_set_without(annotated):
    with pytest.raises(SettingError, match=r"^told learns from boxes of the parts .* does not have; take [^.]*\.$"):
        needy().with_parts(annotated)


def test_other_methods_stay_as_they_are():
    method = parse_method("cl/pca3", load(spec_for(small_network), UNTRAINED, "cpu").architecture)
    assert not method.needs_parts
    assert method.with_parts(()) is method
    assert method.with_parts(("whole",)) is method


def test_only_a_method_that_needs_parts_is_told(tmp_path):
    tiny, dataset = load(spec_for(small_network), UNTRAINED, "cpu"), tints(each=1)
    samples = (*dataset.samples[:2], replace(dataset.samples[2], annotation=annotated().annotation))
    dataset = replace(dataset, samples=samples, annotated=tuple(BOXES))
    features = Features(dataset, tiny, [], ArrayCache(tmp_path))
    method = needy().with_parts(dataset.annotated)
    lessons = features.lessons(method, np.array([0, 2]))
    assert lessons.targets.tolist() == [0, 2]
    assert lessons.parts == [{}, annotated().part_boxes(tiny.spec.preprocessing, "squash")]
    assert features.lessons(parse_method("cl", tiny.architecture), np.array([0, 2])).parts == []
