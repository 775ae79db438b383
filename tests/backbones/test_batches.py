"""How many images go through a network together, on each kind of device."""

import torch

from crosspool.backbones import architecture
from crosspool.backbones.batches import LARGEST_BATCH, images_at_once

ALEXNET = architecture("alexnet")
NAMES = (ALEXNET.default_pair.lower, ALEXNET.default_pair.upper)
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_on_a_cpu_a_batch_has_a_bounded_number_of_pixels():
    assert [images_at_once(ALEXNET, NAMES, size, CPU) for size in (128, 224, 448, 896)] == [24, 8, 2, 1]


def test_on_cuda_half_of_the_free_memory_is_filled(monkeypatch):
    """What torch holds without using it is free as well."""
    numbers, _ = ALEXNET.peak_numbers(NAMES, 224)
    ten = int(numbers * 4 * 1.7 * 20.2)
    for free, reserved, expected in ((0, 0, 1), (ten, 0, 10), (0, ten, 10), (10**15, 0, LARGEST_BATCH)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10**15))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device, reserved=reserved: reserved + 1000)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 1000)
        assert images_at_once(ALEXNET, NAMES, 224, CUDA) == expected
