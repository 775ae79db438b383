"""Deformable part descriptors: pooling in boxes, and parts learned on training images alone."""

import numpy as np
import pytest
import torch

from crosspool.encoding import Lessons
from crosspool.errors import SettingError
from crosspool.part_descriptors import DeformableParts, annotated_boxes, pool_box
from crosspool.star_model import StarModel
from tests.test_star_model import DEPTH, SIDES, scene

PARTS = ("whole", "first", "second")
LEVELS = tuple(f"level {cells}" for cells in SIDES)


def as_record(pyramid):
    maps = {name: values[None].numpy() for name, values in zip(LEVELS, pyramid, strict=True)}
    return maps | {"map": np.random.default_rng(0).uniform(size=(1, 5, 6, 6)).astype(np.float32)}


def lessons(boxes):
    named = [dict(zip(PARTS, map(tuple, each), strict=True)) for each in boxes]
    return Lessons(np.zeros(len(boxes), np.intp), named)


@pytest.fixture(scope="module")
def scenes():
    made = [scene(seed) for seed in range(24)]
    return [as_record(pyramid) for pyramid, _ in made], lessons([boxes for _, boxes in made])


def descriptors(**settings):
    return DeformableParts(LEVELS, ("map", LEVELS[0]), parts=PARTS, **settings)


@pytest.fixture(scope="module")
def fitted(scenes):
    return descriptors(levels=(1, 2)).fit(*scenes)


# --- pooling


def test_the_mean_over_the_whole_map():
    values = torch.rand(3, 4, 5)
    np.testing.assert_allclose(pool_box(values, (0, 0, 1, 1), (1,)), values.mean(dim=(1, 2)), rtol=1e-5)


def test_cells_count_by_the_area_inside():
    values = torch.tensor([[[1.0, 10.0], [100.0, 1000.0]]])
    assert pool_box(values, (0.25, 0, 0.75, 0.5), (1,)) == pytest.approx([5.5])
    assert pool_box(values, (0.25, 0, 1, 0.5), (1,)) == pytest.approx([(0.5 * 1 + 10) / 1.5])
    assert pool_box(values, (0.5, 0.25, 1, 1), (1,)) == pytest.approx([(0.5 * 10 + 1000) / 1.5])


def test_a_pyramid_is_pooled_channel_by_channel():
    values = torch.arange(8.0).reshape(2, 2, 2)
    assert pool_box(values, (0, 0, 1, 1), (1, 2)).tolist() == [1.5, 0, 1, 2, 3, 5.5, 4, 5, 6, 7]


def test_a_box_without_area_has_nothing():
    assert pool_box(torch.ones(2, 3, 3), (1, 0.2, 1, 0.5), (1, 2)).tolist() == [0] * 10


# --- learning


def test_vectors_are_pooled_where_the_parts_are(fitted, scenes):
    (record, *_), _ = scenes
    vector, boxes = fitted.transform([record])[0], fitted.boxes(record)
    assert list(boxes) == list(PARTS)
    assert vector.shape == (3 * 5 * (5 + DEPTH),)
    pooled = np.sqrt(pool_box(torch.from_numpy(record["map"][0]), boxes["first"], (1, 2)))
    block = vector[5 * (5 + DEPTH) :][: 5 * 5]
    np.testing.assert_allclose(block, pooled / np.linalg.norm(pooled), rtol=1e-5)


def test_what_was_learned_can_be_restored(fitted, scenes):
    records, _ = scenes
    wanted = fitted.learned_arrays(lambda source: records[0][source].shape[1:])
    learned = fitted.learned()
    assert {name: array.shape for name, array in learned.items()} == {name: of.shape for name, of in wanted.items()}
    assert all(np.abs(array).max() <= wanted[name].largest / 2 or name == "shapes_" for name, array in learned.items())
    again = descriptors(levels=(1, 2))
    again.restore({name: array.astype(wanted[name].precision) for name, array in learned.items()})
    np.testing.assert_array_equal(again.transform(records[:2]), fitted.transform(records[:2]))


@pytest.mark.parametrize(("name", "value"), [("shapes_", 0.5), ("stiffness_", -1.0)])
def test_a_model_that_makes_no_sense_is_refused(fitted, name, value):
    arrays = fitted.learned() | {name: np.full_like(fitted.learned()[name], value)}
    with pytest.raises(SettingError, match="A filter has no cells, or a displacement lowers its own cost"):
        descriptors().restore(arrays)


def test_images_without_some_part_teach_nothing(scenes):
    records, told = scenes
    lacking = [dict(each) for each in told.parts]
    del lacking[3]["second"]
    assert annotated_boxes(lacking, PARTS)[0] == [i for i in range(24) if i != 3]
    learned = descriptors().fit(records, Lessons(told.targets, lacking)).learned()
    rest = [i for i in range(24) if i != 3]
    without = descriptors().fit([records[i] for i in rest], Lessons(told.targets[rest], [lacking[i] for i in rest]))
    assert all(np.array_equal(array, without.learned()[name]) for name, array in learned.items())


@pytest.mark.parametrize("annotated", [(), ({}, {"whole": (0, 0, 1, 1)})])
def test_parts_cannot_be_learned_without_boxes(annotated):
    with pytest.raises(SettingError, match="No training image has boxes of all parts"):
        descriptors().fit([], Lessons(np.zeros(0, np.intp), annotated))


def test_the_models_arrays_are_what_is_learned(fitted):
    assert {name.removesuffix("_") for name in fitted.learned()} == set(StarModel.__dataclass_fields__)
