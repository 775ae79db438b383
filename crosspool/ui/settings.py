"""What whoever runs the server may set: from the environment (CROSSPOOL_...), each with its bounds."""

from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The server's limits. Megabytes are of 2**20 bytes."""

    model_config = SettingsConfigDict(env_prefix="CROSSPOOL_", frozen=True)

    at_once: Annotated[int, Field(ge=0, le=64)] = 0
    """Computations at a time, which share the cores; 0 for what suits the machine."""
    wait_seconds: Annotated[float, Field(ge=1, le=3600)] = 120
    """How long a visitor waits for a turn before being told to try again."""
    cache_megabytes: Annotated[int, Field(ge=64, le=2**20)] = 512
    """Of all that is kept because others may ask for it again."""
    networks: Annotated[int, Field(ge=1, le=64)] = 2
    """Networks in memory."""
    upload_megabytes: Annotated[int, Field(ge=1, le=512)] = 25
    """A picture's file."""
    zip_megabytes: Annotated[int, Field(ge=1, le=2048)] = 64
    """A ZIP of labelled pictures."""
    visitor_megabytes: Annotated[int, Field(ge=1, le=2**20)] = 64
    """Of the pictures of one visitor."""
    visitors_megabytes: Annotated[int, Field(ge=1, le=2**20)] = 768
    """Of the pictures of all visitors."""
    decode_seconds: Annotated[float, Field(ge=0.1, le=600)] = 5
    """How long one picture may take to be decoded."""
    trainings: Annotated[int, Field(ge=1, le=64)] = 2
    """Trainings under way; others wait for their turn."""
    training_minutes: Annotated[float, Field(ge=0.1, le=1440)] = 30
    """How long one training may take."""
    operator_key: str = ""
    """What opens the operator's page; without one there is no such page."""


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
