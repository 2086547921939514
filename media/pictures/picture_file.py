"""Picture files, still and animated: Pillow opens and checks them, and decodes all but plain JPEG.

Only the formats of `picture_formats` are opened, each by the one plugin for it, never by a plugin that guesses: Pillow
has some that run other programs.
"""

import os
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from math import inf
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import AvifImagePlugin, ExifTags, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from framegate.media.errors import DamagedError, MediaError
from framegate.media.pictures.jpeg_file import decode_jpeg_file
from framegate.media.pictures.orientation import turned_by_exif
from framegate.media.pictures.picture_formats import PictureFormat, open_file, read_format
from framegate.media.pictures.pillow_rgb import in_srgb, rgb_image
from framegate.media.pictures.scaling import scaled
from framegate.media.visible import visible

_PLUGINS = AvifImagePlugin, TiffImagePlugin, WebPImagePlugin  # else Pillow loads all it has, to find these

_NOT_SHOWN = 10.0  # milliseconds: browsers, too, take what is shown so shortly for an unset time,
_USUAL = 0.1  # and show it for this many seconds
_PAGE_SECONDS = 1.0  # pages of a TIFF have no times: one a second, as the pictures of a folder
_NEW_SUBFILE_TYPE, _SMALLER_OR_MASK = 254, 0b101


class UnknownPictureError(MediaError):
    """The file is no picture that Pillow opens here; ``format`` says what it is, where that is known."""

    def __init__(self, what: str, format: PictureFormat | None = None) -> None:
        super().__init__(what)
        self.format = format


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One picture of a file.

    Attributes:
        start, end: seconds at which it is shown, and the next one is.
        paint: decodes it to (H, W, 3) RGB uint8, upright; may be called until the next picture is asked for. Raises
            `MediaError`.
    """

    start: float
    end: float
    paint: Callable[[], np.ndarray]


def read_pictures(
    path: Path, *, size: int | None, max_pixels: int, check: Callable[[], None] = lambda: None
) -> Generator[ShownPicture]:
    """Yield the pictures of a file in order: one, those of an animation at their times, or the pages of a TIFF.

    An animation is taken once, whatever it says about repetitions. Of JPEG files with several pictures (MPO, photos
    with a depth map) only the first, the photo, is taken.

    Args:
        path: the file.
        size: short side in pixels of what is painted; smaller pictures stay as they are. None: all do.
        max_pixels: width × height above which nothing is decoded.
        check: called before each picture; what it raises ends the reading.

    Raises:
        UnknownPictureError: the file is none of these pictures.
        MediaError: it is damaged, or over the limit.
    """
    with open_file(path) as file:
        found = read_format(file)
        if found is None or found == "HEIC":
            raise UnknownPictureError("not a picture that is known here", found)
        if found == "JPEG":
            data = file.read()
            yield ShownPicture(0.0, _USUAL, lambda: _paint_jpeg(data, size=size, max_pixels=max_pixels))
        else:
            yield from _pillow_pictures(file, found, size=size, max_pixels=max_pixels, check=check)


def read_picture(path: Path, *, size: int | None, max_pixels: int) -> np.ndarray:
    """Return the first picture of a file as (H, W, 3) RGB uint8; arguments and errors are those of `read_pictures`."""
    with closing(read_pictures(path, size=size, max_pixels=max_pixels)) as pictures:
        return next(pictures).paint()


def _paint_jpeg(data: bytes, *, size: int | None, max_pixels: int) -> np.ndarray:
    with _reasons(), Image.open(BytesIO(data), formats=["JPEG"]) as image:
        _require_size(image, max_pixels)
        pixels = decode_jpeg_file(data, image, size=size, max_pixels=max_pixels)
        return turned_by_exif(pixels, _orientation(image))


def _pillow_pictures(
    file: BinaryIO, found: PictureFormat, *, size: int | None, max_pixels: int, check: Callable[[], None]
) -> Iterator[ShownPicture]:
    with _reasons():
        image = Image.open(file, formats=[found])
    _require_size(image, max_pixels)
    start, taken = 0.0, 0
    for number in count(getattr(image, "default_image", False)):  # which an animated PNG has for those who show no more
        check()
        with _reasons():
            if not _sought(image, number):
                break
            _require_size(image, max_pixels)
            if found == "TIFF" and _is_no_page(image):
                continue
            if found in ("AVIF", "WEBP"):
                image.load()  # tells the duration
        seconds = _PAGE_SECONDS if found == "TIFF" else _seconds(image.info.get("duration"))
        yield ShownPicture(start, start + seconds, lambda: _paint(image, size))
        start, taken = start + seconds, taken + 1
    if found == "GIF" and taken and not _ends(file):
        raise DamagedError(f"cut off after {taken} pictures")
    if not taken:
        raise MediaError("only thumbnails in it, as in the raw files of cameras; convert it to JPEG")


def _sought(image: Image.Image, number: int) -> bool:
    """Go to picture ``number``; False at the end."""
    stated = None if image.format in ("GIF", "TIFF") else getattr(image, "n_frames", 1)  # these two would count them
    if number == stated:
        return False
    try:
        image.seek(number)
    except EOFError:
        if stated is None:
            return False
        raise DamagedError(f"cut off after {number} of {stated} pictures") from None
    return True


def _ends(file: BinaryIO) -> bool:
    """Tell whether a GIF's reader stopped at the mark of the end, not at the end of the file."""
    file.seek(-1, os.SEEK_CUR)
    return file.read(1) == b";"


def _is_no_page(image: Image.Image) -> bool:
    kind = getattr(image, "tag_v2", {}).get(_NEW_SUBFILE_TYPE, 0)
    return isinstance(kind, int) and bool(kind & _SMALLER_OR_MASK)


def _paint(image: Image.Image, size: int | None) -> np.ndarray:
    with _reasons():
        image.load()  # of a TIFF, Pillow itself turns the picture then
        pixels = in_srgb(scaled(np.asarray(rgb_image(image)), size), image)
        return turned_by_exif(pixels, _orientation(image))


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # its parser raises anything at all on broken data, and the picture is whole
        return None


def _seconds(milliseconds: object) -> float:
    is_set = isinstance(milliseconds, int | float) and _NOT_SHOWN < milliseconds < inf
    return float(milliseconds) / 1000 if is_set else _USUAL  # type: ignore[arg-type]


def _require_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise MediaError(
            f"a picture of {image.width} × {image.height} pixels: over the limit of {max_pixels} (max_pixels)"
        )


@contextmanager
def _reasons() -> Iterator[None]:
    """Mute Pillow's warnings, and raise as `MediaError` whatever its parsers raise on a broken file.

    These are OSError and ValueError, but SyntaxError, struct.error, KeyError and others as well.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (MediaError, MemoryError):
            raise
        except UnidentifiedImageError:
            raise DamagedError("damaged: its header cannot be read") from None
        except Image.DecompressionBombError as error:  # before its size is known here
            pixels = str(error).partition("(")[2].partition(" ")[0]
            raise MediaError(f"a picture of {pixels} pixels: over Pillow's own limit; scale it down") from None
        except Exception as error:
            raise DamagedError(f"damaged: {visible(error)[:150] or type(error).__name__}") from None
