"""The generated photos, and the set that `python -m benchmarks.speed.large_set` makes of them."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.harness import large_set
from benchmarks.harness.photos import photo
from crosspool.datasets.cub200 import cub200
from crosspool.images import load_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set of one photo of each of 20 subjects, and a second one of the first two."""
    folder = tmp_path_factory.mktemp("sets") / "large"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_set, "SUBJECTS", 20)
        large_set.make(folder, 22)
    return folder


def test_it_is_read_as_cub_200_with_its_split(folder):
    dataset = cub200(folder)
    assert (len(dataset), len(dataset.classes), dataset.problems) == (22, 20, ())
    assert dataset.classes[:2] == ("Subject 001", "Subject 002")
    assert dataset.official is not None
    tested = [dataset.samples[i].name for i in dataset.official.test]
    assert [name.split("/")[-2:] for name in tested] == [
        ["001.Subject_001", "0001.jpg"],
        ["002.Subject_002", "0001.jpg"],
    ]
    sizes = {dataset.samples[i].decode(dataset.samples[i].read()).size for i in range(6)}
    assert sizes == {(500, 375), (375, 500), (500, 333)}


def test_boxes_lie_within_the_images(folder):
    for sample in cub200(folder, bounding_box=True).samples[::2]:
        assert sample.box is not None
        left, top, right, bottom = sample.box
        width, height = load_image(sample.read()).size
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_the_same_numbers_make_the_same_photo_and_others_another():
    (image, box), (again, box_again), (other, _) = (photo(7, number, (90, 60)) for number in (3, 3, 4))
    assert (image.tobytes(), box) == (again.tobytes(), box_again)
    assert image.tobytes() != other.tobytes()


def test_photos_of_one_subject_are_seen_before_all_kinds_of_backgrounds():
    corners = [np.asarray(photo(0, number, (90, 60))[0])[0, 0].astype(int) for number in range(12)]
    assert len({int(corner.argmax()) for corner in corners}) == 3


def test_nothing_is_written_into_a_folder_that_is_in_use(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "mine.png")
    with pytest.raises(FileExistsError, match="there already"):
        large_set.make(tmp_path, 2)
