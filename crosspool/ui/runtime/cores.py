"""How the cores are shared between computations."""

import joblib

CORES_PER_COMPUTATION = 4  # more threads than that hardly make one faster


def cores() -> int:
    """How many cores this process may use, a container's limit included."""
    return int(joblib.cpu_count())


def default_width() -> int:
    """How many computations at a time suit this machine."""
    return max(cores() // CORES_PER_COMPUTATION, 1)
