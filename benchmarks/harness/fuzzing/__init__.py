"""Uploads, links and settings that no ordinary program would write: damaged on purpose, each generated from a seed."""

from importlib import import_module

from benchmarks.harness.fuzzing.base import Kind

MODULES = {"images": "images", "zips": "zips", "urls": "links", "models": "models", "settings": "settings"}


def kind_of(name: str) -> Kind:
    """A kind of cases; only its own module is imported, as the memory of the process that judges is measured."""
    kind: Kind = import_module(f"{__name__}.{MODULES[name]}").KIND
    return kind
