"""How the cores are shared between computations."""

import joblib
import torch

from crosspool.ui.runtime.settings import settings

CORES_EACH = 4  # of a computation: more threads than that hardly make one quicker


def computations_at_once() -> int:
    """How many computations the machine has use for at a time."""
    return settings().at_once or max(cores() // CORES_EACH, 1)


def cores() -> int:
    """How many cores this process may use, a container's limit included."""
    return int(joblib.cpu_count())


def use_cores() -> None:
    """Give each computation its share of the cores."""
    torch.set_num_threads(max(cores() // computations_at_once(), 1))
