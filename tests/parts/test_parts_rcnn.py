"""Windows, detectors, geometry, and the steps that describe an image by the parts of its object."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from crosspool.backbones import UNTRAINED, load
from crosspool.encoding import Lessons
from crosspool.errors import SettingError
from crosspool.methods import parse_method
from crosspool.parts.geometry import COLUMNS, best_boxes, learned_gaussians, log_density, relative
from crosspool.parts.rcnn import TRUE_BOXES, DetectedParts, TrueParts
from crosspool.parts.windows import ZONES, Windows, means_inside, usual_windows, zone_means
from tests.datasets.test_fieldguide import overlap
from tests.networks import small_network, spec_for

NAMES = ("whole", "head", "tail")
RANDOM = np.random.default_rng(0)
FINE = 120  # pixels of a map on which every edge of these tests lies between pixels


def mean_by_pixels(maps, box):
    """The mean inside a box, zero outside the image, on a map enlarged to FINE pixels."""
    fine = np.kron(maps, np.ones((1, FINE // maps.shape[1], FINE // maps.shape[2])))
    padded = np.pad(fine, ((0, 0), (FINE, FINE), (FINE, FINE)))
    left, top, right, bottom = (round(FINE * (1 + end)) for end in box)
    return padded[:, top:bottom, left:right].mean(axis=(1, 2))


def scaled(box, zone):
    middle, half = np.add(box[:2], box[2:]) / 2, np.subtract(box[2:], box[:2]) / 2 * zone
    return (*(middle - half), *(middle + half))


def test_means_of_windows_and_their_zones_are_those_of_their_pixels():
    maps, windows = RANDOM.random((3, 4, 6)), Windows(5, (2, 4))  # sides of 24 pixels a cell: all edges are whole
    boxes = windows.boxes(np.arange(windows.count))
    expected = [[mean_by_pixels(maps, scaled(box, zone)) for zone in ZONES] for box in boxes]
    assert np.allclose(zone_means(maps, boxes), np.reshape(expected, (len(boxes), -1)))
    assert np.allclose(means_inside(maps, boxes), [each[0] for each in expected])
    weights = RANDOM.standard_normal((2, len(ZONES), 3))
    scores = windows.scores(np.tensordot(weights, maps, 1))
    assert np.allclose(scores, weights.reshape(2, -1) @ zone_means(maps, boxes).T)


def test_windows_and_their_overlaps_by_hand():
    windows = Windows(4, (2, 4))  # intervals: 0-2, 1-3, 2-4, 0-4 of 4
    assert windows.count == 16
    assert windows.boxes(np.array([1, 4, 15])).tolist() == [[0.25, 0, 0.75, 0.5], [0, 0.25, 0.5, 0.75], [0, 0, 1, 1]]
    overlaps = windows.overlaps((0.0, 0.0, 0.5, 0.5))
    assert overlaps[[0, 1, 2, 15]] == pytest.approx([1, 1 / 3, 0, 1 / 4])
    assert usual_windows(20).sides[0] == 2
    assert usual_windows(20).sides[-1] == 20


def test_the_density_of_a_mixture_is_that_of_scipy():
    boxes = RANDOM.random((40, 4)) + np.array([0, 0, 1.2, 1.2])
    wholes = RANDOM.random((40, 4)) * 0.1 + np.array([0, 0, 2, 2])
    gaussians = learned_gaussians(boxes, wholes, 0)
    assert gaussians.shape == (4, COLUMNS)
    points, density = relative(boxes, wholes), np.zeros(40)
    for weight, mean, column in zip(gaussians[:, 0], gaussians[:, 1:5], gaussians[:, 5:], strict=True):
        factor = column.reshape(4, 4)
        density += weight * multivariate_normal(mean, np.linalg.inv(factor @ factor.T), allow_singular=True).pdf(points)
    assert np.allclose(log_density(gaussians, points), np.log(density))


@pytest.mark.parametrize("mixed", [False, True], ids=["box", "mixture"])
def test_the_best_boxes_are_those_of_all_configurations(mixed):
    """One configuration after the other, in which every part is inside the whole but for the slack."""
    windows, slack = Windows(4, (1, 2, 4)), 0.3  # 64 windows, all of which are candidates
    maps = RANDOM.standard_normal((2, 4, 4))
    detectors = RANDOM.standard_normal((3, 1 + 2 * len(ZONES)))
    gaussians = None
    if mixed:
        wholes = RANDOM.random((30, 4)) * 0.1 + np.array([0, 0, 1, 1])
        gaussians = np.stack([learned_gaussians(wholes * share, wholes, 0) for share in (0.4, 0.7)])
    boxes = windows.boxes(np.arange(windows.count))
    scores = -np.logaddexp(0, -(zone_means(maps, boxes) @ detectors[:, 1:].T + detectors[:, 0]))  # (windows, 3)
    best, expected = -np.inf, boxes[:3]
    for whole, of_whole in zip(boxes, scores[:, 0], strict=True):
        total, places = of_whole, [whole]
        for part in (1, 2):
            values = []
            for box, of_part in zip(boxes, scores[:, part], strict=True):
                beyond = max(*(whole[:2] - box[:2]), *(box[2:] - whole[2:]))
                place = 0.1 * log_density(gaussians[part - 1], relative(box, whole)) if gaussians is not None else 0
                values.append(-np.inf if beyond > slack else of_part + place)
            total += max(values)
            places.append(boxes[int(np.argmax(values))])
        if total > best:
            best, expected = total, np.stack(places)
    np.testing.assert_allclose(best_boxes(detectors, gaussians, maps, windows, slack), expected)


def planted(place, facing):
    """A map of 10 x 10 with a head and a tail in a body of their own channels, and where these are."""
    maps, (x, y) = np.abs(RANDOM.standard_normal((1, 4, 10, 10))).astype(np.float32) * 0.1, place
    left, right = (x, x + 4) if facing else (x + 4, x)
    maps[0, 0, y : y + 2, x : x + 6] += 3
    maps[0, 1, y : y + 2, left : left + 2] += 3
    maps[0, 2, y : y + 2, right : right + 2] += 3
    boxes = {"whole": (x, y, x + 6, y + 2), "head": (left, y, left + 2, y + 2), "tail": (right, y, right + 2, y + 2)}
    return {"map": maps}, {name: tuple(end / 10 for end in box) for name, box in boxes.items()}


SCENES = [planted((x, y), facing) for x, y, facing in product((0, 1, 2, 3, 4), (0, 2, 4, 6, 8), (False, True))]
TRAIN, TEST = SCENES[::2], SCENES[1::2]


def fitted(constraint, records=None, boxes=None):
    step = DetectedParts("map", 3, 448, constraint, NAMES)
    lessons = Lessons(np.zeros(len(TRAIN), int), boxes or [boxes for _, boxes in TRAIN])
    return step.fit(records or [record for record, _ in TRAIN], lessons)


@pytest.fixture(scope="module", params=["box", "mixture"])
def step(request):
    return fitted(request.param)


def test_planted_parts_are_found(step):
    found = [step.boxes(record) for record, _ in TEST]
    right = [
        [overlap(each[name], boxes[name]) >= 0.5 for name in NAMES]
        for each, (_, boxes) in zip(found, TEST, strict=True)
    ]
    assert np.mean(right) > 0.9


def test_no_part_leaves_the_whole_by_more_than_ten_pixels(step):
    for record, _ in TEST:
        whole, *parts = step.boxes(record).values()
        for part in parts:
            assert np.max([np.subtract(whole[:2], part[:2]), np.subtract(part[2:], whole[2:])]) <= 10 / 448 + 1e-9


def test_what_is_learned_is_restored(step):
    other = DetectedParts("map", 3, 448, step.constraint, NAMES)
    shapes = {name: of.shape for name, of in other.learned_arrays(lambda source: (4, 10, 10)).items()}
    assert {name: array.shape for name, array in step.learned().items()} == shapes
    other.restore(step.learned())
    records = [record for record, _ in TEST[:3]]
    assert np.array_equal(other.transform(records), step.transform(records))


def test_true_boxes_are_described_where_they_are():
    record, boxes = TEST[0]
    known = {name: boxes[name] for name in ("whole", "head")}
    told: Any = {**record, TRUE_BOXES: known}
    (vector,) = TrueParts("map", NAMES).transform([told])
    blocks = vector.reshape(4, 4)
    inside = means_inside(record["map"][0].astype(np.float64), np.array([boxes["head"]]))[0]
    assert blocks[2] == pytest.approx(np.sqrt(inside / inside.sum()))
    assert np.linalg.norm(blocks, axis=1) == pytest.approx([1, 1, 1, 0])


def test_true_boxes_cannot_be_read_from_an_ordinary_record():
    with pytest.raises(KeyError):
        TrueParts("map", NAMES).transform([TEST[0][0]])


def test_a_part_that_no_image_shows_is_refused():
    boxes = [{name: box for name, box in boxes.items() if name != "tail"} for _, boxes in TRAIN]
    with pytest.raises(SettingError, match="No training image shows the part tail"):
        fitted("box", boxes=boxes)


@pytest.mark.parametrize(("records", "told"), [([], Lessons(np.zeros(0, int))), ([TRAIN[0][0]], None)])
def test_without_images_or_their_boxes_nothing_can_be_learned(records, told):
    with pytest.raises(SettingError, match="learned from training images and their boxes; there are none"):
        DetectedParts("map", 3, 448, "box", NAMES).fit(records, told)


def test_names_and_lengths():
    network = load(spec_for(small_network), UNTRAINED, "cpu").architecture
    method = parse_method("parts-rcnn", network)
    assert method.needs_parts
    assert method.learns
    assert method.with_parts(NAMES).length == 5 * 4
    upper_bound = parse_method("parts-rcnn/true", network)
    assert upper_bound.reads_parts
    assert not method.reads_parts
    with pytest.raises(SettingError, match="true boxes of the parts, which are not known of a new image"):
        upper_bound.expect_new_images()
    with pytest.raises(SettingError, match="takes one of /box and /true, not both"):
        parse_method("parts-rcnn/box/true", network)
