"""How the numbers of decoded frames stand for colours: matrix, primaries and transfer, guessed where no tag says.

The numbers are those of ITU-T H.273, which FFmpeg, containers and bitstreams share.
"""

from enum import IntEnum
from functools import cache
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import Colorspace

from framegate.media.errors import MediaError


class Transfer(IntEnum):
    """Transfers of which a picture must be mapped to be seen, and those that only come with BT.2020."""

    LINEAR = 8
    BT2020_10 = 14
    BT2020_12 = 15
    PQ = 16
    HLG = 18


class Primaries(IntEnum):
    """BT.709's primaries, and those far enough from them to be seen."""

    BT709 = 1
    BT2020 = 9
    DCI_P3 = 11
    DISPLAY_P3 = 12


UNKNOWN = 2

_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,  # constant luminance: read as the usual kind, which is near
}
_BT601 = 5
_UNREADABLE = {8: "YCgCo", 11: "Y'D'zD'x", 14: "ICtCp", 15: "IPT", 16: "YCgCo-R", 17: "YCgCo-R"}
_BT2020_MATRICES = frozenset([9, 10])
_BT2020_TRANSFERS = frozenset([Transfer.PQ, Transfer.HLG, Transfer.BT2020_10, Transfer.BT2020_12])
_PAL_HEIGHT, _HD_WIDTH = 576, 1280


class ColourTags(NamedTuple):
    """Tags of a stream or a frame, as numbers of H.273; `UNKNOWN` where it does not say."""

    matrix: int = UNKNOWN
    primaries: int = UNKNOWN
    transfer: int = UNKNOWN

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "ColourTags":
        """Return the tags of a frame."""
        return cls(frame.colorspace, frame.color_primaries, frame.color_trc)

    @classmethod
    def of_stream(cls, stream: av.VideoStream) -> "ColourTags":
        """Return the tags in a stream's container, before its first frame is decoded: that overwrites them."""
        context = stream.codec_context
        matrix = _BT601 if context.name == "vp8" else context.colorspace  # VP8 has no other
        return cls(matrix, context.color_primaries, context.color_trc)

    def or_else(self, other: "ColourTags") -> "ColourTags":
        """Return these tags, and those of ``other`` where these do not say."""
        return ColourTags(*(theirs if own == UNKNOWN else own for own, theirs in zip(self, other, strict=True)))

    @property
    def likely_primaries(self) -> int:
        """The primaries, where they are not said those that belong to the matrix and the transfer."""
        if self.primaries != UNKNOWN:
            return self.primaries
        is_2020 = self.matrix in _BT2020_MATRICES or self.transfer in _BT2020_TRANSFERS
        return Primaries.BT2020 if is_2020 else Primaries.BT709


UNTAGGED = ColourTags()


def yuv_matrix(tags: ColourTags, width: int, height: int) -> Colorspace:
    """Return the matrix by which Y'CbCr of a picture of ``width`` × ``height`` pixels becomes RGB.

    Where no tag says, BT.2020 primaries or transfers mean BT.2020; else, as in players, a picture wider than 1279 or
    higher than 576 pixels is BT.709, and a smaller one BT.601.

    Raises:
        MediaError: a matrix that FFmpeg's scaler does not know; what it would make of it has other colours.
    """
    if tags.matrix in _UNREADABLE:
        raise MediaError(f"colours in {_UNREADABLE[tags.matrix]} are not supported: convert the video to Y'CbCr")
    if tags.matrix in _MATRICES:
        return _MATRICES[tags.matrix]
    if tags.likely_primaries == Primaries.BT2020:
        return Colorspace.BT2020
    return Colorspace.ITU709 if width >= _HD_WIDTH or height > _PAL_HEIGHT else Colorspace.ITU601


def to_full_range(picture: np.ndarray) -> np.ndarray:
    """Return ``picture`` (uint8 or uint16) with its black, 16/255, at 0, and its white, 235/255, at the highest."""
    stretched: np.ndarray = _full_range_table(picture.dtype)[picture]
    return stretched


@cache
def _full_range_table(kind: np.dtype) -> np.ndarray:
    top = np.iinfo(kind).max
    share = (np.arange(top + 1) * 255 / top - 16) / 219
    return np.round(top * np.clip(share, 0, 1)).astype(kind)
