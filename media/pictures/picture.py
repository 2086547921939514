"""Decoded frames as they are meant to be seen: square pixels, upright, no combs, RGB."""

import math
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from framegate.media.errors import MediaError
from framegate.media.pictures.colour_coding import UNTAGGED, ColourTags, to_full_range
from framegate.media.pictures.conversion import Conversion, conversion
from framegate.media.pictures.dolby_vision import refuse_dolby_vision_5
from framegate.media.pictures.jpeg import MAX_STORED_PIXELS
from framegate.media.pictures.transparency import over_background

_ONE = 1 << 16  # of a display matrix
_LEVEL = 1.0  # degrees of slant that nobody sees
_OPAQUE = 255


class FramePainter:
    """Turns the frames of one stream into RGB arrays.

    Args:
        aspect: width of a pixel over its height; None or 0 where the file does not say.
        size: short side in pixels of what comes out; smaller frames stay as they are. None: the frame as it is coded.
        tags: how the container says colours are coded, for frames that do not say.
        spare_alpha: take an alpha of zeros alone for an unused byte, and the frame for opaque.

    Raises:
        MediaError: on painting, a frame that would have more than `MAX_STORED_PIXELS` pixels, or colours in a coding
            that is not supported.
    """

    def __init__(
        self,
        *,
        aspect: float | None = None,
        size: int | None = None,
        tags: ColourTags = UNTAGGED,
        spare_alpha: bool = False,
    ) -> None:
        self._aspect = aspect or 1.0
        self._size = size
        self._tags = tags
        self._spare_alpha = spare_alpha
        self._scaler = VideoReformatter()  # keeps its tables from frame to frame

    @classmethod
    def of_stream(cls, stream: av.VideoStream, *, size: int | None = None) -> "FramePainter":
        """Return the painter for a stream, made before its first frame is decoded, by what the container says."""
        return cls(
            aspect=float(stream.sample_aspect_ratio or 1),
            size=size,
            tags=ColourTags.of_stream(stream),
            spare_alpha=stream.container.format.name == "avi",  # its 32-bit RGB has a byte that many leave at 0
        )

    def paint(self, frame: av.VideoFrame, *, aspect: float | None = None) -> np.ndarray:
        """Return the frame as (H, W, 3) RGB uint8, rotated and mirrored as its display matrix says.

        Colours are sRGB: HDR and wide gamuts are mapped to it, and what is transparent lies over `BACKGROUND`.

        Args:
            frame: from a decoder.
            aspect: of this frame's pixels, where it is not that of the stream.
        """
        if self._size is None:
            return self._shown(self._rgb(frame, frame.width, frame.height), frame)
        width, height = _fit(frame.width * (aspect or self._aspect), frame.height, self._size)
        if width * height > MAX_STORED_PIXELS:  # a file may state any shape of its pixels
            raise MediaError(
                f"pictures of {width} × {height} pixels, as their shape is stated: more than can be stored"
            )
        if frame.interlaced_frame and height > frame.height // 2:
            picture = _one_field(self._rgb(frame, width, frame.height), height)
        else:  # at half the height or less scaling blends the two fields anyway
            picture = self._rgb(frame, width, height)
        return self._shown(picture, frame)

    def _shown(self, picture: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
        return turned(upright(picture, display_matrix(frame)), slant(frame))

    def _rgb(self, frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
        how = conversion(frame.format.name, frame.width, frame.height, ColourTags.of(frame), self._tags)
        if how.is_deep:
            refuse_dolby_vision_5(frame)
        if how.has_alpha and (blended := self._blended(frame, how)) is not None:
            return self._scaled(blended, width, height, "rgb24")
        if how.to_screen is not None:
            return how.to_screen(self._read(frame, how, width, height, "rgb48le"))
        return self._read(frame, how, width, height, "rgb24")

    def _blended(self, frame: av.VideoFrame, how: Conversion) -> av.VideoFrame | None:
        """Return the frame over the background, before scaling mixes in colours of what is invisible.

        None where all of it is opaque.
        """
        layer = self._read(frame, how, frame.width, frame.height, "rgba")
        alpha = layer[..., 3]
        if alpha.min() == _OPAQUE or (self._spare_alpha and not alpha.any()):
            return None
        rgb = layer[..., :3]
        if how.to_screen is not None:
            rgb = how.to_screen(self._read(frame, how, frame.width, frame.height, "rgb48le"))
        return av.VideoFrame.from_ndarray(over_background(rgb, alpha), format="rgb24")

    def _read(self, frame: av.VideoFrame, how: Conversion, width: int, height: int, form: str) -> np.ndarray:
        picture = self._scaled(frame, width, height, form, matrix=how.matrix)
        if how.is_grey and frame.color_range == ColorRange.MPEG:
            return to_full_range(picture)  # FFmpeg takes all greys for full-range ones
        return picture

    def _scaled(
        self, frame: av.VideoFrame, width: int, height: int, form: str, *, matrix: Colorspace | None = None
    ) -> np.ndarray:
        scaled = self._scaler.reformat(
            frame, width=width, height=height, format=form, src_colorspace=matrix, interpolation="AREA", threads=1
        )
        return scaled.to_ndarray()


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return (a, b, c, d) of the map from coded to shown coordinates: x' = a·x + c·y, y' = b·x + d·y.

    Angles are rounded to the nearest quarter turn; `slant` returns the rest.
    """
    a, b, c, d = _matrix(frame)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1), 0, 0, (-1 if d < 0 else 1)
    return 0, (-1 if b < 0 else 1), (-1 if c < 0 else 1), 0


def slant(frame: av.VideoFrame) -> float:
    """Return the clockwise angle of the display matrix beyond quarter turns, −45 to 45 degrees; 0 with a mirror."""
    a, b, c, d = _matrix(frame)
    if a * d - b * c <= 0:
        return 0.0
    degrees = math.degrees(math.atan2(b, a))
    return degrees - 90 * round(degrees / 90)


def _matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside what PyAV does not know, as the EXIF data of cameras, it gives nothing but the angle
        angle = math.radians(-frame.rotation)
        a, b = round(math.cos(angle) * _ONE), round(math.sin(angle) * _ONE)
        return a, b, -b, a
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(cast(Any, data), np.int32)[:5].tolist()
    return a, b, c, d


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Return ``picture`` (H, W, 3) rotated clockwise about its centre, at its size, with black corners as in FFmpeg."""
    if abs(degrees) <= _LEVEL:
        return picture
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    rotated: np.ndarray = cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_LINEAR)
    return rotated


def upright(picture: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Return ``picture`` (H, W, 3) rotated by quarter turns and mirrored by a `display_matrix`; contiguous."""
    a, b, c, d = matrix
    if b and c:
        picture = picture.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    return np.ascontiguousarray(picture[:: -1 if flip_y else 1, :: -1 if flip_x else 1])


def encode_jpeg(rgb: np.ndarray, quality: int) -> bytes:
    """Encode an RGB picture (H, W, 3) uint8 as JPEG.

    Args:
        rgb: the picture.
        quality: 1 to 100.

    Raises:
        MediaError: the picture cannot be encoded: it has no pixels, or too many.
    """
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise MediaError(f"a picture of shape {rgb.shape} cannot be a JPEG")
    return data.tobytes()


def _fit(width: float, height: float, size: int) -> tuple[int, int]:
    factor = min(1.0, size / min(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _one_field(picture: np.ndarray, height: int) -> np.ndarray:
    """Every second line, stretched to ``height``: a single moment, without combs."""
    field: np.ndarray = cv2.resize(picture[::2], (picture.shape[1], height), interpolation=cv2.INTER_LINEAR)
    return field
