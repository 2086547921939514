"""Read the frames of a video stream that are shown at given times, and decode as little as possible.

Reading packets is a thousand times cheaper than decoding them. So for each target the reader looks ahead, in compressed
form, until it knows which frame is shown then and which keyframe that frame hangs on. From there on it

- jumps, where the index knows a keyframe before the target that lies further away than reading on is worth,
- drops what comes before the last keyframe that the target needs,
- has the decoder skip frames that no other frame refers to, unless they are wanted,
- decodes the rest, and where the next target hangs on a later keyframe, gives the decoder nothing after the frame that
  is wanted, but has it hand out what it holds back.

No index, duration or frame rate has to be right, or there. Where packets carry no timestamps, or the shortcuts do not
lead to the promised frame, everything is decoded in order and frames are taken as they come.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

import av

from framegate.media.decoding.alpha_decoder import decoder_of
from framegate.media.decoding.clock import FrameStamps, StreamClock
from framegate.media.decoding.packets import Deadline, Packet, PacketQueue, PacketSource

_HELD_BACK = 256  # more packets than any decoder holds back


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame and its second in the source, counted from the source's beginning.

    Attributes:
        time: the second.
        frame: the frame.
        aspect: width of its pixels over their height as its stream says at that time; None where it does not say.
    """

    time: float
    frame: av.VideoFrame
    aspect: float | None = None


class _Stamped(NamedTuple):
    stamp: int
    frame: av.VideoFrame
    aspect: float | None


class StreamReader:
    """Base of the readers, which take frames from one stream of an open container in order of time.

    Args:
        container: from `open_media`.
        stream: one of its streams.
        deadline: when to stop; None: never.

    Attributes:
        damage: FFmpeg's messages about packets that do not decode, or decode with errors.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        *,
        deadline: Deadline | None = None,
    ) -> None:
        self.damage: list[str] = []
        self._context = decoder_of(stream)
        self._aspect = stream.sample_aspect_ratio
        self._aspect_may_change = self._aspect == self._context.sample_aspect_ratio  # the container states no other
        self._clock = StreamClock(container, stream)
        self._source = PacketSource(container, stream, deadline or Deadline(), damage=self.damage)

    @property
    def end(self) -> float | None:
        """Second at which the stream ends, once its end has been reached; None before."""
        stamp = self._source.end_stamp
        if stamp is None and self._source.ended:  # packets without timestamps are frames one after another
            stamp = self._source.untimed * self._clock.frame_ticks
        return None if stamp is None else self._clock.seconds(stamp)

    @property
    def begin(self) -> float | None:
        """Second at which the stream's first frame is shown, whether or not it decodes; None where it does not say."""
        stamp = self._source.first_stamp
        return None if stamp is None else self._clock.seconds(stamp)

    def _aspect_now(self) -> float | None:
        """Return the shape of pixels that the container states, or failing that the packet decoded last."""
        aspect = self._context.sample_aspect_ratio if self._aspect_may_change else self._aspect
        return float(aspect) if aspect else None


class ExactReader(StreamReader):
    """Reads the frames that are shown at given times."""

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        *,
        deadline: Deadline | None = None,
    ) -> None:
        super().__init__(container, stream, deadline=deadline)
        self._packets = PacketQueue(self._source, intra_only=stream.codec_context.codec.intra_only)
        self._in_order = only_decoding_times(container, stream)
        self._stamps = FrameStamps(doubt=int(self._in_order))
        self._aspects: dict[int | None, float | None] = {}  # by packets' timestamps
        self._decoded: deque[_Stamped] = deque()
        self._shown: _Stamped | None = None
        self._ended = False
        self._emptied = False  # of all it held: only a keyframe can come next
        self._leapt = False  # what is decoded now began at a keyframe that was skipped to
        self._trusted = False  # such a beginning has led to the promised frame before

    @property
    def end(self) -> float | None:
        """Second at which the stream ends, once its end has been reached; None before."""
        if self._in_order and self._ended and self._shown is not None:  # packets may have no timestamps
            return self._clock.seconds(self._end_of(self._shown))
        return super().end

    def frames_at(self, times: Iterable[float]) -> Iterator[tuple[float, TimedFrame]]:
        """Yield (time asked for, frame shown at it) for each of ``times`` (seconds, ascending).

        For times before the first frame the first one is taken; times after the end of the last frame are left out.
        """
        for time, following in pairwise(chain(times, [None])):
            assert time is not None
            shown = self._shown_at(self._clock.stamp(time), None if following is None else self._clock.stamp(following))
            if shown is None:
                return
            yield time, TimedFrame(self._clock.seconds(shown.stamp), shown.frame, shown.aspect)

    def _shown_at(self, target: int, following: int | None) -> _Stamped | None:
        known = len(self.damage)
        self._go_back_if_emptied(target)
        target = self._aim(target)
        promised = self._prepare(target)
        if promised is not None and self._is_over(target):
            return None
        shown = self._decode_until(target, following, promised)
        if promised is not None and (shown is None or shown[0] != promised):
            shown = self._instead(target, shown, damaged=len(self.damage) > known)
        elif promised is not None:
            self._trusted = self._trusted or self._leapt
        over = shown is not None and self._is_last(shown[0]) and target >= self._end_of(shown)
        return None if over else shown

    def _aim(self, target: int) -> int:
        """Return the tick whose frame is taken for ``target``: the same one."""
        return target

    def _go_back_if_emptied(self, target: int) -> None:
        """Begin anew where the decoder has been emptied, and yet nothing that it needs for ``target`` lies ahead."""
        if self._emptied and not self._packets.gap and not self._source.lies_far(target):
            self._source.rewind()
            self._packets.clear()

    def _prepare(self, target: int) -> int | None:
        """Skip what ``target`` does not need; the timestamp of the frame shown then, None if packets do not tell."""
        if not self._in_order:
            self._in_order = not self._packets.skip_to(target)
        if self._packets.gap:
            self._empty_decoder()
            self._leapt = True
        return None if self._in_order else self._packets.stamp_shown_at(target)

    def _decode_until(self, target: int, following: int | None, promised: int | None) -> _Stamped | None:
        """Decode until the frame shown at ``target`` is there, which is the ``promised`` one where that is known."""
        last_needed = promised is not None and not self._packets.holds(promised)  # is in the decoder
        while True:
            while self._decoded and (self._shown is None or self._decoded[0][0] <= target):
                self._shown = self._decoded.popleft()
            if self._shown is not None and (self._decoded or self._shown[0] >= target or self._shown[0] == promised):
                return self._shown
            if self._ended or self._emptied:
                return self._shown
            if last_needed and self._leaves_decoder(following):
                self._take_rest()
            else:
                packet = self._decode_packet(promised)
                last_needed = promised is not None and packet.pts == promised

    def _leaves_decoder(self, following: int | None) -> bool:
        """Tell whether the next target needs no frame that the decoder holds or has decoded."""
        if following is None or self._source.lies_far(following):
            return True
        following = self._aim(following)
        if not self._in_order:
            self._in_order = not self._packets.skip_to(following)
        return self._packets.gap

    def _instead(self, target: int, shown: _Stamped | None, *, damaged: bool) -> _Stamped | None:
        """Return a substitute for a promised frame that did not come: after damaged packets, the nearest good frame."""
        if not (damaged and self._trusted):
            self._start_over()
            return self._decode_until(target, None, None)
        if shown is None and self._packets.gap:
            self._empty_decoder()
        return shown or self._decode_until(target, None, None)

    def _decode_packet(self, wanted_from: int | None) -> Packet:
        """Decode one more packet; of frames before ``wanted_from`` only those that others refer to."""
        packet = self._packets.next()
        self._ended = packet.size == 0
        skippable = wanted_from is not None and packet.pts is not None and packet.pts < wanted_from
        self._context.skip_frame = "NONREF" if skippable else "DEFAULT"
        self._decode(packet)
        return packet

    def _take_rest(self) -> None:
        """Take what the decoder still holds, after which it begins anew at a keyframe."""
        self._decode(None)
        self._context.flush_buffers()
        self._emptied = True

    def _decode(self, packet: Packet | None) -> None:
        try:
            frames = self._context.decode(packet)
        except av.FFmpegError as error:
            self.damage.append(error.strerror or str(error))
            return
        if packet is not None:
            self._aspects[packet.pts] = self._aspect_now()
        for frame in frames:
            self._take(frame)
        if len(self._aspects) > _HELD_BACK:
            self._aspects.clear()

    def _take(self, frame: av.VideoFrame) -> None:
        last = self._decoded[-1] if self._decoded else self._shown
        stamp = self._stamps.best(frame)
        if stamp is None:
            stamp = 0 if last is None else last[0] + self._clock.frame_ticks
        if frame.is_corrupt:
            self.damage.append("corrupt frame")
        elif last is None or stamp > last[0]:
            aspect = self._aspects.pop(frame.pts, None) or self._aspect_now()
            self._decoded.append(_Stamped(stamp, frame, aspect))

    def _is_over(self, target: int) -> bool:
        """Tell whether all packets have been read, and nothing is shown at ``target`` any more."""
        last, end = self._packets.last_stamp, self._source.end_stamp
        return last is not None and end is not None and target >= max(end, last + self._clock.frame_ticks)

    def _is_last(self, stamp: int) -> bool:
        return stamp == self._packets.last_stamp or (self._ended and not self._decoded)

    def _end_of(self, shown: _Stamped) -> int:
        lasts = shown[0] + max(int(shown[1].duration), self._clock.frame_ticks)
        return max(lasts, self._source.end_stamp or lasts)  # packets without data may have made it last longer

    def _empty_decoder(self) -> None:
        self._context.flush_buffers()
        self._decoded.clear()
        self._shown = None
        self._ended = self._emptied = self._packets.gap = False

    def _start_over(self) -> None:
        """Give up the shortcuts: decode all of the stream in order from its beginning."""
        self._in_order = True
        self._source.rewind()
        self._packets.clear()
        self._empty_decoder()


def only_decoding_times(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    """Tell whether packets say when they are decoded, while frames are shown in another order: AVI with B-frames."""
    return container.format.name == "avi" and stream.codec_context.has_b_frames
