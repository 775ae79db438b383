"""ZIPs of class folders that were damaged, or made to do harm."""

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from itertools import chain
from random import Random

from benchmarks.harness.fuzzing.base import ACCEPTED, ANYWHERE, Kind, check_sentence, damaged, number_at
from benchmarks.harness.fuzzing.image_files import valid_files
from benchmarks.harness.fuzzing.images import image_case
from crosspool.errors import DatasetError
from crosspool.images import load_image
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.visit.labelled import MAX_IMAGES
from crosspool.ui.visit.labelled_zip import from_zip

LOCAL, CENTRAL, END, END64, LOCATOR = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"
# Where the fields of each header begin, and how wide they are.
FIELDS = {
    LOCAL: ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    CENTRAL: ((6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2), (38, 4), (42, 4)),
    END: ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
    END64: ((4, 8), (16, 4), (24, 8), (32, 8), (40, 8), (48, 8)),
    LOCATOR: ((4, 4), (8, 8), (16, 4)),
}
Members = Mapping[str | zipfile.ZipInfo, bytes]


def zip_case(random: Random) -> bytes:
    """A ZIP that is valid, damaged, or made to do harm."""
    if random.random() < 0.4:
        return random.choice(HARMFUL)(random)
    return damaged(random.choice(_valid_zips()), random, ANYWHERE + 8 * (in_header,))


def packed(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive, warnings.catch_warnings(action="ignore"):
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def class_folders(count: int = 3, suffix: str = ".png") -> dict[str | zipfile.ZipInfo, bytes]:
    """Three classes of a few different images."""
    names = sorted(name for name in valid_files() if name.startswith(suffix[1:]))
    return {
        f"{label}/{number}{suffix}": valid_files()[names[(place + 3 * number) % len(names)]]
        for place, label in enumerate(("cat", "dog", "owl"))
        for number in range(count)
    }


@cache
def _valid_zips() -> tuple[bytes, ...]:
    return (
        packed(class_folders(suffix=".jpeg")),
        packed(class_folders(), zipfile.ZIP_STORED),
        packed({f"set/train/{name}": data for name, data in class_folders().items()}),
        as_zip64(packed(class_folders())),
        b"#!/bin/sh\n" + packed(class_folders(suffix=".tiff")),
        packed({**class_folders(), "cat/": b"", "__MACOSX/cat/._1.png": b"x", "notes é.txt": b"x"}),
    )


def as_zip64(data: bytes) -> bytes:
    """A ZIP with the records at its end that those above 4 GB have."""
    at = data.rindex(END)
    count, size, start = struct.unpack("<10xHII", data[at : at + 20])
    record = struct.pack("<4sQHHIIQQQQ", END64, 44, 45, 45, 0, 0, count, count, size, start)
    end = struct.pack("<4sHHHHIIH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:at] + record + struct.pack("<4sIQI", LOCATOR, 0, at, 1) + end


def in_header(data: bytes, random: Random) -> bytes:
    """Change one field of one header."""
    signature = random.choice([signature for signature in FIELDS if signature in data] or [b""])
    if not signature:
        return data
    starts = [at for at in range(len(data)) if data.startswith(signature, at)] if len(data) < 20_000 else []
    at = random.choice(starts or [data.index(signature)])
    start, width = random.choice(FIELDS[signature])
    return number_at(data, at + start, width, random)


# --- made to do harm


def bad_names(random: Random) -> bytes:
    """Paths that lead out of the ZIP, and names that are hardly usable."""
    name = random.choice((
        "../up.png", "cat/../../up.png", "/abs/up.png", "C:/up.png", "..\\up.png", "\\\\host\\up.png", "CON/aux.png",
        "cat//./1.png", "a/" * 40 + "1.png", "x" * 30_000 + "/1.png", "cat/" + "y" * 5_000 + ".png", " /1.png",
        "<script>alert(1)<.script>/1.png", "](javascript:x)/1.png", "\u202ecat/1.png", "\x1b[31mred/1.png",
        "cat\n/1.png", "猫/1.png", "e\u0301/1.png", "é/1.png", "CAT/9.png", "cat /9.png", "$(id)/1.png", "'\"/1.png",
    ))  # fmt: skip
    return packed({**class_folders(), name: valid_files()["png RGB"]})


def no_utf8(random: Random) -> bytes:
    """Names that are not valid text, with or without the flag that says so."""
    data = packed({**class_folders(), "AAAA/1.png": valid_files()["png RGB"]})
    data = data.replace(b"AAAA", random.choice((b"\xff\xfe\xfd\xfc", b"\xed\xa0\x80A", b"\0\0\0\0", b"\x82\x83AA")))
    return data if random.random() < 0.5 else data.replace(b"\x14\x00\x00\x00", b"\x14\x00\x00\x08")


def links(random: Random) -> bytes:
    info = zipfile.ZipInfo("cat/link.png")
    info.create_system, kind = 3, random.choice((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK))
    info.external_attr = (kind | 0o777) << 16
    return packed({**class_folders(), info: b"/etc/passwd"})


def encrypted(random: Random) -> bytes:
    data = bytearray(packed(class_folders()))
    for signature, offset in ((LOCAL, 6), (CENTRAL, 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def unusual_compression(random: Random) -> bytes:
    if random.random() < 0.5:
        return packed(class_folders(), random.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))
    return packed(class_folders()).replace(b"\x08\x00", random.choice((b"\x09\x00", b"\x5d\x00", b"\xff\xff")))


def ratio_bomb(random: Random) -> bytes:
    """Tens of megabytes of zeros in some kilobytes, with the true size in the headers or a false one."""
    data = _bomb(random.choice((2**20, 30 * 2**20)))
    if random.random() < 0.5:
        for signature, offset in ((CENTRAL, 24), (LOCAL, 22)):
            at = data.index(signature) + offset
            data = data[:at] + struct.pack("<I", random.choice((0, 1000, 2**32 - 1))) + data[at + 4 :]
    return data


@cache
def _bomb(length: int) -> bytes:
    return packed({"cat/0.png": bytes(length), **class_folders()})


def overlapping(random: Random) -> bytes:
    """A list of many members with the same content: kilobytes that become megabytes of images."""
    count, image_file = random.choice((50, 700, 5000)), random.choice(list(valid_files().values()))
    one = packed({"c0/000000.png": image_file})
    at = one.index(CENTRAL)
    local, entry = one[:at], one[at : one.index(END)]
    names = (b"c%d/%06d.png" % (number % 3, number) for number in range(count))
    entries = b"".join(entry.replace(b"c0/000000.png", name) for name in names)
    few = min(count, 0xFFFF)
    return local + entries + struct.pack("<4sHHHHIIH", END, 0, 0, few, few, len(entries), len(local), 0)


def nested(random: Random) -> bytes:
    inner = packed(class_folders())
    for depth in range(random.choice((1, 30))):
        inner = packed({**class_folders(1), f"cat/{depth}.zip": inner, "dog/9.png": inner[:50_000]})
    return inner


def thousands(random: Random) -> bytes:
    """More members, classes or folders than the page accepts."""
    count = random.choice((601, 3000))
    name = random.choice(("cat{0}/{0}.png", "cat/{0}.png", "{0}/", "a/{0}/b/c/d.png"))
    return packed({**class_folders(), **{name.format(number): b"x" for number in range(count)}})


def duplicates(random: Random) -> bytes:
    data = packed({**class_folders(), "cat/8.png": b"no image", "cat/9.png": valid_files()["png L"]})
    return data.replace(b"cat/9.png", b"cat/8.png")


def bad_checksum(random: Random) -> bytes:
    data = bytearray(packed(class_folders()))
    at = data.index(random.choice((LOCAL, CENTRAL))) + random.choice((14, 16, 40, 60))
    data[at] ^= 0xFF
    return bytes(data)


def damaged_images(random: Random) -> bytes:
    """A valid ZIP of damaged images."""
    members = class_folders()
    return packed({name: image_case(random) if random.random() < 0.5 else data for name, data in members.items()})


def wrong_deflate(random: Random) -> bytes:
    """A member whose stream is damaged, so that its checksum is wrong too."""
    data = packed(class_folders())
    at = data.index(LOCAL) + 45 + random.randrange(40)
    return data[:at] + zlib.compress(random.randbytes(8)) + data[at + 16 :]


def not_a_zip(random: Random) -> bytes:
    return random.choice((b"", b"PK", END + bytes(18), random.randbytes(500), valid_files()["jpeg"], LOCAL * 1000))


HARMFUL: tuple[Callable[[Random], bytes], ...] = (
    bad_names, bad_names, no_utf8, links, encrypted, unusual_compression, ratio_bomb, overlapping, nested, thousands,
    duplicates, bad_checksum, damaged_images, damaged_images, wrong_deflate, not_a_zip,
)  # fmt: skip


NAME_CHARACTERS = 2 * 255  # of the two members that one sentence may name


def judge(data: bytes) -> str:
    """Labelled images within the page's limits, and a sentence for each one left out; or one that refuses all."""
    try:
        collection = from_zip(data, "pets.zip", Account(), lambda done, total: None)
        problems = [check_sentence(problem, NAME_CHARACTERS) for problem in collection.problems]
        labelled = collection.labelled()
    except DatasetError as error:
        return check_sentence(str(error), NAME_CHARACTERS)
    assert len(labelled.dataset) <= len(collection) <= MAX_IMAGES
    assert len(set(problems)) == len(problems), "a problem is reported twice"
    assert all(load_image(image.data).mode == "RGB" for image in chain(*collection.classes.values()))
    for sentence in labelled.dataset.problems:
        check_sentence(sentence, NAME_CHARACTERS)
    return ACCEPTED


KIND = Kind("zips", zip_case, judge)
