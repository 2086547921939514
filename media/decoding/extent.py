"""When a stream ends: as its header states, and as its packets show."""

from contextlib import suppress
from pathlib import Path
from typing import cast

import av

from framegate.media.decoding.clock import StreamClock
from framegate.media.decoding.packets import Deadline, PacketSource, stamp_of
from framegate.media.decoding.source import open_media
from framegate.media.errors import MediaError
from framegate.media.options import MAX_PIXELS


def stated_end(container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream) -> float | None:
    """Return the end that the file states for ``stream``, in seconds since its beginning; None if it states none."""
    clock = StreamClock(container, stream)
    if stream.duration and stream.duration > 0:
        return clock.seconds((stream.start_time or 0) + stream.duration)
    if container.duration and container.duration > 0:
        return float(container.duration / av.time_base)
    return None


def measured_end(path: Path, index: int, deadline: Deadline, *, max_pixels: int = MAX_PIXELS) -> float:
    """Return the end of the last packet of stream ``index`` of a file, in seconds since the file's beginning.

    Reads the packets from the last keyframe before the stated end, or all packets if that finds nothing.
    """
    found: float | None = None
    with suppress(MediaError):  # of a broken file no place may be reached but the beginning, which an opening leads to
        found = _last_end(path, index, deadline, near_end=True, max_pixels=max_pixels)
    return found or _last_end(path, index, deadline, near_end=False, max_pixels=max_pixels) or 0.0


def _last_end(path: Path, index: int, deadline: Deadline, *, near_end: bool, max_pixels: int) -> float | None:
    with open_media(path, max_pixels=max_pixels) as container:
        stream = cast(av.VideoStream | av.AudioStream, container.streams[index])
        clock = StreamClock(container, stream)
        source = PacketSource(container, stream, deadline)
        stated = stated_end(container, stream)
        if near_end and stated is not None:
            source.seek(clock.stamp(stated))
        end = _last_stamp(source, clock)
    return None if end is None else clock.seconds(end)


def _last_stamp(source: PacketSource, clock: StreamClock) -> int | None:
    end: int | None = None
    count = 0
    while (packet := source.read()).size:
        stamp = stamp_of(packet)
        count += 1
        if stamp is not None:
            end = max(end or stamp, stamp + (packet.duration or clock.frame_ticks))
    return end or count * clock.frame_ticks or None  # packets without timestamps are frames one after another
