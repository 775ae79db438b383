"""Star-shaped models of parts: scores against every placement, learning, and finding what was learned."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from crosspool.errors import SettingError
from crosspool.star_model import MARGIN, OVERLAP, REACH, SIDE, StarModel, boxes_of, learn

DEPTH = 3
MOVES = range(-REACH, REACH + 1)


def random_model(stiffness=(0.1, 1.0), components=1):
    """Components of a root filter and two parts."""
    drawn = np.random.default_rng(0)
    shapes = np.array([[(3, 4), (2, 2), (1, 3)]] * components, np.float64)
    filters = np.zeros((components, 3, DEPTH, SIDE, SIDE))
    for place in np.ndindex(components, 3):
        rows, columns = shapes[place].astype(int)
        filters[*place, :, :rows, :columns] = drawn.normal(size=(DEPTH, rows, columns))
    anchors = np.array([[(-1, 2), (2, 0)]] * components, np.float64)
    costs = drawn.uniform(stiffness[0], stiffness[1], (components, 2, 2))
    return StarModel(filters, shapes, anchors, costs, 0.5 + np.arange(components))


def random_map(size=(5, 6), seed=1):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(DEPTH, *size)))


def slow_response(model, values, part, cell):
    """A filter's inner product with the window at a cell, zeros around the map; minus infinity where it sticks out."""
    padded = np.pad(values.numpy(), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    (row, column), (rows, columns) = cell, model.shapes[0, part].astype(int)
    if min(row, column) < 0 or row + rows > padded.shape[1] or column + columns > padded.shape[2]:
        return -np.inf
    window = padded[:, row : row + rows, column : column + columns]
    return float((window * model.filters[0, part, :, :rows, :columns]).sum())


def slow_score(model, values, root):
    """The score of a placement of the root, by trying every displacement of every part."""
    score = slow_response(model, values, 0, root) + model.bias[0]
    for part, (anchor, stiffness) in enumerate(zip(model.anchors[0], model.stiffness[0], strict=True), start=1):
        at = np.add(root, anchor).astype(int)
        score += max(
            slow_response(model, values, part, at + move) - stiffness @ np.square(move)
            for move in product(MOVES, MOVES)
        )
    return score


def test_scores_are_those_of_every_displacement():
    model, values = random_model(), random_map()
    scores = model.scores(0, model.responses(values)[0])
    assert scores.shape == (5 + 2 * MARGIN - 2, 6 + 2 * MARGIN - 3)
    slow = [[slow_score(model, values, (row, column)) for column in range(11)] for row in range(11)]
    assert np.allclose(scores, slow)


def test_placed_parts_make_the_score():
    model, values = random_model(), random_map()
    (responses,) = model.responses(values)
    scores = model.scores(0, responses)
    for root in ((0, 0), (4, 5), (10, 10)):
        cells = model.placed(0, responses, np.array(root))
        moves = cells[1:] - root - model.anchors[0]
        total = sum(slow_response(model, values, part, cell) for part, cell in enumerate(cells))
        assert total + model.bias[0] - (model.stiffness[0] * moves**2).sum() == pytest.approx(scores[root])


def test_stiff_parts_stay_at_their_anchors():
    model, values = random_model(stiffness=(1e6, 1e6)), random_map()
    cells = model.placed(0, model.responses(values)[0], np.array([4, 4]))
    assert cells.tolist() == [[4, 4], [3, 6], [6, 4]]


def test_the_best_placements_are_the_best_of_all_levels_and_places():
    model, pyramid = random_model(components=2), [random_map((5, 6)), random_map((7, 4), seed=2)]
    responses = [model.responses(values) for values in pyramid]
    for index, best in enumerate(model.placements(pyramid)):
        each = [model.scores(index, level[index]) for level in responses]
        assert best.score == max(scores.max() for scores in each)
        assert each[best.level][tuple(best.cells[0])] == best.score


def test_a_component_responds_as_it_does_alone():
    model, values = random_model(components=2), random_map()
    second = StarModel(*(array[1:] for array in vars(model).values()))
    together, (alone,) = model.responses(values)[1], second.responses(values)
    assert all(np.allclose(one, other) for one, other in zip(together, alone, strict=True))


def test_the_boxes_of_the_best_component_are_detected():
    model, pyramid = random_model(components=2), [random_map((5, 6)), random_map((7, 4), seed=2)]
    best = max(model.placements(pyramid), key=lambda each: each.score)
    expected = boxes_of(best.cells, model.shapes[0], pyramid[best.level].shape[1:])  # both components have these shapes
    assert np.array_equal(model.detect(pyramid), expected)


def test_a_level_smaller_than_a_filter_is_left_out():
    whole = np.ones((1, 1, 1, SIDE, SIDE))
    model = StarModel(whole, np.full((1, 1, 2), SIDE), np.zeros((1, 0, 2)), np.zeros((1, 0, 2)), np.zeros(1))
    assert model.placements([torch.ones(1, 4, 30)]) == [None]
    (found,) = model.placements([torch.ones(1, 4, 30), torch.ones(1, 8, 8)])
    assert found is not None
    assert found.level == 1


def test_a_model_whose_parts_are_out_of_reach_is_refused():
    """Such a one can only come from a file that somebody has written."""
    model = random_model()
    with pytest.raises(SettingError, match="fits into no image"):
        replace(model, anchors=model.anchors + 100).detect([random_map()])


def test_boxes_are_fractions_cut_off_at_the_border():
    cells, shapes = np.array([[MARGIN, MARGIN + 2], [MARGIN - 1, MARGIN + 6]]), np.array([[4, 2], [2, 4]])
    assert boxes_of(cells, shapes, (8, 8)).tolist() == [[0.25, 0, 0.5, 0.5], [0.75, 0, 1, 0.125]]


def overlap(one, other):
    shared = np.prod((np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])).clip(0))
    return shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def test_background_overlaps_the_object_little():
    model, values = random_model(), random_map((12, 12))
    (free,) = model.placements([values])
    whole = boxes_of(free.cells, model.shapes[0], (12, 12))[0]
    (other,) = model.placements([values], whole)
    box = boxes_of(other.cells, model.shapes[0], (12, 12))[0]
    assert overlap(box, whole) < OVERLAP
    assert other.score < free.score


# --- learning

SIDES = (20, 28)  # rows and columns of the levels


def scene(seed):
    """Maps of an object on noise, and the boxes of the whole and its two parts.

    The first channel is strong in the whole, the others in one part each, which lies on either side and moves a little.
    """
    drawn = np.random.default_rng(seed)
    size, left, top = drawn.uniform(0.5, 0.7), *drawn.uniform(0.02, 0.28, 2)
    whole = np.array([left, top, left + size, top + size * 0.75])
    side = 0.65 if drawn.random() < 0.5 else 0.05
    corners = np.array([[side, 0.1], [0.35, 0.55]]) + drawn.uniform(-0.05, 0.05, (2, 2))
    corners = whole[:2] + size * corners * (1, 0.75)
    parts = np.concatenate([corners, corners + size * 0.25], axis=1)
    boxes = np.array([whole, *parts])
    pyramid = []
    for cells in SIDES:
        values = 0.3 * drawn.normal(size=(DEPTH, cells, cells)).astype(np.float32)
        for channel, box in enumerate(boxes):
            (first, top_row), (last, end_row) = np.round(box.reshape(2, 2) * cells).astype(int)
            values[channel, top_row:end_row, first:last] += 2 if channel else 1
        pyramid.append(torch.from_numpy(values))
    return pyramid, boxes


@pytest.fixture(scope="module")
def learned():
    scenes = [scene(seed) for seed in range(24)]
    return learn(lambda index: scenes[index][0], np.array([boxes for _, boxes in scenes]), components=2)


def test_parts_are_found_in_new_images(learned):
    overlaps = []
    for seed in range(100, 110):
        pyramid, boxes = scene(seed)
        overlaps.append([overlap(*pair) for pair in zip(learned.detect(pyramid), boxes, strict=True)])
    assert np.mean(overlaps, axis=0).min() > 0.6


def test_components_are_poses(learned):
    """One has the first part on the left, the other on the right."""
    left, right = sorted(learned.anchors[:, 0, 1])
    assert left < 3
    assert right > 7


def test_displacements_cost_something_and_filters_have_the_boxes_shapes(learned):
    assert (learned.stiffness > 0).all()
    assert (learned.shapes[:, 0] == (12, 16)).all()
    assert np.abs(learned.shapes[:, 1:] - (4, 5)).max() <= 1


def test_learning_is_repeatable_and_depends_on_its_images(learned):
    scenes = [scene(seed) for seed in range(24)]
    boxes = np.array([boxes for _, boxes in scenes])

    def same(one, other):
        return all(np.array_equal(array, vars(other)[name]) for name, array in vars(one).items())

    assert same(learned, learn(lambda index: scenes[index][0], boxes, components=2))
    scenes[3] = (scene(1000)[0], scenes[3][1])
    assert not same(learned, learn(lambda index: scenes[index][0], boxes, components=2))


def test_few_poses_are_refused():
    pyramid, boxes = scene(0)
    with pytest.raises(SettingError, match="3 poses cannot be learned from 5 annotated images"):
        learn(lambda index: pyramid, np.array([boxes] * 5))


def test_objects_that_leave_no_background_are_refused():
    """On 12 x 12 cells every placement of a filter of 16 x 16 covers the whole, and overlaps it by more than half."""
    _, boxes = scene(0)
    boxes[0] = 0, 0, 1, 1
    with pytest.raises(SettingError, match="no background is left to learn from; add images"):
        learn(lambda index: [torch.ones(DEPTH, 12, 12)], np.array([boxes] * 2), components=1)
