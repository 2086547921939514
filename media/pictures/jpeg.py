"""Decode stored JPEG pictures, after a check of the size in their header."""

from typing import Any, Literal

import cv2
import numpy as np

from framegate.media.errors import DamagedError, MediaError

Reduce = Literal[1, 2, 4, 8]

MAX_STORED_PIXELS = 8192 * 4096
"""Width × height of the largest picture in a store: 100 MB when decoded. Extraction writes no larger ones."""

_NO_LENGTH = frozenset([0x00, 0x01, *range(0xD0, 0xDA), 0xFF])  # markers that no length follows, and fill bytes
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, without DHT, JPG and DAC
_PROGRESSIVE = frozenset([0xC2, 0xC6, 0xCA, 0xCE])
_SCAN = b"\xff\xda"
_MAX_SCANS = 64  # encoders write about ten; each costs a pass over the whole picture, however few bytes it has


def jpeg_size(data: bytes | memoryview) -> tuple[int, int]:
    """Return (width, height) in pixels of a JPEG, from its header alone.

    Raises:
        ValueError: ``data`` has no frame header, so it is no JPEG.
    """
    _, width, height = _frame_header(data)
    return width, height


def decode_jpeg(data: Any, *, reduce: Reduce = 1, max_pixels: int = MAX_STORED_PIXELS, turn: bool = True) -> np.ndarray:
    """Decode JPEG bytes to a picture (H, W, 3) RGB uint8, at 1/``reduce`` of its size (cheaper than decoding it whole).

    Args:
        data: the bytes.
        reduce: the divisor of width and height.
        max_pixels: width × height above which nothing is decoded.
        turn: whether to rotate and mirror the picture as its EXIF data say.

    Raises:
        MediaError: ``data`` is no JPEG picture, or its header claims more than ``max_pixels`` pixels at full size.
    """
    try:
        marker, width, height = _frame_header(data)
    except ValueError as error:
        raise DamagedError(str(error)) from None
    if width * height > max_pixels:
        raise MediaError(f"a picture of {width} × {height} pixels: over the limit of {max_pixels} (max_pixels)")
    if marker in _PROGRESSIVE:
        require_few_scans(data)
    flags = {1: cv2.IMREAD_COLOR_RGB, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
    flag = flags.get(reduce, cv2.IMREAD_REDUCED_COLOR_8) | (0 if turn else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        picture: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:  # what it refuses by limits of its own
        raise DamagedError(f"not a JPEG picture that OpenCV decodes: {error.err or error}") from None
    if picture is None:
        raise DamagedError("not a JPEG picture")
    if reduce == 1:
        return picture
    rgb: np.ndarray = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)
    return rgb


def require_few_scans(data: bytes | memoryview) -> None:
    """Raise `MediaError` if a progressive JPEG has so many scans that it was made to keep its reader busy."""
    if (scans := bytes(data).count(_SCAN)) > _MAX_SCANS:
        raise MediaError(f"a JPEG of {scans} scans: more than {_MAX_SCANS} only slow its reader down")


def _frame_header(data: bytes | memoryview) -> tuple[int, int, int]:
    """(marker, width, height); headers that a lenient decoder would read in another way have none."""
    at, end = 2, len(data) - 9
    if end >= 0 and data[0] == 0xFF and data[1] == 0xD8:
        while at <= end and data[at] == 0xFF:
            marker = data[at + 1]
            if marker in _FRAME_HEADERS:
                return marker, data[at + 7] << 8 | data[at + 8], data[at + 5] << 8 | data[at + 6]
            if marker in _NO_LENGTH:
                break
            at += 2 + (data[at + 2] << 8 | data[at + 3])
    raise ValueError("not a JPEG: no frame header found")
