"""Pictures decoded in other processes: what is kept of them, and bombs, crashes and decoders that never come back."""

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from crosspool.errors import ImageError
from crosspool.images import load_image, shrunk_file
from crosspool.ui.runtime import decode_worker
from crosspool.ui.runtime import decoder_pool as decoding
from crosspool.ui.runtime.decode_worker import StorageFormat, keep, receive, request, send
from crosspool.ui.runtime.decoder_pool import Worker, Workers
from crosspool.ui.runtime.settings import settings
from tests.pictures import noise, png

STORAGE_FORMAT = StorageFormat(side=64, largest=20_000, quality=95, exact=True, thumbnail=16)


@pytest.fixture(scope="module")
def workers():
    pool = Workers(1)
    yield pool
    pool.close()


@pytest.fixture
def pool():
    pool = Workers(1)
    yield pool
    pool.close()


def settled(monkeypatch, **values):
    monkeypatch.setattr(decoding, "settings", lambda: settings().model_copy(update=values))


def random_picture(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


# --- what is kept


def test_a_small_picture_is_kept_as_its_own_file(workers):
    data = encoded(noise(1), "JPEG")
    kept = workers.keep(data, "one.jpg", STORAGE_FORMAT)
    assert (kept.file, kept.shrunk) == (data, False)
    assert load_image(kept.thumbnail).size == (16, 16)


def test_a_large_file_that_is_small_in_pixels_is_written_anew_without_changing_any(workers):
    data = encoded(random_picture(64, 60), "BMP") + bytes(20_000)
    kept = workers.keep(data, "one.bmp", STORAGE_FORMAT)
    assert not kept.shrunk
    assert Image.open(io.BytesIO(kept.file)).format == "PNG"
    assert load_image(kept.file) == load_image(data)


def test_where_exactness_is_not_asked_for_it_becomes_a_jpeg(workers):
    data = encoded(random_picture(64, 60), "BMP") + bytes(20_000)
    kept = workers.keep(data, "one.bmp", StorageFormat(64, 20_000, 92, False, 16))
    assert kept.file == shrunk_file(load_image(data), 64, 92)


def test_more_pixels_are_shrunk_as_the_library_does(workers):
    kept = workers.keep(png(noise(1, 200, 100)), "one.png", STORAGE_FORMAT)
    assert kept.shrunk
    assert kept.file == shrunk_file(load_image(png(noise(1, 200, 100))), 64)
    shrunk = Image.open(io.BytesIO(kept.file))
    assert isinstance(shrunk, JpegImageFile)
    assert (shrunk.size, get_sampling(shrunk)) == ((64, 32), 0)  # no colour is subsampled


def test_a_file_that_is_slow_to_decode_is_written_anew(monkeypatch):
    monkeypatch.setattr(decode_worker, "QUICK", 0.0)
    kept = keep(encoded(noise(1), "JPEG"), "one.jpg", STORAGE_FORMAT)
    assert Image.open(io.BytesIO(kept.file)).format == "PNG"
    assert load_image(kept.file) == load_image(encoded(noise(1), "JPEG"))


def test_names_come_back_as_they_are(workers):
    name = 'α\n"\ud800\u202e' + "x" * 300
    with pytest.raises(ImageError) as caught:
        workers.keep(b"no image", name, STORAGE_FORMAT)
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
def test_huge_declared_sizes_are_refused_in_one_sentence(workers, kind):
    with pytest.raises(ImageError) as caught:
        workers.keep(BOMBS[kind], f"bomb.{kind}", STORAGE_FORMAT)
    said = str(caught.value)
    assert said.startswith(f"bomb.{kind} ")
    assert "million" in said or "damaged" in said
    assert workers.keep(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_truncated_files_are_refused_in_one_sentence(workers, kind):
    data = encoded(random_picture(60, 50), kind)
    with pytest.raises(ImageError, match=r"one is damaged or cut short|one begins like"):
        workers.keep(data[: len(data) // 3], "one", STORAGE_FORMAT)


def test_what_takes_too_much_memory_is_refused(monkeypatch, pool):
    """Numbers beyond the usual ranges are stretched, which needs a multiple of their own memory."""
    small = "import crosspool.ui.runtime.decode_worker as worker; worker.MEMORY = 240 * 2**20; worker.main()"
    monkeypatch.setattr(decoding, "_COMMAND", (sys.executable, "-c", small))
    data = encoded(Image.new("F", (3000, 3000), 1e9), "TIFF", compression="tiff_deflate")
    with pytest.raises(ImageError, match=r"^huge.tif needs more memory to decode than there is; scale it down"):
        pool.keep(data, "huge.tif", STORAGE_FORMAT)
    assert pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))
    assert pool.count == decoding.Count(decoded=1, refused=1, lost=0)


def test_a_large_file_is_not_even_sent(monkeypatch, pool):
    settled(monkeypatch, upload_megabytes=1)
    with pytest.raises(ImageError, match=r"^big.png has 1.5 MB of at most 1; scale it down and try again.$"):
        pool.keep(bytes(3 * 2**19), "big.png", STORAGE_FORMAT)
    assert not pool._free


def test_one_has_to_wait_so_long_at_most(monkeypatch, pool):
    settled(monkeypatch, wait_seconds=0.1)
    with pool.gate.turn(), pytest.raises(ImageError, match=r"^one.png was left out. The server is busy: .* try again"):
        pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT)
    settled(monkeypatch)
    assert pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))


# --- workers


def test_a_decoder_that_hangs_is_killed(monkeypatch, pool):
    pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT)
    (worker,) = pool._free
    os.kill(worker.process.pid, signal.SIGSTOP)
    settled(monkeypatch, decode_seconds=0.3)
    with pytest.raises(ImageError, match=r"^slow.png takes longer than 0.3 seconds to be decoded; save it as JPEG"):
        pool.keep(png(random_picture(900, 900)), "slow.png", STORAGE_FORMAT)  # more than a pipe holds
    assert worker.process.returncode == -signal.SIGKILL
    settled(monkeypatch)
    assert pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))
    assert pool.count == decoding.Count(decoded=2, refused=0, lost=1)


def test_a_decoder_that_dies_midway_is_replaced(pool):
    pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT)
    (worker,) = pool._free
    os.kill(worker.process.pid, signal.SIGSTOP)
    killer = threading.Timer(0.2, worker.process.kill)
    killer.start()
    with pytest.raises(ImageError, match=r"^one.png cannot be decoded, for its decoder broke off; save it as JPEG"):
        pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT)
    killer.join()
    assert pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))


def test_a_worker_that_was_killed_while_it_had_nothing_to_do_is_replaced_unnoticed(pool):
    pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT)
    (worker,) = pool._free
    worker.process.kill()
    worker.process.wait()
    assert pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT).file == png(noise(1))


def test_a_worker_is_replaced_after_some_pictures(monkeypatch, pool):
    monkeypatch.setattr(decoding, "WORN", 2)
    seen = []
    for _ in range(4):
        pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT)
        seen += [worker.process.pid for worker in pool._free]
    assert len(seen) == len(set(seen)) == 2  # free after the first and the third, gone after the second and fourth


def test_a_worker_says_nothing_that_is_believed_unseen(pool, monkeypatch):
    pool.keep(png(noise(1)), "one.png", STORAGE_FORMAT)
    (worker,) = pool._free
    for lie in ({}, {"shrunk": 1, "file": 3}, {"shrunk": True, "file": 10**9}, {"error": None}):
        monkeypatch.setattr(worker, "_watched", lambda seconds, talk, lie=lie: (lie, b"bytes"))
        with pytest.raises(decoding._LostError):
            worker.keep(b"", "", STORAGE_FORMAT, 1)


def test_a_worker_ends_with_its_server():
    code = (
        "from crosspool.ui.runtime.decoder_pool import Worker; worker = Worker();"
        "print(worker.process.pid, flush=True);input()"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    os.kill(pid, 0)  # it is there
    server.kill()
    server.communicate()
    until = time.monotonic() + 20
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_running(pid)


def test_a_hanging_worker_ends_by_itself():
    """Also where whoever should kill it was killed."""
    worker = Worker()
    assert worker.process.stdin is not None
    send(worker.process.stdin, request("one.png", STORAGE_FORMAT, 0.001), png(random_picture(2000, 2000)))
    assert worker.process.wait(timeout=20) == -signal.SIGALRM
    worker.close()


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_is_confined():
    worker = Worker()
    with open(f"/proc/{worker.process.pid}/limits") as file:
        limits = {line[:26].strip(): line[26:47].strip() for line in file}
    with open(f"/proc/{worker.process.pid}/environ") as file:
        names = {entry.partition("=")[0] for entry in file.read().split("\0")}
    worker.close()
    assert limits["Max address space"] == str(2**30)
    assert (limits["Max file size"], limits["Max core file size"]) == ("0", "0")
    assert names <= {"", "LC_CTYPE", *decoding._ENVIRONMENT}


def test_a_worker_is_light():
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
    with pytest.raises(ValueError, match="no object"):
        receive(io.BytesIO(struct.pack(">II", 2, 0) + b"[]"), 5)
    with pytest.raises(EOFError):
        receive(io.BytesIO(stream.getvalue()[:-1]), 5)
