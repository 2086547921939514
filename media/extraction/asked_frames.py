"""How many frames a clip was asked for, and in words why it has fewer."""

from dataclasses import dataclass
from math import ceil, inf

from framegate.media.extraction.sampling import grid
from framegate.media.options import ExtractOptions

_ENOUGH = 0.95  # share of the asked frames from which on a clip is whole
_SLACK = 0.25  # seconds by which a clip's end, stated for picture and sound, may lie behind the picture's

_MOST = 2**31 - 1  # what a store can tell
_INSTANT = 1e-3  # seconds: less than any frame lasts


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The frames that a clip should have.

    Args:
        options: how clips are sampled.
        clip_start, clip_end: as the manifest has them, in seconds; None: from the file's beginning, to the picture's
            end.
        picture_start, picture_end: the seconds from which and until which the stream really has pictures.
    """

    options: ExtractOptions
    clip_start: float | None
    clip_end: float | None
    picture_start: float
    picture_end: float

    @property
    def end(self) -> float:
        """The second until which frames are asked for."""
        if self.clip_end is not None and self.clip_end > self.picture_end + _SLACK:
            return self.clip_end
        return self.picture_end

    @property
    def count(self) -> int:
        """Number of frames asked for; of a clip without a start none before the picture's, where that is late."""
        is_late = self.clip_start is None and self.picture_start > _SLACK
        early = self._count_until(self.picture_start) if is_late else 0
        return max(1, self._count_until(self.end) - early)

    def shortage(self, given: int, times: list[float], *, damage: str = "", keyframes: bool = False) -> str:
        """Return why a clip with ``given`` frames has too few of them; nothing where it has enough.

        Args:
            given: number of frames that are there, or were left out as alike.
            times: seconds of the frames that are there.
            damage: what the decoder has said.
            keyframes: whether keyframes alone were read.
        """
        lacking = self._count_until(self.end) - self._count_until(self.picture_end) if self._is_spread else 0
        if given - lacking >= _ENOUGH * self.count:
            return ""
        why = damage or self._why(times, keyframes=keyframes)
        return why if given >= self.count else f"{given} of {self.count} frames: {why}"

    def _why(self, times: list[float], *, keyframes: bool) -> str:
        if self.end > self.picture_end:
            return f"the picture track ends at {self.picture_end:.1f} s of {self.end:.1f} s"
        if not times:
            return "no picture comes out of the decoder, as where a file is cut after its last keyframe"
        if keyframes:
            return _keyframes_apart(times)
        if times[0] > max(self.picture_start, self.clip_start or 0.0) + _SLACK:
            return f"pictures before {times[0]:.1f} s do not decode, as where a file is cut between keyframes"
        if self.picture_start > (self.clip_start or 0.0) + _SLACK:
            return f"the picture track begins at {self.picture_start:.1f} s"
        return "at the other times no picture comes out of the decoder"

    @property
    def _is_spread(self) -> bool:
        """Whether a fixed number of frames is spread over what is there of the clip."""
        return self.options.frames is not None

    def _count_until(self, second: float) -> int:
        start = self.clip_start or 0.0
        if self.options.frames is None:
            return count_times(self.options, start, second) if second > start else 0
        return sum(time < second for time in grid(start, self.end, every=None, frames=self.options.frames))


def count_times(options: ExtractOptions, start: float, end: float) -> int:
    """Count the times at which a clip from ``start`` to ``end`` seconds is sampled; 0 where the end is infinite.

    >>> count_times(ExtractOptions(every=1.0), 2.0, 5.5), count_times(ExtractOptions(frames=8), 2.0, 5.5)
    (4, 8)
    """
    if options.frames is not None:
        return options.frames
    return 0 if end == inf else min(_MOST, max(1, ceil((end - start - _INSTANT) / options.every)))


def _keyframes_apart(times: list[float]) -> str:
    """Say why the keyframes at ``times``, in seconds, are too few."""
    if len(times) < 2:
        return "it has one keyframe; --mode auto decodes what follows it"
    apart = (times[-1] - times[0]) / (len(times) - 1)
    return f"the keyframes lie {apart:.3g} s apart; --mode auto decodes between them"
