"""The images that are named on the command line."""

import threading
import time

import pytest
import torch

from crosspool.cli.inputs import of_images
from crosspool.flow import available_cores
from crosspool.samples import FOLDER

CAT = str(FOLDER / "cat.jpg")


@pytest.mark.skipif(available_cores() < 2, reason="one core computes one image at a time")
def test_only_a_cpu_computes_several_images_at_a_time():
    """Another device need not have the memory, and some take commands from one thread at a time."""
    both = threading.Barrier(2)
    on_cpu = of_images(lambda image: both.wait(60) >= 0, [CAT, CAT], [], torch.device("cpu"), skip_errors=False)
    assert [each.result for each in on_cpu] == [True, True]

    computing, at_once = [], []

    def compute(image):
        computing.append(image)
        time.sleep(0.05)
        at_once.append(len(computing))
        computing.remove(image)

    assert len(list(of_images(compute, [CAT] * 4, [], torch.device("meta"), skip_errors=False))) == 4
    assert at_once == [1] * 4
