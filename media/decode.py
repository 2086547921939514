"""The frames of a video stream that are shown at given times, decoding as little as that takes.

Reading packets is a thousand times cheaper than decoding them. So for each target the reader looks ahead, in compressed
form, until it knows which frame is shown then and which keyframe that frame hangs on. From there on it

- jumps, where the index knows a keyframe before the target that lies further away than reading on is worth,
- drops what comes before the last keyframe that the target needs,
- has the decoder skip frames that no other frame refers to, unless they are wanted,
- and decodes the rest.

No index, duration or frame rate has to be right, or there. Where packets carry no timestamps, or the shortcuts do not
lead to the promised frame, everything is decoded in order and frames are taken as they come.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import av

from framegate.media.clock import FrameStamps, StreamClock
from framegate.media.packets import Deadline, PacketQueue, PacketSource


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame and its second in the source, counted from the source's beginning."""

    time: float
    frame: av.VideoFrame


class ExactReader:
    """Takes frames from one stream of an open container, each target later than the last.

    Attributes:
        damage: what FFmpeg said about packets that do not decode, or decode with errors.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        *,
        deadline: Deadline | None = None,
    ) -> None:
        self.damage: list[str] = []
        self._context = stream.codec_context
        self._clock = StreamClock(container, stream)
        self._source = PacketSource(container, stream, deadline or Deadline())
        self._packets = PacketQueue(self._source)
        only_decoding_times = container.format.name == "avi" and stream.codec_context.has_b_frames
        self._in_order = only_decoding_times
        self._stamps = FrameStamps(doubt=int(only_decoding_times))
        self._decoded: deque[tuple[int, av.VideoFrame]] = deque()
        self._shown: tuple[int, av.VideoFrame] | None = None
        self._ended = False

    @property
    def end(self) -> float | None:
        """Second at which the stream ends, once its end has been reached."""
        stamp = self._source.end_stamp
        return None if stamp is None else self._clock.seconds(stamp)

    def frames_at(self, times: Iterable[float]) -> Iterator[tuple[float, TimedFrame]]:
        """The frame shown at each of ``times`` (seconds, ascending), as (asked, frame).

        Before the first frame the first one stands in; times after the end of the last frame are left out.
        """
        for time in times:
            shown = self._shown_at(self._clock.stamp(time))
            if shown is None:
                return
            yield time, TimedFrame(self._clock.seconds(shown[0]), shown[1])

    def _shown_at(self, target: int) -> tuple[int, av.VideoFrame] | None:
        promised = None if self._in_order else self._prepare(target)
        shown = self._decode_until(target, promised)
        if promised is not None and (shown is None or shown[0] != promised):
            self._start_over()
            shown = self._decode_until(target, None)
        over = shown is not None and self._is_last(shown[0]) and target >= self._end_of(shown)
        return None if over else shown

    def _prepare(self, target: int) -> int | None:
        """Skip what ``target`` does not need; the timestamp of the frame shown then, None if packets do not tell."""
        if self._source.jump(target):
            self._packets.clear()
            self._empty_decoder()
        if not self._packets.look_ahead(target):
            self._in_order = True
            return None
        if self._packets.drop_before_keyframe(target):
            self._empty_decoder()
        return self._packets.stamp_shown_at(target)

    def _decode_until(self, target: int, promised: int | None) -> tuple[int, av.VideoFrame] | None:
        while True:
            while self._decoded and (self._shown is None or self._decoded[0][0] <= target):
                self._shown = self._decoded.popleft()
            if self._shown is not None and (self._decoded or self._shown[0] >= target or self._shown[0] == promised):
                return self._shown
            if self._ended:
                return self._shown
            self._decode_packet(promised)

    def _decode_packet(self, wanted_from: int | None) -> None:
        """Decode one more packet; of frames before ``wanted_from`` only those that others refer to."""
        packet = self._packets.next()
        self._ended = packet.size == 0
        skippable = wanted_from is not None and packet.pts is not None and packet.pts < wanted_from
        self._context.skip_frame = "NONREF" if skippable else "DEFAULT"
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            self.damage.append(error.strerror or str(error))
            return
        for frame in frames:
            self._take(frame)

    def _take(self, frame: av.VideoFrame) -> None:
        last = self._decoded[-1] if self._decoded else self._shown
        stamp = self._stamps.best(frame)
        if stamp is None:
            stamp = 0 if last is None else last[0] + self._clock.frame_ticks
        if frame.is_corrupt:
            self.damage.append("corrupt frame")
        elif last is None or stamp > last[0]:
            self._decoded.append((stamp, frame))

    def _is_last(self, stamp: int) -> bool:
        return stamp == self._packets.last_stamp or (self._ended and not self._decoded)

    def _end_of(self, shown: tuple[int, av.VideoFrame]) -> int:
        return shown[0] + max(shown[1].duration, self._clock.frame_ticks)

    def _empty_decoder(self) -> None:
        self._context.flush_buffers()
        self._decoded.clear()
        self._shown = None
        self._ended = False

    def _start_over(self) -> None:
        """Give up the shortcuts: decode all of the stream in order from its beginning."""
        self._in_order = True
        self._source.rewind()
        self._packets.clear()
        self._empty_decoder()
