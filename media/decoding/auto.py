"""Read keyframes where they are near enough to given times, and decode the frames shown at the others."""

from math import floor, inf

import av

from framegate.media.decoding.decode import ExactReader
from framegate.media.decoding.packets import Deadline


class AutoReader(ExactReader):
    """Reads for each time the nearest keyframe, where it is near enough, else the frame that is shown then.

    What is near is found in packets, before anything is decoded: a time is moved to its keyframe, and then costs one
    frame. No keyframe is taken for two times.

    Args:
        container, stream, deadline: as for any reader.
        near: seconds by which a keyframe may lie before or after the time.
        inside: seconds from which and until which a keyframe may be shown.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        *,
        deadline: Deadline | None = None,
        near: float,
        inside: tuple[float, float] = (-inf, inf),
    ) -> None:
        super().__init__(container, stream, deadline=deadline)
        assert stream.time_base is not None
        self._near = floor(near / stream.time_base + 1e-6)
        self._first = -inf if inside[0] == -inf else self._clock.stamp(inside[0])
        self._until = inf if inside[1] == inf else self._clock.stamp(inside[1])
        self._target: int | None = None  # the latest one, and where it was moved to
        self._aimed: float = -inf

    def _aim(self, target: int) -> int:
        if self._target is None or target > self._target:
            nearest = self._keyframe_near(target)
            self._target, self._aimed = target, target if nearest is None else nearest
        return int(self._aimed) if target == self._target else target

    def _keyframe_near(self, target: int) -> int | None:
        if not self._in_order:
            self._in_order = not self._packets.skip_to(target)
        if self._in_order:
            return None
        first = max(target - self._near, self._first, self._aimed + 1)
        last = min(target + self._near, self._until - 1)
        if first > last:
            return None
        nearest = self._packets.keyframe_near(target, first=int(first), last=int(last))
        return None if self._is_over(target) else nearest
