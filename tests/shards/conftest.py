"""A store of a few photos, extracted undisturbed, and a job that may be disturbed."""

import hashlib
from pathlib import Path

import pytest
import torch

from crosspool.backbones import load_backbone
from crosspool.methods import parse_method
from crosspool.shards.extraction import Extractor, Job, sample_of, task_of
from crosspool.shards.listing import list_images
from crosspool.shards.place import Place
from crosspool.shards.plan import agree_on, plan_of
from crosspool.whole_files import TEMPORARY_PREFIX
from tests.dataset_trees import lay
from tests.images import png, tinted

IMAGES, SHARD = 8, 2


def checksums(folder):
    """The SHA-256 of a store's files by their names, without what killed writers have left."""
    files = [path for path in Path(folder).iterdir() if not path.name.startswith(TEMPORARY_PREFIX)]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Eight images in a folder, one of which cannot be read."""
    folder = tmp_path_factory.mktemp("photos")
    lay(folder, {f"{'ab'[i % 2]}/{i}.png": b"-" if i == 5 else png(tinted(i, i % 3)) for i in range(IMAGES)})
    return folder


@pytest.fixture(scope="session")
def planned(photos):
    """The listing and the plan that the command makes of these images, and its network."""
    listing = list_images(str(photos))
    backbone = load_backbone(device="cpu", engine="torch")
    return listing, plan_of(listing, parse_method("gem@128", backbone.architecture), backbone, SHARD, 0), backbone


@pytest.fixture
def job(planned, tmp_path):
    """A job whose store has its plan, and the images."""
    listing, plan, _ = planned
    place = Place(str(tmp_path))
    return Job(agree_on(plan, listing, place), place, None), listing


@pytest.fixture(scope="session")
def undisturbed(planned, tmp_path_factory):
    """The checksums of the store where a single thread computes everything, one after the other."""
    listing, plan, backbone = planned
    place = Place(str(tmp_path_factory.mktemp("undisturbed")))
    extractor = Extractor(agree_on(plan, listing, place), place, backbone)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    list(extractor.work(sample_of(plan, listing)))
    for number in range(plan.shards):
        list(extractor.work(task_of(plan, listing, number)))
    torch.set_num_threads(threads)
    return checksums(place.folder)
