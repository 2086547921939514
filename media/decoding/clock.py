"""Time in a stream: ticks and seconds, and the choice between a frame's two timestamps."""

from math import floor

import av

from framegate.media.errors import DamagedError


class StreamClock:
    """Converts between a stream's ticks and seconds since the source's beginning.

    Attributes:
        frame_ticks: ticks that a frame lasts where nothing better is known; 1 for audio.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream) -> None:
        if stream.time_base is None:
            raise DamagedError("a stream does not tell how long its ticks are")
        self._tick = float(stream.time_base)
        self._origin: float = (container.start_time or 0) / av.time_base
        rate = stream.average_rate if isinstance(stream, av.VideoStream) else None
        self.frame_ticks = max(1, round(1 / rate / stream.time_base)) if rate else 1

    def stamp(self, time: float) -> int:
        """Return the last tick at or before ``time`` seconds; of `seconds` of a tick it returns that tick."""
        return floor((time + self._origin + 1e-6) / self._tick)

    def seconds(self, stamp: int) -> float:
        """Return the time of tick ``stamp``, in seconds since the source's beginning."""
        return stamp * self._tick - self._origin


class FrameStamps:
    """Picks the timestamp that makes sense, by the rule of FFmpeg's ``best_effort_timestamp``.

    Where presentation times have run backwards more often than decoding times, as in files that store only the latter,
    decoding times count.

    Args:
        doubt: how often presentation times count as having run backwards already.
    """

    def __init__(self, *, doubt: int = 0) -> None:
        self._last_pts: int = -(1 << 63)
        self._last_dts: int = -(1 << 63)
        self._bad_pts, self._bad_dts = doubt, 0

    def best(self, frame: av.VideoFrame) -> int | None:
        """Return the timestamp of the next frame, in ticks; None if it has none."""
        pts: int | None = frame.pts
        dts: int | None = frame.dts
        if dts is not None:
            self._bad_dts += dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._bad_pts += pts <= self._last_pts
            self._last_pts = pts
        return pts if pts is not None and (self._bad_pts <= self._bad_dts or dts is None) else dts
