"""Tell Dolby Vision profile 5, whose colours no other screen can show as they are."""

import struct
from typing import Any, cast

import av

from framegate.media.errors import MediaError

_HEAD = struct.Struct("@N")  # of FFmpeg's AVDOVIMetadata: where the header of the frame's metadata begins
_PROFILE, _FULL_RANGE = 4, 10  # bytes of that header (AVDOVIRpuDataHeader): vdr_rpu_profile, bl_video_full_range_flag


def refuse_dolby_vision_5(frame: av.VideoFrame) -> None:
    """Raise `MediaError` if the frame is coded as Dolby Vision's profile 5 (IPT), which looks green and purple.

    Other profiles hold plain HDR10, HLG or SDR, and are read as that.
    """
    data = frame.side_data.get("DOVI_METADATA")
    if data is None:
        return
    metadata = bytes(cast(Any, data))
    (at,) = _HEAD.unpack_from(metadata)
    if len(metadata) > at + _FULL_RANGE and metadata[at + _PROFILE] == 0 and metadata[at + _FULL_RANGE]:
        raise MediaError("Dolby Vision profile 5 is not supported: convert the video to HDR10 or SDR")
