"""The name of an image everywhere in the server: equal files are one image."""

import hashlib
from typing import NewType

ImageHash = NewType("ImageHash", str)  # the SHA-256 of the image's file, in hexadecimal, or what a generated image has


def image_hash(file: bytes) -> ImageHash:
    """The hash of an image's file."""
    return ImageHash(hashlib.sha256(file).hexdigest())
