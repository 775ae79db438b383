"""A small generated collection, for tests: images of three classes, of which two could not be read."""

from benchmarks.harness.generated_store import generated_store

IMAGES, CLASSES, UNREAD = 130, 3, (3, 77)


def generated(folder, fingerprint=""):
    """A store of these images in a new folder."""
    return generated_store(str(folder), IMAGES, classes=CLASSES, unread=UNREAD, fingerprint=fingerprint)
