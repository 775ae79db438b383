"""Decoders other than crosspool's own: Chromium's canvas, tifffile, and pillow-heif by itself."""

import base64
import http.server
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pillow_heif
import tifffile
from PIL import Image
from playwright.sync_api import Page

from benchmarks.harness.app import chromium, new_page
from benchmarks.harness.pictures import Picture, kind_of_image, picture_of_file

SECONDS = 20  # that the browser may take for a file
LARGEST = 2000  # pixels: the longer side of what the browser sends back
# The pixels over white, as a PNG; null where the browser shows nothing. A bitmap is of the first frame, whereas an
# element may show a later one, but an element shows files that are cut short, too.
DRAW = """async ([address, seconds, largest]) => {
  const late = new Promise((resolve, reject) => setTimeout(reject, 1000 * seconds, "late"));
  const element = new Image();
  element.src = address;
  let image = element;
  try {
    await Promise.race([element.decode(), late]);
    image = await Promise.race([createImageBitmap(await (await fetch(address)).blob()), late]).catch(() => element);
  } catch { return null; }
  const [width, height] = [image.naturalWidth ?? image.width, image.naturalHeight ?? image.height];
  const scale = Math.min(1, largest / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(scale * width));
  canvas.height = Math.max(1, Math.round(scale * height));
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return [width, height, canvas.toDataURL("image/png").split(",")[1]];
}"""
WHITES = {"u1": 255, "b1": 1, "u2": 65535}
WHITE_IS_0, PALETTE = 0, 3
BANDS = {WHITE_IS_0: 1, 1: 1, 2: 3, PALETTE: 3, 6: 3}  # photometric interpretation -> bands of colours
MULTIPLIED, ALPHA = 1, 2  # kinds of an extra band


@dataclass(frozen=True)
class Reference:
    """What a decoder sees in a file."""

    decoder: str
    picture: Picture


@contextmanager
def references(files: Sequence[Path]) -> Iterator[Callable[[int], Reference | None]]:
    """A function from a file's number to what the decoder for its kind sees; None where that shows nothing."""
    with ExitStack() as stack:
        address = stack.enter_context(_served(files))
        page = new_page(stack.enter_context(chromium()))
        page.goto(f"{address}/")

        def reference(number: int) -> Reference | None:
            data = files[number].read_bytes()
            kind = kind_of_image(data[:16])
            if kind == "TIFF":
                return _reference("tifffile", _by_tifffile, data)
            if kind == "HEIF":
                return _reference("pillow-heif", _by_heif, data)
            picture = _by_chromium(page, f"{address}/{number}")
            return Reference("Chromium", picture) if picture else None

        yield reference


def _reference(decoder: str, read: Callable[[bytes], Picture], data: bytes) -> Reference | None:
    try:
        return Reference(decoder, read(data))
    except Exception:  # the files are anybody's, and a reference that reads one not says nothing about it
        return None


# --- Chromium


@contextmanager
def _served(files: Sequence[Path]) -> Iterator[str]:
    """The address under which the files are served by their numbers; the browser finds out what they are."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = self.path.strip("/")
            body = files[int(number)].read_bytes() if number.isdecimal() else b"<!doctype html>"
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream" if number.isdecimal() else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _by_chromium(page: Page, address: str) -> Picture | None:
    answer = page.evaluate(DRAW, [address, SECONDS, LARGEST])
    if answer is None:
        return None
    width, height, png = answer
    return replace(picture_of_file(base64.b64decode(png)), width=width, height=height)


# --- pillow-heif


def _by_heif(data: bytes) -> Picture:
    image = pillow_heif.open_heif(data).to_pillow()
    values = np.atleast_3d(np.asarray(image))
    pixels = _scaled(values, WHITES[values.dtype.str[1:]])
    colours = 3 if pixels.shape[2] >= 3 else 1
    return _picture(_over_white(pixels, colours) if pixels.shape[2] > colours else pixels)


# --- tifffile


def _by_tifffile(data: bytes) -> Picture:
    """The first page. Raises ValueError for kinds whose colours tifffile leaves to others."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        values = page.asarray()
        photometric, palette, bits = int(page.photometric), page.colormap, page.bitspersample
        extra, orientation = tuple(map(int, page.extrasamples)), int(page.tags.valueof(274, 1))
        shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
        if page.planarconfig == 2 and page.samplesperpixel > 1:
            values = np.moveaxis(values.reshape(shape[2], *shape[:2]), 0, 2)
    values, top = values.reshape(shape), WHITES.get(values.dtype.str[1:])
    top = 2**bits - 1 if values.dtype.kind == "u" and bits < 16 else top
    pixels = _scaled(values, top)
    if photometric == PALETTE and palette is not None:
        colours = palette.T if palette.max() < 256 else palette.T // 256
        pixels = np.dstack((colours[values[..., 0]].astype(np.float64), pixels[..., 1:]))
    elif photometric not in BANDS:
        raise ValueError("colours that are not red, green and blue")
    if photometric == WHITE_IS_0:
        pixels[..., 0] = 255 - pixels[..., 0]
    bands = BANDS[photometric]
    is_transparent = bool(extra) and extra[0] in (MULTIPLIED, ALPHA) and pixels.shape[2] == bands + 1
    if is_transparent:
        pixels = _over_white(pixels, bands, is_multiplied=extra[0] == MULTIPLIED)
    return _picture(_upright(pixels[..., :bands], orientation), is_relative=top is None)


def _over_white(pixels: np.ndarray, bands: int, *, is_multiplied: bool = False) -> np.ndarray:
    colours, alpha = pixels[..., :bands], pixels[..., bands : bands + 1] / 255
    over: np.ndarray = colours * (1 if is_multiplied else alpha) + 255 * (1 - alpha)
    return over


def _picture(pixels: np.ndarray, *, is_relative: bool = False) -> Picture:
    colours = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return Picture.of(Image.fromarray(np.rint(colours).clip(0, 255).astype(np.uint8)), is_relative=is_relative)


def _scaled(values: np.ndarray, top: float | None) -> np.ndarray:
    numbers = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    if top is not None:
        low, high = 0.0, top
    else:
        low, high = float(numbers.min()), float(numbers.max())
    scaled: np.ndarray = (numbers - low) * 255 / ((high - low) or 1)
    return scaled


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels
