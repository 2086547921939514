"""JPEG files as cameras, phones and interrupted downloads leave them."""

from io import BytesIO
from math import inf

import numpy as np
from PIL import Image

from framegate.media.errors import DamagedError
from framegate.media.pictures.jpeg import Reduce, decode_jpeg, jpeg_size, require_few_scans
from framegate.media.pictures.pillow_rgb import in_srgb, rgb_image
from framegate.media.pictures.scaling import scaled

_SCAN, _END = b"\xff\xda", b"\xff\xd9"
_MISSING = 128  # the grey that decoders put where data are missing
_ENOUGH = 1.4  # nearer to 1, edges would come out otherwise than from the whole picture
_NOISE = bytes([0x5A, 0xC3, 0x36, 0x99]) * 256
_CUT_OFF = "cut off: its lower part is missing"


def decode_jpeg_file(data: bytes, image: Image.Image, *, size: int | None, max_pixels: int) -> np.ndarray:
    """Decode a JPEG to (H, W, 3) RGB uint8 in sRGB, not turned; ``image`` is the same as Pillow opened it.

    With ``size``, the decoder already takes the mean of 2 × 2, 4 × 4 or 8 × 8 pixels as long as enough is left to scale
    down from: a photo of 12 megapixels takes less than half the time for 256 pixels, and looks the same (40 dB).

    Raises:
        MediaError: some of the picture is missing, or it does not decode.
    """
    is_whole = data.rfind(_END) >= _scan_of(data)  # from the end, since photos are large
    if not is_whole and image.info.get("progressive"):
        raise DamagedError("cut off: its last scans are missing")
    whole = data if is_whole else data + _END
    reduce = _reduction(image.size, size)
    pixels = _pixels(whole, image, reduce=reduce, max_pixels=max_pixels, lenient=not is_whole)
    if bool((pixels[-1, -1] == _MISSING).all()) and (not is_whole or _lacks_data(whole)):
        raise DamagedError(_CUT_OFF)
    return in_srgb(scaled(pixels, size), image)


def _pixels(data: bytes, image: Image.Image, *, reduce: Reduce, max_pixels: int, lenient: bool) -> np.ndarray:
    """Decode by OpenCV, which is the fastest here and has the same pixels, what it is sure to read as Pillow does."""
    if image.mode in ("L", "RGB") and not lenient and _plain_size(data) == image.size:
        return decode_jpeg(data, reduce=reduce, max_pixels=max_pixels, turn=False)
    if image.info.get("progressive"):
        require_few_scans(data)
    again = image if not lenient else Image.open(BytesIO(data), formats=["JPEG"])
    again.draft(None, (image.width // reduce, image.height // reduce))
    return np.asarray(rgb_image(again))


def _plain_size(data: bytes) -> tuple[int, int] | None:
    try:
        return jpeg_size(data)
    except ValueError:
        return None


def _reduction(shape: tuple[int, int], size: int | None) -> Reduce:
    """Return the largest divisor of both sides that leaves `_ENOUGH` times ``size``; others would shift the picture."""
    divisors: tuple[Reduce, ...] = (8, 4, 2)
    enough = _ENOUGH * size if size is not None else inf
    fitting = (r for r in divisors if min(shape) / r >= enough and not shape[0] % r and not shape[1] % r)
    return next(fitting, 1)


def _scan_of(data: bytes) -> int:
    """Where the picture's own data begin: behind the thumbnail, which is a JPEG inside of a segment."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN[1]:
        is_filled = data[at + 1] == 0xFF
        at += 1 if is_filled else 2 + (data[at + 2] << 8 | data[at + 3])
    return min(at, len(data))


def _lacks_data(data: bytes) -> bool:
    """Tell whether a JPEG ends before its last pixel: then noise put before its end shows in the picture.

    Decoders fill up what is missing with grey without an error, where the end is marked; and grey pictures exist.
    """
    end = data.find(_END, _scan_of(data))
    return _thumbnail(data) != _thumbnail(data[:end] + _NOISE + data[end:])


def _thumbnail(data: bytes) -> bytes:
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        image.draft(None, (image.width // 8 or 1, image.height // 8 or 1))
        return image.tobytes()
