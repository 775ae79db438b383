"""From the painted image to the photographed one: light, then blur, grain and JPEG."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from crosspool.datasets.fieldguide.scene import Camera, Light, Scene


def lit(image: Image.Image, scene: Scene) -> Image.Image:
    """The painted image in the colour of the light and the shadows of leaves; pixel by pixel."""
    light: Light = scene.light
    image = image.point([min(255, round(level * gain)) for gain in light.gains for level in range(256)])
    if not light.dapples:
        return image
    coarse = 255 - scene.stream("light").random((6, 6)) * 255 * light.dapples
    shadow = Image.fromarray(coarse.astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    return ImageChops.multiply(image, Image.merge("RGB", [shadow] * 3))


def photographed(image: Image.Image, scene: Scene) -> Image.Image:
    """The image a little out of focus, with grain, and as a JPEG of some quality leaves it."""
    camera: Camera = scene.camera
    side = image.width
    if camera.blur:
        image = image.filter(ImageFilter.BoxBlur(camera.blur * side))
    # Halves of two random bytes: a triangle around 127, as good as a bell here, and of whole numbers only.
    first, second = scene.stream("camera").integers(0, 256, (2, side, side), dtype=np.uint8)
    grain = Image.fromarray((first >> 1) + (second >> 1))
    grain = grain.point([round(127 + (level - 127) * camera.grain / 52) for level in range(256)])  # 52: its deviation
    noisy = ImageChops.add(image, Image.merge("RGB", [grain] * 3), offset=-127)
    buffer = BytesIO()
    noisy.save(buffer, "JPEG", quality=camera.quality)
    return Image.open(buffer).convert("RGB")
