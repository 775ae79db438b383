"""What many tests use."""

from pathlib import Path

import pytest

from crosspool.images import load_image

SAMPLES = Path(__file__).resolve().parent.parent / "assets" / "samples"


@pytest.fixture(scope="session")
def photo():
    """A shipped sample: a cat."""
    return load_image(SAMPLES / "cat.jpg")
