"""Images decoded in other processes: how they are stored, and bombs, crashes and decoders that never return."""

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from crosspool.errors import ImageError
from crosspool.images import load_image, shrunk_file
from crosspool.inspection.image import image_facts
from crosspool.ui.runtime import decode_worker, decoder_pool
from crosspool.ui.runtime.decode_worker import StorageFormat, receive, request, send, stored_image
from crosspool.ui.runtime.decoder_pool import DecoderPool, DecoderProcess
from crosspool.ui.runtime.settings import ServerSettings
from tests.images import noise, png
from tests.test_image_kinds import chunk, tiff

STORAGE_FORMAT = StorageFormat(side=64, largest=20_000, quality=95, exact=True, thumbnail=16)


@pytest.fixture(scope="module")
def shared_pool():
    with pool_with() as pool:
        yield pool


@pytest.fixture
def pool():
    with pool_with() as pool:
        yield pool


@contextmanager
def pool_with(**settings):
    """A pool of one process."""
    pool = DecoderPool(ServerSettings(**settings), width=1)
    yield pool
    pool.close()


def random_image(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# --- how images are stored


def test_a_small_image_is_stored_as_its_own_file(shared_pool):
    data = encoded(noise(1), "JPEG")
    image = shared_pool.store(data, "one.jpg", STORAGE_FORMAT)
    assert (image.file, image.shrunk) == (data, False)
    assert load_image(image.thumbnail).size == (16, 16)


def test_a_large_file_with_few_pixels_is_encoded_again_without_changing_one(shared_pool):
    data = encoded(random_image(64, 60), "BMP") + bytes(20_000)
    image = shared_pool.store(data, "one.bmp", STORAGE_FORMAT)
    assert not image.shrunk
    assert Image.open(io.BytesIO(image.file)).format == "PNG"
    assert load_image(image.file) == load_image(data)


def test_an_inexact_format_makes_it_a_jpeg(shared_pool):
    data = encoded(random_image(64, 60), "BMP") + bytes(20_000)
    image = shared_pool.store(data, "one.bmp", StorageFormat(64, 20_000, 92, False, 16))
    assert image.file == shrunk_file(load_image(data), 64, 92)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "WEBP", "JPEG with a profile", "PNG with a profile"])
def test_the_server_decodes_plain_files_only(shared_pool, kind):
    options = {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()} if " " in kind else {}
    data = encoded(noise(1), kind.split()[0], **options)
    image = Image.open(io.BytesIO(shared_pool.store(data, "one", STORAGE_FORMAT).file))
    assert (image.format, image.info.keys() & {"icc_profile", "exif"}) == ("PNG", set())
    assert load_image(encoded(image, "PNG")) == load_image(data)


@pytest.mark.parametrize("kind", ["HEIC", "PNG with a broken text", "float TIFF", "JPEG with a broken EXIF"])
def test_small_files_that_only_the_decoder_reads(shared_pool, kind):
    original = png(noise(1))
    if kind == "HEIC":
        file = io.BytesIO()
        pillow_heif.from_pillow(noise(1)).save(file)
        data = file.getvalue()
    elif kind == "float TIFF":
        data = tiff(np.asarray(noise(1)).astype(np.float32), photometric=2)
    elif kind.startswith("JPEG"):
        data = encoded(noise(1), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\xff")
    else:
        at = original.index(b"IDAT") - 4
        data = original[:at] + chunk(b"tEXt", b"Title\0cat", crc=1) + original[at:]
    assert load_image(shared_pool.store(data, "one", STORAGE_FORMAT).file) == load_image(data)


def test_more_pixels_are_shrunk_as_the_library_does(shared_pool):
    image = shared_pool.store(png(noise(1, (200, 100))), "one.png", STORAGE_FORMAT)
    assert image.shrunk
    assert image.file == shrunk_file(load_image(png(noise(1, (200, 100)))), 64)
    shrunk = Image.open(io.BytesIO(image.file))
    assert isinstance(shrunk, JpegImageFile)
    assert (shrunk.size, get_sampling(shrunk)) == ((64, 32), 0)  # no colour is subsampled


def test_facts_about_the_original_come_with_the_stored_image_where_they_are_asked_for(shared_pool):
    data = png(noise(1, (200, 100)))
    facts = shared_pool.store(data, "one.png", replace(STORAGE_FORMAT, facts=True)).facts
    assert facts == image_facts(data, load_image(data), "one.png")
    assert (facts.format, facts.mode, facts.width, facts.height) == ("PNG", "RGB", 200, 100)
    assert shared_pool.store(data, "one.png", STORAGE_FORMAT).facts is None


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"format": "PNG", "mode": "x" * 99, "width": 1, "height": 1, "pixels": "", "has_few_colours": False}],
)
def test_facts_that_are_none_end_the_process_that_sent_them(answer):
    with pytest.raises(decoder_pool._LostError):
        decoder_pool._facts(answer)


def test_a_file_that_is_slow_to_decode_is_encoded_again(monkeypatch):
    monkeypatch.setattr(decode_worker, "QUICK_SECONDS", 0.0)
    image = stored_image(encoded(noise(1), "JPEG"), "one.jpg", STORAGE_FORMAT)
    assert Image.open(io.BytesIO(image.file)).format == "PNG"
    assert load_image(image.file) == load_image(encoded(noise(1), "JPEG"))


def test_names_in_messages_are_unchanged(shared_pool):
    name = 'α\n"\ud800\u202e' + "x" * 300
    with pytest.raises(ImageError) as caught:
        shared_pool.store(b"no image", name, STORAGE_FORMAT)
    assert str(caught.value).startswith(f"{name} is not an image")


# --- bombs


def png_of(width, height):
    """A valid PNG of one colour, whose rows compress a thousand times."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(min(height, 50))) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif_of(width, height):
    data = bytearray(encoded(noise(1), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def tiff_of(width, height):
    data = bytearray(encoded(noise(1), "TIFF"))
    for tag, value in ((256, width), (257, height)):
        place = data.index(struct.pack("<HHI", tag, 4 if struct.pack("<HHI", tag, 4, 1) in data else 3, 1))
        data[place : place + 12] = struct.pack("<HHII", tag, 4, 1, value)
    return bytes(data)


def webp_of(width, height):
    data = bytearray(encoded(noise(1), "WEBP"))
    place = data.index(b"\x9d\x01\x2a") + 3  # after the start code of a VP8 key frame: 14 bits a side
    data[place : place + 4] = struct.pack("<HH", width, height)
    return bytes(data)


BOMBS = {
    "png": png_of(60_000, 60_000),
    "gif": gif_of(65_000, 65_000),
    "tiff": tiff_of(2**31 - 1, 2**31 - 1),
    "webp": webp_of(16_383, 16_383),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_huge_declared_sizes_are_refused_in_one_sentence(shared_pool, kind):
    with pytest.raises(ImageError) as caught:
        shared_pool.store(BOMBS[kind], f"bomb.{kind}", STORAGE_FORMAT)
    sentence = str(caught.value)
    assert sentence.startswith(f"bomb.{kind} ")
    assert "million" in sentence or "damaged" in sentence
    assert shared_pool.store(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_truncated_files_are_refused_in_one_sentence(shared_pool, kind):
    data = encoded(random_image(60, 50), kind)
    with pytest.raises(ImageError, match=r"one is damaged or cut short|one begins like"):
        shared_pool.store(data[: len(data) // 3], "one", STORAGE_FORMAT)


def test_an_image_that_takes_too_much_memory_is_refused(monkeypatch, pool):
    """Numbers beyond the usual ranges are stretched, which needs a multiple of their own memory."""
    small = "import crosspool.ui.runtime.decode_worker as worker; worker.MEMORY = 240 * 2**20; worker.main()"
    monkeypatch.setattr(decoder_pool, "_COMMAND", (sys.executable, "-c", small))
    data = encoded(Image.new("F", (3000, 3000), 1e9), "TIFF", compression="tiff_deflate")
    with pytest.raises(ImageError, match=r"^huge.tif needs more memory to decode than there is; scale it down"):
        pool.store(data, "huge.tif", STORAGE_FORMAT)
    assert pool.store(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))
    assert pool.counts == Counter(decoded=1, refused=1, lost=0)


def test_a_file_over_the_limit_is_not_even_sent():
    sentence = r"^big.png has 1.5 MB, and this server takes at most 1; scale it down and try again.$"
    with pool_with(upload_megabytes=1) as pool:
        with pytest.raises(ImageError, match=sentence):
            pool.store(bytes(3 * 2**19), "big.png", STORAGE_FORMAT)
        assert pool.processes == 0


def test_nobody_waits_longer_than_the_setting_says():
    sentence = r"^one.png was left out. The server is busy: .* try again"
    with pool_with(wait_seconds=1) as pool:
        with pool.semaphore.turn(), pytest.raises(ImageError, match=sentence):
            pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
        assert pool.store(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))


# --- processes


def test_a_decoder_that_hangs_is_killed(monkeypatch, pool):
    pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    (decoder,) = pool._idle
    os.kill(decoder.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(pool, "_settings", ServerSettings(decode_seconds=0.1))
    with pytest.raises(ImageError, match=r"^slow.png could not be decoded, as the server is busy with other work; try"):
        pool.store(png(random_image(900, 900)), "slow.png", STORAGE_FORMAT)  # more than a pipe holds
    assert decoder.process.returncode == -signal.SIGKILL
    monkeypatch.undo()
    assert pool.store(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))
    assert pool.counts == Counter(decoded=2, refused=0, lost=1)


def test_a_decoder_that_works_for_too_long_ends_itself(monkeypatch, pool):
    forever = (
        "import crosspool.ui.runtime.decode_worker as worker\nread = worker.stored_image\n"
        "def stored_image(data, name, form):\n while name == 'slow.png': pass\n return read(data, name, form)\n"
        "worker.stored_image = stored_image; worker.main()"
    )
    monkeypatch.setattr(decoder_pool, "_COMMAND", (sys.executable, "-c", forever))
    monkeypatch.setattr(decoder_pool, "WAIT_TIMES", 10_000)
    pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    (decoder,) = pool._idle
    monkeypatch.setattr(pool, "_settings", ServerSettings(decode_seconds=0.3))
    with pytest.raises(ImageError, match=r"^slow.png takes longer than 0.3 seconds to decode; save it as JPEG"):
        pool.store(png(noise(1)), "slow.png", STORAGE_FORMAT)
    assert decoder.process.returncode == -signal.SIGPROF
    assert pool.counts == Counter(decoded=1, refused=0, lost=1)


def test_time_that_others_take_does_not_count(monkeypatch, pool):
    """As on a busy machine, where a decoder waits for a core longer than it may work."""
    pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    (decoder,) = pool._idle
    monkeypatch.setattr(decoder_pool, "WAIT_TIMES", 100)
    monkeypatch.setattr(pool, "_settings", ServerSettings(decode_seconds=0.6))
    os.kill(decoder.process.pid, signal.SIGSTOP)
    others = threading.Timer(1.2, os.kill, (decoder.process.pid, signal.SIGCONT))
    others.start()
    assert pool.store(png(noise(2)), "two.png", STORAGE_FORMAT).file == png(noise(2))
    others.join()
    assert pool.counts == Counter(decoded=2, refused=0, lost=0)


def test_only_work_on_one_file_counts(monkeypatch, pool):
    monkeypatch.setattr(pool, "_settings", ServerSettings(decode_seconds=0.3))
    for _ in range(120):
        pool.store(png(noise(1, (400, 400))), "one.png", STORAGE_FORMAT)
    (decoder,) = pool._idle
    assert (decoder.done, pool.counts["lost"]) == (120, 0)


def test_a_decoder_that_dies_midway_is_replaced(pool):
    pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    (decoder,) = pool._idle
    os.kill(decoder.process.pid, signal.SIGSTOP)
    killer = threading.Timer(0.2, decoder.process.kill)
    killer.start()
    with pytest.raises(ImageError, match=r"^one.png cannot be decoded: its decoder broke off; save it as JPEG"):
        pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    killer.join()
    assert pool.store(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))


def test_a_decoder_that_was_killed_while_idle_is_replaced_unnoticed(pool):
    pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    (decoder,) = pool._idle
    decoder.process.kill()
    decoder.process.wait()
    assert pool.store(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))


def test_a_decoder_is_replaced_after_some_images(monkeypatch, pool):
    monkeypatch.setattr(decoder_pool, "IMAGES_PER_PROCESS", 2)
    processes = []
    for _ in range(4):
        pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
        processes += [decoder.process.pid for decoder in pool._idle]
    assert len(processes) == len(set(processes)) == 2  # idle after images 1 and 3


def test_answers_of_a_decoder_are_checked(pool, monkeypatch):
    pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    (decoder,) = pool._idle
    for answer in ({}, {"shrunk": 1, "file": 3}, {"shrunk": True, "file": 10**9}, {"error": None}):
        monkeypatch.setattr(decoder, "_watched", lambda seconds, talk, answer=answer: (answer, b"bytes"))
        with pytest.raises(decoder_pool._LostError):
            decoder.store(b"", "", STORAGE_FORMAT, 1)


def test_descriptions_of_classifiers_are_checked(pool, monkeypatch):
    pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    (decoder,) = pool._idle
    for place in (["F32", [2**70], 0], ["F32", [9], 0], ["F32", [1], -1], ["odd", [1], 0], ["F32"], 3):
        answer = {"settings": {}, "counts": [0, 0, 0], "arrays": [place]}, b"\0\0\0\0"
        monkeypatch.setattr(decoder, "_watched", lambda seconds, talk, answer=answer: answer)
        with pytest.raises(decoder_pool._LostError):
            decoder.describe(b"", "", 1)


def test_a_decoder_that_starts_with_nonsense_is_ended(pool, monkeypatch):
    processes = []

    class Process(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Process)
    nonsense = "import time; print('no message', flush=True); time.sleep(60)"
    monkeypatch.setattr(decoder_pool, "_COMMAND", (sys.executable, "-c", nonsense))
    with pytest.raises(ImageError, match="cannot decode images at the moment"):
        pool.store(png(noise(1)), "one.png", STORAGE_FORMAT)
    (process,) = processes
    assert process.returncode is not None


def test_a_decoder_ends_with_its_server():
    code = (
        "from crosspool.ui.runtime.decoder_pool import DecoderProcess; decoder = DecoderProcess();"
        "print(decoder.process.pid, flush=True);input()"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    os.kill(pid, 0)  # it is there
    server.kill()
    server.communicate()
    until = time.monotonic() + 60
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_running(pid)


def test_a_hanging_decoder_ends_even_if_its_server_was_killed():
    decoder = DecoderProcess()
    assert decoder.process.stdin is not None
    send(decoder.process.stdin, request("one.png", STORAGE_FORMAT, 60, 0.001), png(random_image(2000, 2000)))
    assert decoder.process.wait(timeout=60) == -signal.SIGALRM
    decoder.close()


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_decoder_is_confined():
    decoder = DecoderProcess()
    with open(f"/proc/{decoder.process.pid}/limits") as file:
        limits = {line[:26].strip(): line[26:47].strip() for line in file}
    try:
        with open(f"/proc/{decoder.process.pid}/environ") as file:
            names = {entry.partition("=")[0] for entry in file.read().split("\0")}
    except PermissionError:  # its memory is hidden from all but root
        names = set()
    decoder.close()
    assert "1,024 MB of memory" in decoder.confinement
    assert limits["Max open files"] == "0"
    assert limits["Max address space"] == str(2**30)
    assert (limits["Max file size"], limits["Max core file size"]) == ("0", "0")
    assert names <= {"", "LC_CTYPE", *decoder_pool._ENVIRONMENT}


def test_a_decoder_imports_no_heavy_library():
    heavy = "{'torch', 'streamlit', 'matplotlib', 'pandas', 'sklearn', 'scipy'}"
    code = f"import crosspool.ui.runtime.decode_worker, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_messages_are_bounded():
    stream = io.BytesIO()
    send(stream, {"a": 1}, b"12345")
    stream.seek(0)
    assert receive(stream, 5) == ({"a": 1}, b"12345")
    stream.seek(0)
    with pytest.raises(ValueError, match="too long"):
        receive(stream, 4)
    with pytest.raises(ValueError, match="not an object"):
        receive(io.BytesIO(struct.pack(">II", 2, 0) + b"[]"), 5)
    with pytest.raises(EOFError):
        receive(io.BytesIO(stream.getvalue()[:-1]), 5)
