"""Tell a picture from its first bytes, whatever its name says."""

import errno
import mmap
import os
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, Literal, cast

from framegate.media.errors import MediaError
from framegate.media.files import open_plain

PictureFormat = Literal["AVIF", "BMP", "GIF", "HEIC", "JPEG", "PNG", "TIFF", "WEBP"]

_START_BYTES = 64
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # their sizes, one a version
_HEIC = {b"heic", b"heix", b"heim", b"heis"}
_JPEG_END, _JPEG_START = b"\xff\xd9", b"\xff\xd8\xff"


def is_picture(path: Path) -> bool:
    """Tell whether a file is a picture, still or animated, by its content.

    A stream of JPEG pictures one after another is a video (motion JPEG). False for what cannot be opened.
    """
    try:
        with open_file(path) as file:
            found = read_format(file)
            return found is not None and not (found == "JPEG" and _goes_on(file))
    except (MediaError, OSError):
        return False


def open_file(path: Path) -> BufferedReader:
    """Open a plain file for reading, wherever links lead; a pipe is refused, and not waited for.

    Raises:
        MediaError: there is no such file, or it is no plain one.
    """
    try:
        try:
            file = open_plain(path, os.O_RDONLY)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            file = open_plain(path.resolve(), os.O_RDONLY)
        return BufferedReader(cast(FileIO, file))
    except OSError as error:
        raise MediaError(error.strerror or "not a plain file") from None


def read_format(file: BinaryIO) -> PictureFormat | None:
    """Return the format of an open file, which is then at its beginning; None: no picture that is known here."""
    start = file.read(_START_BYTES)
    file.seek(0)
    return picture_format(start)


def picture_format(start: bytes) -> PictureFormat | None:
    r"""Return the format of a picture that begins with ``start``, 64 bytes or more of it.

    >>> picture_format(b"\xff\xd8\xff\xe0"), picture_format(b"GIF89a"), picture_format(b"just text")
    ('JPEG', 'GIF', None)
    """
    if start.startswith(_JPEG_START):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if start[:2] == b"BM" and int.from_bytes(start[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return _by_brand(start) if start[4:8] == b"ftyp" else None


def _by_brand(start: bytes) -> PictureFormat | None:
    """AVIF and HEIC share their container with MP4: its brands tell them."""
    main, size = start[8:12], int.from_bytes(start[:4], "big")
    others = {start[at : at + 4] for at in range(16, min(size, len(start)), 4)}
    brands = others if main == b"mif1" else {main}  # mif1: any picture at all
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIC" if brands & _HEIC else None


def _goes_on(file: BinaryIO) -> bool:
    """Tell whether a second JPEG follows the first without a directory of several pictures (MPF), which photos have."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        scan = data.find(b"\xff\xda")
        end = data.find(_JPEG_END, scan)
        return end >= 0 and data[end + 2 : end + 5] == _JPEG_START and data.find(b"MPF\0", 0, scan) < 0
