"""Audio as 16 kHz mono int16, in evenly spaced windows of a clip."""

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import av
import numpy as np

from framegate.media.decoding.clock import StreamClock
from framegate.media.decoding.packets import Deadline, PacketSource

RATE = 16_000
WINDOW_SECONDS = 10.0
_PIECE_SECONDS = 30.0  # audio that is kept whole is stored in pieces of this length
_RUN_IN_SECONDS = 0.2  # decoders of overlapped transforms need some packets until they sound right


def windows(start: float, end: float, *, seconds: float | None) -> list[tuple[float, float]]:
    """Return (start, end), in seconds, of evenly spaced windows in a clip.

    A clip no longer than ``seconds`` is covered whole; so is any clip with ``seconds=None``, in pieces of 30 s.

    >>> windows(0.0, 60.0, seconds=20.0)
    [(10.0, 20.0), (40.0, 50.0)]

    Args:
        start, end: of the clip, in seconds.
        seconds: length of all windows together; 0 for none, None for the whole clip.
    """
    length = end - start
    if length <= 0 or seconds == 0:
        return []
    if seconds is None:
        edges = np.append(np.arange(start, end, _PIECE_SECONDS), end).tolist()
        return list(pairwise(edges))
    if length <= seconds:
        return [(start, end)]
    count = max(1, round(seconds / WINDOW_SECONDS))
    width = seconds / count
    middles = [start + length * (number + 0.5) / count for number in range(count)]
    return [(middle - width / 2, middle + width / 2) for middle in middles]


class AudioReader:
    """Reads windows of audio from one stream of an open container, each later than the last.

    Attributes:
        damage: FFmpeg's messages about packets that do not decode.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.AudioStream, *, deadline: Deadline) -> None:
        self.damage: list[str] = []
        self._clock = StreamClock(container, stream)
        self._source = PacketSource(container, stream, deadline)

    def window(self, start: float, end: float) -> tuple[float, np.ndarray]:
        """Read the audio from ``start`` to ``end`` seconds.

        Returns:
            The second of the first sample, and samples (n,) int16 at `RATE`; fewer where the stream ends before.
        """
        self._source.seek(self._clock.stamp(max(0.0, start - _RUN_IN_SECONDS)))
        mixer = Mixer()
        first: float | None = None
        for time, frame in self._frames(start):
            if time >= end:
                break
            if time + frame.samples / frame.sample_rate > start:
                first = time if first is None else first
                mixer.add(frame)
            if first is not None and first + mixer.seconds > end + _RUN_IN_SECONDS:
                break
        if first is None:
            return start, np.empty(0, np.int16)
        begin = max(0, round((start - first) * RATE))
        true_start = max(start, first)
        return true_start, mixer.samples()[begin : begin + round((end - true_start) * RATE)]

    def _frames(self, start: float) -> Iterator[tuple[float, av.AudioFrame]]:
        after = start
        while (packet := self._source.read()).size:
            try:
                frames = cast(list[av.AudioFrame], packet.decode())
            except av.FFmpegError as error:
                self.damage.append(error.strerror or str(error))
                continue
            for frame in frames:
                time = after if frame.pts is None else self._clock.seconds(frame.pts)
                after = time + frame.samples / frame.sample_rate
                yield time, frame


class Mixer:
    """Resamples decoded audio to 16 kHz mono, by FFmpeg's resampler."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._pieces: list[np.ndarray] = []
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        self._kind: tuple[str, str, int] | None = None

    def add(self, frame: av.AudioFrame) -> None:
        """Append a frame; streams may change rate, layout or format on the way."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._kind not in (None, kind):
            self._drain()
        self._kind = kind
        self._keep(self._resampler.resample(frame))
        self.seconds += frame.samples / frame.sample_rate

    def samples(self) -> np.ndarray:
        """Return all samples added so far, (n,) int16."""
        self._drain()
        return np.concatenate(self._pieces) if self._pieces else np.empty(0, np.int16)

    def _drain(self) -> None:
        if self._kind is not None:
            self._keep(self._resampler.resample(None))
        self._resampler, self._kind = av.AudioResampler(format="s16", layout="mono", rate=RATE), None

    def _keep(self, frames: list[av.AudioFrame]) -> None:
        self._pieces += [frame.to_ndarray().reshape(-1) for frame in frames]
