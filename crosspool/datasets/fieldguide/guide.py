"""Images of the guide's species: painted, lit and photographed one at a time, and the data set that they make."""

import hashlib
import zlib
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageChops, ImageFilter

from crosspool.datasets.dataset import WHOLE as WHOLE_BIRD
from crosspool.datasets.dataset import Annotation, Dataset, Sample
from crosspool.datasets.fieldguide.anatomy import part_boxes
from crosspool.datasets.fieldguide.bird import WHOLE, BirdPainter
from crosspool.datasets.fieldguide.canvas import Canvas
from crosspool.datasets.fieldguide.scene import Scene, check_seeds, random_scene
from crosspool.datasets.fieldguide.species import PARTS, SPECIES, Species
from crosspool.datasets.fieldguide.surroundings import background, clutter, occluder, perch
from crosspool.errors import DatasetError, SettingError

MIN_SIDE, MAX_SIDE = 64, 1024
MAX_PER_CLASS = 10_000
MASKS = (WHOLE, *PARTS)
ANNOTATED = (WHOLE_BIRD, "head", "torso", "tail")


@dataclass(frozen=True)
class Drawing:
    """An image with the masks of the bird and its parts.

    `masks` has a (size, size) boolean array for each of MASKS: "body" is the whole bird, and each part is the pixels
    that show any of it. A part that the species lacks has the pixels where it would be: a bird without an eye ring
    is recognised by looking there. Pixels that a leaf or another part of the bird covers completely are in no mask.
    """

    image: Image.Image
    masks: dict[str, np.ndarray]


def lit(image: Image.Image, scene: Scene) -> Image.Image:
    """The painted image in the colour of the light, with the shadows of leaves."""
    light = scene.light
    image = image.point([min(255, round(level * gain)) for gain in light.gains for level in range(256)])
    if not light.dapples:
        return image
    coarse = 255 - scene.stream("light").random((6, 6)) * 255 * light.dapples
    shadow = Image.fromarray(coarse.astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    return ImageChops.multiply(image, Image.merge("RGB", [shadow] * 3))


def photographed(image: Image.Image, scene: Scene) -> Image.Image:
    """The image slightly out of focus, with grain, after it was a JPEG of some quality."""
    camera, side = scene.camera, image.width
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


def draw(species: Species, scene: Scene, size: int = 448, *, photograph: bool = True) -> Drawing:
    """A bird of the species in the scene, `size` pixels a side.

    Two species in one scene differ only inside the masks of the parts that tell them apart, exactly so with
    `photograph=False`, which leaves out blur, grain and JPEG.

    Raises:
        SettingError: the size is not from MIN_SIDE to MAX_SIDE.
    """
    _check_size(size)
    canvas = Canvas(background(scene, size))
    clutter(canvas, scene)
    perch(canvas, scene)
    BirdPainter(canvas, species, scene).paint()
    occluder(canvas, scene)
    image = lit(canvas.image, scene)
    masks = {name: canvas.masks[name] for name in MASKS}
    return Drawing(photographed(image, scene) if photograph else image, masks)


def scene_of(index: int, per_class: int = 30, seed: int = 0) -> Scene:
    """The scene of the data set's sample `index`. It depends on the class's number only as on another seed."""
    kind, number = divmod(_checked(index, per_class, seed), per_class)
    return random_scene(seed, kind, number)


def image_and_masks(index: int, per_class: int = 30, size: int = 448, seed: int = 0) -> Drawing:
    """Sample `index` of `fieldguide(per_class, size, seed)`, with its masks.

    Raises:
        DatasetError: the index is out of range.
        SettingError: as `fieldguide`.
    """
    _checked(index, per_class, seed)
    return draw(SPECIES[index // per_class], scene_of(index, per_class, seed), size)


def fieldguide(per_class: int = 30, size: int = 448, seed: int = 0) -> Dataset:
    """A fine-grained data set without a download: `per_class` images of each species, drawn when they are read.

    Pose, plumage, light, surroundings and what hides the bird are drawn for each sample, independently of the species.
    The samples are sorted by class; a larger guide begins each class with the images of a smaller one.

    Raises:
        SettingError: `per_class` is not from 1 to MAX_PER_CLASS, the size not from MIN_SIDE to MAX_SIDE pixels, or
            the seed not a whole number of at least 0.
    """
    _check_size(size)
    _checked(0, per_class, seed)
    samples = tuple(
        Sample(
            f"{SPECIES[index // per_class].slug}/{index % per_class:04d}.png",
            partial(_png, index, per_class, size, seed),
            identity=f"FieldGuide {_generator()} {index // per_class} {index % per_class} {size} {seed}",
            annotation=partial(_annotation, index, per_class, size, seed),
        )
        for index in range(per_class * len(SPECIES))
    )
    targets = np.repeat(np.arange(len(SPECIES)), per_class)
    classes = tuple(species.name for species in SPECIES)
    return Dataset("FieldGuide", classes, samples, targets, annotated=ANNOTATED)


@cache
def _generator() -> str:
    """A key of everything that decides what is drawn: this folder's code, and Pillow's and NumPy's versions."""
    digest = hashlib.sha256(f"{PIL.__version__} {np.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _png(index: int, per_class: int, size: int, seed: int) -> bytes:
    buffer = BytesIO()
    image_and_masks(index, per_class, size, seed).image.save(buffer, "PNG", compress_type=zlib.Z_HUFFMAN_ONLY)
    return buffer.getvalue()


def _annotation(index: int, per_class: int, size: int, seed: int) -> Annotation:
    boxes = part_boxes(SPECIES[index // per_class], scene_of(index, per_class, seed).pose, size)
    return Annotation((size, size), boxes)


def _checked(index: int, per_class: int, seed: int) -> int:
    """The index, if there is such a sample."""
    if type(per_class) is not int or not 1 <= per_class <= MAX_PER_CLASS:
        raise SettingError(f"A species has 1 to {MAX_PER_CLASS} images, not {per_class!r}.")
    check_seeds(seed)
    count = per_class * len(SPECIES)
    if not 0 <= index < count:
        raise DatasetError(f"The guide has images 0 to {count - 1}, but no image {index}.")
    return index


def _check_size(size: int) -> None:
    if type(size) is not int or not MIN_SIDE <= size <= MAX_SIDE:
        raise SettingError(f"Images of the guide have {MIN_SIDE} to {MAX_SIDE} pixels a side, not {size!r}.")
