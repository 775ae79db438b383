"""Methods of parts from a data set with annotated ones to a classifier's file, and dpd to the paper's table."""

import functools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from crosspool.classifiers import load_classifier
from crosspool.datasets.dataset import Annotation
from crosspool.datasets.fieldguide.guide import fieldguide
from crosspool.errors import SettingError
from crosspool.evaluation.paper import counterparts, kind_of
from crosspool.features import Features
from crosspool.framing import Source
from crosspool.guidance import EPOCHS
from crosspool.image_maps import COLOURS, GRADIENTS
from crosspool.methods import parse_method, parse_methods
from crosspool.methods.wording import method_in_words
from crosspool.star_model import ROUNDS
from crosspool.training import train_classifier
from tests.dataset_trees import annotation
from tests.images import dataset_of, noise, png
from tests.networks import SAMPLES

BIRDS = fieldguide(1, size=128)
EVERYTHING = np.arange(len(BIRDS))
TRAIN = EVERYTHING[:12:2]
CAT = str(SAMPLES / "cat.jpg")


# --- names


def test_the_papers_spelling_is_one_method(tiny):
    for name in ("dpd+cnn", "DPD+CNN@128", "sum+dpd+cnn@128+global", "dpd+cnn/power1/ternary"):
        ours = name.lower().replace("dpd+cnn", "dpd-cnn")
        method, same = (parse_method(each, tiny.architecture) for each in (name, ours))
        assert method.sources == same.sources
        assert [part.name for part in method.parts] == [part.name for part in same.parts]
    assert method_in_words("dpd+cnn@448") == "activations of deformable parts, 448 px"


def test_dpd_beside_another_method_is_not_the_papers(tiny):
    assert len(parse_method("dpd+cnn-svm", tiny.architecture).parts) == 2
    with pytest.raises(SettingError, match="There is no method 'cnn'"):
        parse_method("dpd@128+cnn", tiny.architecture)


def test_the_papers_rows_find_these_methods():
    names = ("dpd@448", "DPD+CNN@448", "dpd-cnn", "dpd+cnn+sum", "dpd+cnn-svm")
    assert [kind_of(name) for name in names] == ["dpd", "dpd-cnn", "dpd-cnn", None, None]
    found = {row.name: ours for row, ours in counterparts(names)}
    assert (found["DPD"], found["DPD+CNN"]) == (("dpd@448",), ("DPD+CNN@448", "dpd-cnn"))


@pytest.mark.parametrize(("size", "sides"), [(448, [448, 320, 224, 160]), (300, [304, 216, 152]), (128, [128])])
def test_gradients_are_read_at_several_sizes(tiny, size, sides):
    sources = parse_method(f"dpd@{size}", tiny.architecture, "crop").sources
    gradients = [Source(GRADIENTS, side, "whole", "crop") for side in sides]
    assert set(sources) == {*gradients, replace(gradients[0], node=COLOURS)}


def test_lengths_are_those_of_the_parts(tiny):
    dpd, activations = parse_methods("dpd@128,dpd-cnn@128", tiny.architecture)
    assert dpd.with_parts(("whole", "head")).length == 2 * 21 * (36 + 64)
    assert activations.with_parts(("whole", "head")).length == 2 * 5


def test_dpd_reads_no_layer(tiny):
    with pytest.raises(SettingError, match=r"dpd reads pixels, and no layer \(in dpd:second@128\)"):
        parse_method("dpd:second@128", tiny.architecture)


@pytest.mark.parametrize("name", ["ft+dpd@128", "ft+dpd+cnn@128"])
def test_no_network_is_tuned_for_parts(tiny, name):
    with pytest.raises(SettingError, match=r"ft tunes a network, and .* reads pixels, too, to find parts"):
        parse_method(name, tiny.architecture)


# --- learning


LEARNERS = pytest.mark.parametrize("name", ["dpd-cnn@128", "parts-rcnn@128"])


def learned(tiny, cache, name, dataset, train=TRAIN):
    method = parse_method(name, tiny.architecture).with_parts(dataset.annotated)
    features = Features(dataset, tiny, [], cache)
    records, lessons = features.records_of(train, method.sources), features.lessons(method, train)
    return method.encoder().fit(records, lessons)[0].learned()


@pytest.fixture(scope="module")
def learned_from_birds(tiny, cache):
    """What a method learns from the birds as they are, once for all tests."""
    return functools.cache(lambda name, *train: learned(tiny, cache, name, BIRDS, np.array(train)))


def same(one, other):
    return all(np.array_equal(array, other[name]) for name, array in one.items())


def with_noise_for(indices):
    samples = list(BIRDS.samples)
    for index in indices:
        data = png(noise(index))
        samples[index] = replace(samples[index], read=lambda data=data: data, identity=None)
    return replace(BIRDS, samples=tuple(samples))


def with_other_boxes_for(indices):
    """The same images, some with the boxes of the next one, and these turned upside down."""
    samples = list(BIRDS.samples)
    for index in indices:
        there = annotation(BIRDS.samples[(index + 1) % len(BIRDS)])
        boxes = {
            part: (left, there.size[1] - bottom, right, there.size[1] - top)
            for part, (left, top, right, bottom) in there.boxes.items()
        }
        samples[index] = replace(samples[index], annotation=partial(Annotation, there.size, boxes))
    return replace(BIRDS, samples=tuple(samples))


@LEARNERS
@pytest.mark.parametrize("changed", [with_noise_for, with_other_boxes_for], ids=["pixels", "boxes"])
def test_learning_never_sees_test_images(tiny, cache, learned_from_birds, name, changed):
    """Neither their pixels nor their boxes."""
    other = changed(np.setdiff1d(EVERYTHING, TRAIN))
    assert same(learned_from_birds(name, *TRAIN), learned(tiny, cache, name, other))
    # A leak is planted, and caught.
    assert not same(learned_from_birds(name, *EVERYTHING), learned(tiny, cache, name, other, EVERYTHING))


@LEARNERS
@pytest.mark.parametrize("changed", [with_noise_for, with_other_boxes_for], ids=["pixels", "boxes"])
def test_learning_sees_every_training_image(tiny, cache, learned_from_birds, name, changed):
    without = learned_from_birds(name, *TRAIN)
    for index in TRAIN[:2]:
        assert not same(without, learned(tiny, cache, name, changed([index])))


def test_the_places_of_parts_are_learned_from_training_images_alone(tiny, cache, learned_from_birds):
    """The mixtures by themselves: with test boxes among them they are others."""
    name, changed = "parts-rcnn@128", with_other_boxes_for(np.setdiff1d(EVERYTHING, TRAIN))
    for train, is_leak in ((TRAIN, False), (EVERYTHING, True)):
        ours = learned_from_birds(name, *train)["gaussians_"]
        other = learned(tiny, cache, name, changed, train)["gaussians_"]
        assert np.array_equal(ours, other) is not is_leak


@pytest.mark.parametrize("name", ["dpd+cnn@128+dpd@128", "parts-rcnn@128", "parts-rcnn@128/box"])
def test_a_file_holds_what_was_learned(tiny, cache, tmp_path, name):
    method = parse_method(name, tiny.architecture).with_parts(BIRDS.annotated)
    classifier = train_classifier(BIRDS, Features(BIRDS, tiny, method.sources, cache), method)
    classifier.save(tmp_path / "birds.safetensors")
    again = load_classifier(tmp_path / "birds.safetensors", tiny)
    assert again.settings.parts == BIRDS.annotated == ("whole", "head", "torso", "tail")
    images = [sample.decode(sample.read()) for sample in BIRDS.samples[:2]]
    np.testing.assert_array_equal(again.scores(images, tiny), classifier.scores(images, tiny))


@pytest.mark.parametrize(
    ("name", "total"),
    [("parts-rcnn@128", 2 * len(TRAIN)), ("dpd@128", (1 + ROUNDS) * len(TRAIN)), ("guided@128", EPOCHS * 5)],
)
def test_learning_counts_images_of_at_most_so_many(tiny, cache, name, total):
    method, seen = parse_method(name, tiny.architecture).with_parts(BIRDS.annotated), []
    features = Features(BIRDS, tiny, method.sources, cache)
    lessons = features.lessons(method, TRAIN, lambda done, total: seen.append((done, total)))
    method.encoder().fit(features.records_of(TRAIN, method.sources_to_fit), lessons)
    assert {whole for _, whole in seen} == {total}
    counts = [done for done, _ in seen]
    assert counts == sorted(set(counts))
    assert counts[-1] == total or name.startswith("guided")  # ends when the loss no longer falls


def test_a_data_set_without_parts_is_refused(tiny):
    dataset = dataset_of([png(noise(index)) for index in range(4)], np.arange(4) % 2)
    with pytest.raises(SettingError, match="dpd@128 learns from boxes of the parts of an object"):
        parse_method("dpd@128", tiny.architecture).with_parts(dataset.annotated)


def test_the_command_line_learns_parts_of_drawn_birds(works, fails, tmp_path):
    """What is trained is read again; what has no parts is refused before a network is loaded."""
    model = str(tmp_path / "birds.safetensors")
    works("train", "fieldguide:1", "--method", "dpd+cnn@128", "--out", model, "--cache", str(tmp_path / "cache"))
    birds = works("classify", CAT, "--model", model).splitlines()
    assert birds[0] == CAT
    assert len(birds) > 1
    sentence = fails("evaluate", photos(tmp_path / "photos"), "--methods", "dpd@128")
    assert sentence.startswith("crosspool: dpd@128 learns from boxes of the parts of an object")


def photos(folder):
    """A folder of two classes of noise."""
    for index, name in enumerate(("one", "two") * 2):
        (folder / name).mkdir(parents=True, exist_ok=True)
        noise(index).save(folder / name / f"{index}.png")
    return str(folder)
