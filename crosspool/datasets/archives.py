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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crosspool.datasets.dataset import Dataset
from crosspool.datasets.files import IMAGE_SUFFIXES, counted_sentence, is_hidden, reason_of, suffix_of
from crosspool.datasets.grouping import FileInFolder, PathParts, group_by_class
from crosspool.errors import DatasetError, ImageError
from crosspool.text import printable

MAX_RATIO = 200  # of a member's size to its compressed size,
RATIO_BYTES = 2**20  # where it has more bytes than this: small plain images do compress that well
MAX_DEPTH = 16  # folders inside folders
MAX_CHARACTERS = 255  # of a member's name with its folders
SHOWN_CHARACTERS = 40  # of a longer one

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # the signature, and the lengths of the name and of what follows it
_ENCRYPTED, _UTF8 = 0x1, 0x800  # bits of a member's flags
_REMAKE = "create the ZIP again"

# Files and folders of the official layouts, whose labels or split a plain reading of the folders would miss.
_OFFICIAL = {"TrainImages.txt": "MIT-67", "image_class_labels.txt": "CUB-200-2011", "ImageSets/Main": "PASCAL VOC"}


@dataclass(frozen=True)
class ZipLimits:
    """How much a ZIP may hold. Bytes are those of images, unpacked; `directory` are those of the list of members."""

    members: int = 100_000  # and as many folders, named by a member or around one
    directory: int = 32 * 2**20
    member: int = 64 * 2**20
    total: int = 20 * 2**30


@dataclass(frozen=True)
class _Archive:
    """A ZIP: what it is called in messages, how it is opened, and how much it may hold."""

    name: str
    open: Callable[[], io.FileIO | io.BytesIO]
    limits: ZipLimits

    def __str__(self) -> str:
        return self.name


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
    """A file that hands out no more than so many bytes at once, so that no huge list of members is ever parsed."""

    def __init__(self, file: io.FileIO | io.BytesIO, limit: int) -> None:
        super().__init__(file)
        self._limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._limit:
            raise zipfile.BadZipFile("its list of members is too long")
        return super().read(size)


def zipped_class_folders(path: Path, limits: ZipLimits = ZipLimits()) -> Dataset:
    """The images in a ZIP, each of the class whose folder it is in; a folder around all classes is passed through.

    Samples can be read by several threads and processes at once. A damaged one raises ImageError when it is read.

    Raises:
        DatasetError: the file is not a ZIP, is damaged, encrypted or beyond the limits, names members outside itself
            or links, holds an official layout, or has no images, no class folders or only one class.
    """
    return _class_folders(_Archive(str(path), partial(io.FileIO, path.absolute()), limits), path.stem)


def class_folders_in_memory(data: bytes, name: str, limits: ZipLimits = ZipLimits()) -> Dataset:
    """As `zipped_class_folders`, of the bytes of a ZIP that is called `name`."""
    return _class_folders(_Archive(name, partial(io.BytesIO, data), limits), Path(name).stem)


def _class_folders(archive: _Archive, name: str) -> Dataset:
    infos = _directory(archive)
    files, folders, large = _members(archive, infos)
    return group_by_class(printable(name), printable(archive.name), files, folders, large)


def _directory(archive: _Archive) -> list[zipfile.ZipInfo]:
    try:
        with _BoundedFile(archive.open(), archive.limits.directory) as file, zipfile.ZipFile(file) as opened:
            infos = opened.infolist()
    except OSError as error:
        raise DatasetError(
            f"{archive} cannot be opened ({reason_of(error)}); check its name and permissions."
        ) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error) as error:
        raise DatasetError(f"{archive} is not a ZIP file, or is damaged ({error}); {_REMAKE}.") from error
    if len(infos) > archive.limits.members:
        raise DatasetError(
            f"{archive} has more than {archive.limits.members:,} members; unpack it and name the folder."
        )
    return infos


def _members(
    archive: _Archive, infos: Sequence[zipfile.ZipInfo]
) -> tuple[list[FileInFolder], set[PathParts], tuple[str, ...]]:
    files: dict[
        PathParts, FileInFolder
    ] = {}  # where a name comes twice, the later one counts, as it does when unpacking
    folders: set[PathParts] = set()
    large: list[str] = []
    total, limits = 0, archive.limits
    for info in infos:
        parts, is_folder = _parts(archive, info)
        if not parts or any(map(is_hidden, parts)):
            continue
        folder = parts if is_folder else parts[:-1]
        folders.update(folder[: end + 1] for end in range(len(folder)))
        if len(folders) > limits.members:
            raise DatasetError(f"{archive} has more than {limits.members:,} folders; unpack it and name the folder.")
        if is_folder:
            continue
        name = "/".join(parts)
        if suffix_of(name) in IMAGE_SUFFIXES:
            _check_readable(archive, info, name)
            if _is_too_large(info, limits.member):
                large.append(name)
                continue
            total += info.file_size
        files[parts] = FileInFolder(parts, partial(_read, archive, _member(info, name)))
    _check_whole(archive, total, folders, files)
    reason = f"left out: larger than {limits.member >> 20} MB, or compressed more than {MAX_RATIO} times"
    return list(files.values()), folders, counted_sentence(large, f"image is {reason}", f"images are {reason}")


def _member(info: zipfile.ZipInfo, name: str) -> _Member:
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    return _Member(name, info.header_offset, info.compress_size, info.file_size, info.CRC, deflated)


def _parts(archive: _Archive, info: zipfile.ZipInfo) -> tuple[PathParts, bool]:
    """The names on the way to a member, and whether it is a folder. Raises DatasetError for what may do harm."""
    name = _decoded(info).replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if len(parts) > MAX_DEPTH:
        raise DatasetError(
            f"{archive} has folders more than {MAX_DEPTH} deep; {_REMAKE} with one folder for each class."
        )
    if len(name) > MAX_CHARACTERS:
        start = printable(name[:SHOWN_CHARACTERS])
        raise DatasetError(
            f"{archive} has names longer than {MAX_CHARACTERS} characters ({start}…); {_REMAKE} with shorter ones."
        )
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:(/|$)", name):
        raise DatasetError(f"{archive} names a file outside itself ({printable(name)}); {_REMAKE} from a plain folder.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DatasetError(f"{archive} contains a link or a device ({printable(name)}); {_REMAKE} from plain files.")
    return tuple(map(printable, parts)), name.endswith("/")


def _decoded(info: zipfile.ZipInfo) -> str:
    """The member's name. Many programs write UTF-8 without saying so, and Python then takes it for code page 437."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _check_readable(archive: _Archive, info: zipfile.ZipInfo, name: str) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise DatasetError(f"{archive} is protected by a password ({name}); {_REMAKE} without one.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DatasetError(
            f"{archive} has a member in an unsupported compression ({name}, method {info.compress_type}); "
            f"{_REMAKE} with the standard one, Deflate."
        )


def _is_too_large(info: zipfile.ZipInfo, limit: int) -> bool:
    if info.file_size > RATIO_BYTES and info.file_size > MAX_RATIO * info.compress_size:
        return True
    return max(info.file_size, info.compress_size) > limit


def _check_whole(archive: _Archive, total: int, folders: set[PathParts], files: dict[PathParts, FileInFolder]) -> None:
    most = archive.limits.total
    if total > most:
        limit = f"{most >> 30} GB" if most >= 2**30 else f"{most >> 20} MB"
        raise DatasetError(f"{archive} contains more than {limit} of images; unpack it and name the folder.")
    for parts in (*folders, *files):
        for marker, title in _OFFICIAL.items():
            if f"/{'/'.join(parts)}".endswith(f"/{marker}"):
                raise DatasetError(
                    f"{archive} contains {title} with its official lists; unpack it and name the folder."
                )


def _read(archive: _Archive, member: _Member) -> bytes:
    """The bytes of one member, from the file opened anew: no state is shared between readers."""
    try:
        data = _inflated(archive, member)
    except OSError as error:
        reason = reason_of(error)
        raise ImageError(f"{member.name} cannot be read from {archive} ({reason}); check that it is there.") from error
    except (zlib.error, struct.error, ValueError, OverflowError):
        data = None
    if data is None or len(data) != member.size or zlib.crc32(data) != member.checksum:
        raise ImageError(f"{member.name} is damaged in {archive}, or does not match its directory; {_REMAKE}.")
    return data


def _inflated(archive: _Archive, member: _Member) -> bytes | None:
    with archive.open() as file:
        file.seek(member.start)
        signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if signature != b"PK\3\4":
            return None
        file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
        data = file.read(member.compressed)
    if not member.deflated:
        return data
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.size + 1)  # one byte more shows a wrong size
