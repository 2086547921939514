"""How many frames a clip was asked for, and in words why it has fewer."""

from dataclasses import dataclass
from math import ceil, inf

from framegate.media.decoding.sampling import grid
from framegate.media.options import ExtractOptions

_ENOUGH = 0.95  # share of the asked frames from which on a clip is whole
_SLACK = 0.25  # seconds by which a clip's end, stated for picture and sound, may lie behind the picture's

_MOST = 2**31 - 1  # what a store can tell
_INSTANT = 1e-3  # seconds: less than any frame lasts


@dataclass(frozen=True)
class Asked:
    """The frames that a clip should have.

    Args:
        options: how clips are sampled.
        start: of the clip, in seconds.
        clip_end: as the manifest has it; None: the clip goes on until the picture's end.
        picture_end: the second at which the picture really ends.
    """

    options: ExtractOptions
    start: float
    clip_end: float | None
    picture_end: float

    @property
    def end(self) -> float:
        """The second until which frames are asked for."""
        lasts_longer = self.clip_end is not None and self.clip_end > self.picture_end + _SLACK
        return self.clip_end if lasts_longer and self.clip_end is not None else self.picture_end

    @property
    def count(self) -> int:
        """Number of frames asked for."""
        return count_times(self.options, self.start, self.end)

    def shortage(self, given: int) -> str:
        """Return how many frames are there, in words, where ``given`` are too few of them; else nothing."""
        there = min(given, self._times_before_the_end())
        return f"{there} of {self.count} frames" if there < _ENOUGH * self.count else ""

    def why(self) -> str:
        """Return why frames are missing that no damage explains."""
        if self.end > self.picture_end:
            return f"the picture track ends at {self.picture_end:.1f} s of {self.end:.1f} s"
        return "at the other times no picture comes out of the decoder"

    def _times_before_the_end(self) -> int:
        if self.options.frames is None:
            return count_times(self.options, self.start, self.picture_end)
        times = grid(self.start, self.end, every=None, frames=self.options.frames)
        return sum(time < self.picture_end for time in times)


def count_times(options: ExtractOptions, start: float, end: float) -> int:
    """Count the times at which a clip from ``start`` to ``end`` seconds is sampled; 0 where the end is infinite.

    >>> count_times(ExtractOptions(every=1.0), 2.0, 5.5), count_times(ExtractOptions(frames=8), 2.0, 5.5)
    (4, 8)
    """
    if options.frames is not None:
        return options.frames
    return 0 if end == inf else min(_MOST, max(1, ceil((end - start - _INSTANT) / options.every)))


def keyframes_apart(times: list[float]) -> str:
    """Say why the keyframes at ``times``, in seconds, are too few."""
    if len(times) < 2:
        return "there is one keyframe; --mode auto decodes what follows it"
    apart = (times[-1] - times[0]) / (len(times) - 1)
    return f"the keyframes lie {apart:.3g} s apart; --mode auto decodes between them"
