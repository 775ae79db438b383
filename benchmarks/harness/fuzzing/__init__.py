"""Uploads, links and settings that no ordinary program would write: damaged on purpose, each generated from a seed."""

from benchmarks.harness.fuzzing import images, links, models, settings, zips

KINDS = {kind.name: kind for kind in (images.KIND, zips.KIND, links.KIND, models.KIND, settings.KIND)}
