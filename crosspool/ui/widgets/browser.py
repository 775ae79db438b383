"""What goes to the browser: scripts and styles that lie beside this module, and pictures as data URLs."""

import base64
import io

from PIL import Image


def data_url(picture: Image.Image) -> str:
    """The picture as a JPEG in a data URL."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return jpeg_url(buffer.getvalue())


def jpeg_url(file: bytes) -> str:
    """A JPEG file in a data URL."""
    return "data:image/jpeg;base64," + base64.b64encode(file).decode()
