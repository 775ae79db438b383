"""FieldGuide: the same images on every machine, in which only the parts tell the species apart."""

import hashlib
import inspect
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from crosspool.datasets.fieldguide.anatomy import part_boxes
from crosspool.datasets.fieldguide.guide import MASKS, draw, fieldguide, image_and_masks, scene_of
from crosspool.datasets.fieldguide.scene import random_scene
from crosspool.datasets.fieldguide.species import PARTS, SPECIES, defining_parts, differing_parts
from crosspool.errors import DatasetError, SettingError
from tests.dataset_trees import annotation

SIZE = 128
SCENES = [random_scene(7, number) for number in range(5)]


def pixels(drawing):
    return np.asarray(drawing.image)


def union(masks):
    return np.any(list(masks), axis=0)


# --- the species


def test_relatives_differ_in_one_or_two_parts():
    for species in SPECIES:
        fewest = min(len(differing_parts(species, other)) for other in SPECIES if other is not species)
        assert fewest in {1, 2}, species.name


@pytest.mark.parametrize("part", PARTS)
def test_no_part_alone_tells_all_species(part):
    looks = Counter(getattr(species, part) for species in SPECIES)
    assert 1 < len(looks) < len(SPECIES) / 2


def test_every_part_defines_some_species():
    assert {part for species in SPECIES for part in defining_parts(species)} == set(PARTS)


def test_defining_parts_by_hand():
    parts = {species.name: defining_parts(species) for species in SPECIES}
    assert parts["Chestnut-crowned Marshlet"] == ("crown",)
    assert parts["Sooty-crowned Marshlet"] == ("crown", "eye_ring")  # it stands between two relatives
    assert parts["Plain-winged Fernling"] == ("wing_bar",)
    assert parts["Black-banded Copsefinch"] == ("bill", "breast")
    assert parts["Fork-tailed Dunewit"] == ("tail",)


def test_defining_parts_need_a_species_of_the_guide():
    with pytest.raises(DatasetError, match="Mud Marshlet is not a species"):
        defining_parts(replace(SPECIES[0], name="Mud Marshlet"))


# --- only the parts tell the species


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: str(scene.seeds))
def test_two_species_in_one_scene_differ_only_in_the_masks_of_their_parts(scene):
    drawings = [draw(species, scene, SIZE, photograph=False) for species in SPECIES]
    for (species, first), (other, second) in combinations(zip(SPECIES, drawings, strict=True), 2):
        parts = differing_parts(species, other)
        differs = (pixels(first) != pixels(second)).any(axis=2)
        allowed = union(drawing.masks[part] for drawing in (first, second) for part in parts)
        assert differs.any()
        assert not (differs & ~allowed).any(), (species.name, other.name)


@pytest.mark.parametrize("part", PARTS)
def test_a_changed_part_shows_where_its_mask_is(part):
    pair = next(pair for pair in combinations(SPECIES, 2) if differing_parts(*pair) == (part,))
    first, second = (draw(species, SCENES[0], SIZE, photograph=False) for species in pair)
    differs = (pixels(first) != pixels(second)).any(axis=2)
    assert differs[first.masks[part] | second.masks[part]].mean() > 0.2
    untouched = [name for name in PARTS if name != part]
    assert all((first.masks[name] == second.masks[name]).all() for name in untouched)


def test_grain_is_that_of_the_scene():
    """What the camera adds before JPEG is the same for both species: far from the parts, hardly anything differs."""
    scene = replace(SCENES[0], camera=replace(SCENES[0].camera, quality=95))
    first, second = (draw(species, scene, SIZE) for species in SPECIES[:2])
    rows, columns = np.nonzero(first.masks["crown"] | second.masks["crown"])
    far = np.ones((SIZE, SIZE), dtype=bool)
    far[max(rows.min() - 20, 0) : rows.max() + 20, max(columns.min() - 20, 0) : columns.max() + 20] = False
    assert (pixels(first)[far] == pixels(second)[far]).all()


def test_random_scenes_do_not_depend_on_the_species():
    assert list(inspect.signature(random_scene).parameters) == ["seeds"]
    per_class = 150
    scenes = [scene_of(index, per_class) for index in range(per_class * len(SPECIES))]
    drawn = np.array(
        [
            [
                s.pose.facing, s.pose.tilt, s.pose.unit, s.pose.x, s.pose.y, s.coat.wing, sum(s.coat.upper),
                s.light.gains[1], s.camera.grain, s.place == "water", s.perch == "rock", s.occluder == "leaf",
            ]
            for s in scenes
        ],
        dtype=float,
    )  # fmt: skip
    by_class = drawn.reshape(len(SPECIES), per_class, -1)
    off = (by_class.mean(axis=1) - drawn.mean(axis=0)) / (drawn.std(axis=0) / np.sqrt(per_class))
    assert np.abs(off).max() < 4  # of 144 normal deviates, less than one in a hundred draws has a larger one
    assert len({s.pose.x for s in scenes}) == len(scenes)  # no scene is shared between classes


# --- the masks


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.occluder)
def test_every_part_has_a_mask_on_the_bird(scene):
    for species in SPECIES:
        masks = draw(species, scene, SIZE).masks
        assert tuple(masks) == MASKS
        for part in PARTS:
            assert masks[part].shape == (SIZE, SIZE)
            assert masks[part].dtype == bool
            assert masks[part].sum() > 5
            assert not (masks[part] & ~masks["body"]).any()


def test_an_absent_part_has_the_mask_of_a_present_one():
    ringed, plain = SPECIES[2], SPECIES[1]
    assert (ringed.eye_ring, plain.eye_ring) == ((242, 240, 232), None)
    masks = [draw(species, SCENES[1], SIZE).masks["eye_ring"] for species in (ringed, plain)]
    assert (masks[0] == masks[1]).all()


@pytest.mark.parametrize("kind", ["twig", "leaf", "blade"])
def test_an_occluder_only_removes_pixels_from_the_masks(kind):
    taken = 0
    for scene in SCENES:
        free = draw(SPECIES[0], replace(scene, occluder="none"), SIZE, photograph=False)
        hidden = draw(SPECIES[0], replace(scene, occluder=kind), SIZE, photograph=False)
        for name in MASKS:
            assert not (hidden.masks[name] & ~free.masks[name]).any()
        gone = free.masks["body"] & ~hidden.masks["body"]
        assert (pixels(free)[gone] != pixels(hidden)[gone]).any(axis=1).mean() > 0.9 if gone.any() else True
        taken += gone.sum()
    assert taken > 50


def test_the_camera_does_not_change_the_masks():
    sharp, blurred = (draw(SPECIES[5], SCENES[2], SIZE, photograph=choice) for choice in (False, True))
    assert all((sharp.masks[name] == blurred.masks[name]).all() for name in MASKS)
    assert (pixels(sharp) != pixels(blurred)).any()


# --- the same images on every machine


@pytest.mark.parametrize(
    ("index", "digest"),
    [
        (0, "ac31b864e07e99e0"),  # pragma: allowlist secret
        (31, "8ff1c9a36bb3e5b7"),  # pragma: allowlist secret
        (359, "ec58c58803cf5194"),  # pragma: allowlist secret
    ],
)
def test_masks_are_the_same_on_every_machine(index, digest):
    masks = image_and_masks(index, size=SIZE).masks
    assert hashlib.sha256(np.packbits([masks[name] for name in MASKS]).tobytes()).hexdigest()[:16] == digest


def test_reading_again_in_another_order_gives_the_same_bytes():
    samples = fieldguide(per_class=1, size=64, seed=3).samples
    forwards = [sample.read() for sample in samples]
    backwards = [sample.read() for sample in reversed(samples)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == len(SPECIES)


def test_a_larger_guide_begins_with_the_smaller_one():
    small, large = fieldguide(per_class=1, size=64), fieldguide(per_class=3, size=64)
    by_name = {sample.name: sample for sample in large.samples}
    assert all(sample.read() == by_name[sample.name].read() for sample in small.samples[::4])


def test_another_seed_gives_other_images():
    first, second = (fieldguide(per_class=1, size=64, seed=seed).samples[0] for seed in (0, 1))
    assert first.name == second.name
    assert first.read() != second.read()


def test_a_scene_is_the_same_at_every_size():
    small, large = (draw(SPECIES[9], SCENES[3], size).masks["body"] for size in (80, 240))
    enlarged = np.kron(small, np.ones((3, 3), dtype=bool))
    assert (enlarged & large).sum() / (enlarged | large).sum() > 0.8


# --- the boxes of parts


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.occluder)
@pytest.mark.parametrize("species", [SPECIES[0], SPECIES[9], SPECIES[11]], ids=lambda species: species.slug)
def test_boxes_of_parts_are_those_of_their_masks(species, scene):
    free = replace(scene, occluder="none")
    boxes, masks = part_boxes(species, free.pose, 256), draw(species, free, 256).masks
    assert tuple(boxes) == ("whole", "head", "torso", "tail")
    for part, inside in (("bill", "head"), ("crown", "head"), ("eye_ring", "head"), ("tail", "tail")):
        outward = np.array([-1, -1, 1, 1])
        reach = outward * np.subtract(box_of(masks[part]), boxes[inside])
        assert reach.max() < 2, part  # a mask has every pixel that the part touches
    assert overlap(boxes["whole"], box_of(masks["body"])) > 0.9  # the feet are lines around their points
    assert overlap(boxes["tail"], box_of(masks["tail"])) > 0.5  # the body hides its base


def test_a_crest_belongs_to_the_head():
    plain, crested = (part_boxes(species, SCENES[0].pose, 100)["head"] for species in (SPECIES[0], SPECIES[9]))
    assert crested[1] < plain[1] - 1


def test_samples_know_their_parts_without_being_drawn():
    dataset = fieldguide(per_class=2, size=64, seed=5)
    known = annotation(dataset.samples[3])
    assert dataset.annotated == tuple(known.boxes) == ("whole", "head", "torso", "tail")
    assert known.size == (64, 64)
    drawn = image_and_masks(3, per_class=2, size=64, seed=5)
    assert overlap(known.boxes["whole"], box_of(drawn.masks["body"])) > 0.5  # a leaf may hide some


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def overlap(one, other):
    """Intersection over union."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = np.prod(np.maximum(high - low, 0))
    areas = [np.prod(np.subtract(box[2:], box[:2])) for box in (one, other)]
    return common / (sum(areas) - common)


# --- as a data set


def test_labels_are_balanced_and_named():
    data = fieldguide(per_class=4)
    assert (data.name, len(data), data.multi_label) == ("FieldGuide", 48, False)
    assert data.classes == tuple(species.name for species in SPECIES)
    assert np.bincount(data.targets).tolist() == [4] * 12
    assert len({sample.name for sample in data.samples}) == 48
    assert data.samples[0].name == "chestnut-crowned-marshlet/0000.png"
    assert data.samples[47].name == "fork-tailed-dunewit/0003.png"
    slugs = [SPECIES[target].slug for target in data.targets]
    assert [sample.name.split("/")[0] for sample in data.samples] == slugs


@pytest.mark.parametrize("size", [64, 101])
def test_a_sample_reads_as_its_image(size):
    sample = fieldguide(per_class=2, size=size, seed=5).samples[13]
    data = sample.read()
    assert data.startswith(b"\x89PNG")
    image = sample.decode(data)
    assert (image.mode, image.size) == ("RGB", (size, size))
    assert (np.asarray(image) == pixels(image_and_masks(13, per_class=2, size=size, seed=5))).all()


# --- errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"per_class": 0}, "1 to 10000 images, not 0"),
        ({"per_class": 2.5}, "1 to 10000 images, not 2.5"),
        ({"size": 63}, "64 to 1024 pixels a side, not 63"),
        ({"size": 1025}, "64 to 1024 pixels a side, not 1025"),
        ({"size": "448"}, "pixels a side, not '448'"),
        ({"seed": -1}, "at least 0, not -1"),
        ({"seed": 0.5}, "at least 0, not 0.5"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        fieldguide(**settings)
    with pytest.raises(SettingError, match=message):
        image_and_masks(0, **settings)


@pytest.mark.parametrize("index", [-1, 24])
def test_a_sample_outside_the_guide_is_refused(index):
    with pytest.raises(DatasetError, match=f"0 to 23, but no image {index}"):
        image_and_masks(index, per_class=2)


def test_a_scene_needs_a_seed():
    with pytest.raises(SettingError, match="at least 0, not None"):
        random_scene()


def test_identities_differ_where_images_do():
    small, large = fieldguide(2, 64), fieldguide(3, 64)
    assert small.samples[2].identity == large.samples[3].identity  # the second species' first image
    assert small.samples[2].read() == large.samples[3].read()
    others = [*small.samples, *fieldguide(2, 65).samples, *fieldguide(2, 64, seed=1).samples]
    assert len({sample.identity for sample in others}) == len(others)
