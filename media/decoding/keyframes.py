"""Read the keyframes nearest to given times; no other frame is decoded."""

from collections.abc import Iterable, Iterator

import av

from framegate.media.decoding.decode import StreamReader, TimedFrame
from framegate.media.decoding.packets import Packet, stamp_of

_STANDSTILL = 10_000  # times in a row that belong to one keyframe: the next one's timestamp cannot be right


class KeyframeReader(StreamReader):
    """Reads the keyframes that are nearest to given times."""

    _known = False  # where the first keyframe is

    def frames_at(self, times: Iterable[float]) -> Iterator[tuple[float, TimedFrame]]:
        """Yield (time asked for, nearest keyframe) for each of ``times`` (seconds, ascending), each keyframe once.

        Times after the end of the last frame are left out. A keyframe that does not decode is left out.
        """
        before: Packet | None = None
        after = self._next_keyframe(None)
        decoded: Packet | None = None
        still = 0
        for time in times:
            target = self._clock.stamp(time)
            while after is not None and _stamp(after) < target:
                before, after = after, self._next_keyframe(target)
            nearest = min(
                (key for key in (before, after) if key), key=lambda key: abs(_stamp(key) - target), default=None
            )
            if nearest is not None and after is None and target >= self._over_at(nearest):
                return
            if nearest is None or nearest is decoded:
                still += 1
                if after is None or still > _STANDSTILL:
                    if after is not None:
                        self.damage.append("timestamps leap far ahead")
                    return
                continue
            decoded, still = nearest, 0
            if (frame := self._decode(nearest)) is not None:
                yield time, TimedFrame(self._clock.seconds(_stamp(nearest)), frame, self._aspect_now())

    def _over_at(self, last: Packet) -> int:
        """When the stream, read to its end, shows nothing any more."""
        return max(self._source.end_stamp or 0, _stamp(last) + self._clock.frame_ticks)

    def _next_keyframe(self, target: int | None) -> Packet | None:
        if target is not None:
            self._source.jump(target)
        while (packet := self._source.read()).size:
            if packet.is_keyframe and self._is_timed(packet):
                return packet
        return None

    def _is_timed(self, packet: Packet) -> bool:
        """Tell whether it is known when a keyframe is shown: by its timestamp, or because it is the first one."""
        timed = stamp_of(packet) is not None or not self._known
        if not timed and not self.damage:
            self.damage.append("keyframes without timestamps; --mode auto decodes everything")
        self._known = True
        return timed

    def _decode(self, packet: Packet) -> av.VideoFrame | None:
        """Decode one keyframe by itself: push it through, and leave the decoder as new."""
        try:
            frames = [*self._context.decode(packet), *self._context.decode(None)]
        except av.FFmpegError as error:
            self.damage.append(error.strerror or str(error))
            frames = []
        self._context.flush_buffers()
        if any(frame.is_corrupt for frame in frames):
            self.damage.append("corrupt frame")
            return None
        return frames[0] if frames else None


def _stamp(packet: Packet) -> int:
    return stamp_of(packet) or 0
