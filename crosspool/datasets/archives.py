"""A ZIP of class folders, read in place: nothing is ever unpacked to disk.

The ZIP may be a stranger's upload. Its directory is checked against the limits below before anything is read, and
each member is inflated to no more than the directory says, whatever its own stream holds.
"""

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crosspool.datasets.dataset import Dataset
from crosspool.datasets.files import IMAGE_SUFFIXES, is_hidden, reason_of, sentence, suffix_of
from crosspool.datasets.grouping import File, Parts, group_by_class
from crosspool.errors import DatasetError, ImageError
from crosspool.text import printable

MAX_MEMBERS = 100_000  # and as many folders, named by a member or around one
MAX_DIRECTORY_BYTES = 32 * 2**20  # the list of members itself
MAX_MEMBER_BYTES = 64 * 2**20
MAX_RATIO = 200  # of a member's size to its compressed size,
RATIO_FROM = 2**20  # where it has more bytes than this: small plain pictures do compress that well
MAX_TOTAL_BYTES = 20 * 2**30
MAX_DEPTH = 16  # folders inside folders

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # the signature, and the lengths of the name and of what follows it
_ENCRYPTED, _UTF8 = 0x1, 0x800  # bits of a member's flags
_AGAIN = "make the ZIP again"

# Files and folders of the official layouts, whose labels or split a plain reading of the folders would miss.
_OFFICIAL = {
    "TrainImages.txt": "MIT-67",
    "image_class_labels.txt": "CUB-200-2011",
    "ImageSets/Main": "PASCAL VOC",
}


@dataclass(frozen=True)
class _Member:
    """Where an image lies in the ZIP, and what the directory says of it."""

    name: str
    start: int
    compressed: int
    size: int
    checksum: int
    deflated: bool


class _BoundedFile(io.BufferedReader):
    """A file that hands out no more than the limit at once, so that no huge list of members is ever parsed."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its list of members is too long")
        return super().read(size)


def zipped_class_folders(path: Path) -> Dataset:
    """The images in a ZIP, each of the class whose folder it is in; a folder around all classes does no harm.

    Samples can be read by several threads and processes at once. A damaged one raises ImageError when it is read.

    Raises:
        DatasetError: the file is no ZIP, is damaged, encrypted or beyond the limits, names members outside itself
            or links, holds an official layout, or has no images, no class folders or only one class.
    """
    infos = _directory(path)
    files, folders, large = _members(path, infos)
    name = printable(path.stem)
    return group_by_class(name, printable(str(path)), files, folders, large)


def _directory(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with _BoundedFile(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened ({reason_of(error)}); check its name and rights.") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error) as error:
        raise DatasetError(f"{path} is no ZIP file, or is damaged ({error}); {_AGAIN}.") from error
    if len(infos) > MAX_MEMBERS:
        raise DatasetError(f"{path} has more than {MAX_MEMBERS:,} members; unpack it and name the folder.")
    return infos


def _members(path: Path, infos: Sequence[zipfile.ZipInfo]) -> tuple[list[File], set[Parts], tuple[str, ...]]:
    files: dict[Parts, File] = {}  # where a name comes twice, the later one counts, as it does when unpacking
    folders: set[Parts] = set()
    large: list[str] = []
    total = 0
    for info in infos:
        parts, is_folder = _parts(path, info)
        if not parts or any(map(is_hidden, parts)):
            continue
        folder = parts if is_folder else parts[:-1]
        folders.update(folder[: end + 1] for end in range(len(folder)))
        if len(folders) > MAX_MEMBERS:
            raise DatasetError(f"{path} has more than {MAX_MEMBERS:,} folders; unpack it and name the folder.")
        if is_folder:
            continue
        name = "/".join(parts)
        if suffix_of(name) in IMAGE_SUFFIXES:
            _check_readable(path, info, name)
            if _is_too_large(info):
                large.append(name)
                continue
            total += info.file_size
        files[parts] = File(parts, partial(_read, path.absolute(), _member(info, name)))
    _check_whole(path, total, folders, files)
    one = f"image is left out, being larger than {MAX_MEMBER_BYTES >> 20} MB or compressed beyond {MAX_RATIO} times"
    many = f"images are left out, being larger than {MAX_MEMBER_BYTES >> 20} MB or compressed beyond {MAX_RATIO} times"
    return list(files.values()), folders, sentence(large, one, many)


def _member(info: zipfile.ZipInfo, name: str) -> _Member:
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    return _Member(name, info.header_offset, info.compress_size, info.file_size, info.CRC, deflated)


def _parts(path: Path, info: zipfile.ZipInfo) -> tuple[Parts, bool]:
    """The names on the way to a member, and whether it is a folder. Raises DatasetError for what may do harm."""
    name = _decoded(info).replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:(/|$)", name):
        raise DatasetError(f"{path} names a file outside itself ({printable(name)}); {_AGAIN} from a plain folder.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DatasetError(f"{path} holds a link or a device ({printable(name)}); {_AGAIN} from plain files.")
    if len(parts) > MAX_DEPTH:
        raise DatasetError(f"{path} has folders more than {MAX_DEPTH} deep; {_AGAIN} from a folder a class.")
    return tuple(map(printable, parts)), name.endswith("/")


def _decoded(info: zipfile.ZipInfo) -> str:
    """The member's name. Many programs write UTF-8 without saying so, and Python then takes it for code page 437."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _check_readable(path: Path, info: zipfile.ZipInfo, name: str) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise DatasetError(f"{path} is protected by a password ({name}); {_AGAIN} without one.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DatasetError(
            f"{path} has a member in an unusual compression ({name}, method {info.compress_type}); "
            f"{_AGAIN} with the usual one, Deflate."
        )


def _is_too_large(info: zipfile.ZipInfo) -> bool:
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * info.compress_size:
        return True
    return max(info.file_size, info.compress_size) > MAX_MEMBER_BYTES


def _check_whole(path: Path, total: int, folders: set[Parts], files: dict[Parts, File]) -> None:
    if total > MAX_TOTAL_BYTES:
        raise DatasetError(
            f"{path} holds more than {MAX_TOTAL_BYTES >> 30} GB of images; unpack it and name the folder."
        )
    for parts in (*folders, *files):
        for marker, title in _OFFICIAL.items():
            if f"/{'/'.join(parts)}".endswith(f"/{marker}"):
                raise DatasetError(f"{path} holds {title} with its official lists; unpack it and name the folder.")


def _read(path: Path, member: _Member) -> bytes:
    """The bytes of one member, from the file opened anew: no state is shared between readers."""
    try:
        data = _inflated(path, member)
    except OSError as error:
        reason = reason_of(error)
        raise ImageError(f"{member.name} cannot be read from {path} ({reason}); check that it is there.") from error
    except (zlib.error, struct.error, ValueError, OverflowError):
        data = None
    if data is None or len(data) != member.size or zlib.crc32(data) != member.checksum:
        raise ImageError(f"{member.name} is damaged in {path}, or not what its directory says; {_AGAIN}.")
    return data


def _inflated(path: Path, member: _Member) -> bytes | None:
    with path.open("rb") as file:
        file.seek(member.start)
        signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if signature != b"PK\3\4":
            return None
        file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
        data = file.read(member.compressed)
    if not member.deflated:
        return data
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.size + 1)  # one more byte tells a lie
