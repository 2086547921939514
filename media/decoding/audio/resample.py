"""Resample decoded audio to 16 kHz with all of its channels, whatever its rate, format and layout."""

import av
import numpy as np

from framegate.media.decoding.audio.mix import Mono, mix_down
from framegate.media.decoding.audio.timeline import Span

RATE = 16_000


class ResampledSound:
    """Decoded frames at 16 kHz, and where each lies; a stream may change its rate, layout or format on the way.

    Attributes:
        spans: the place of each frame.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._position = 0.0
        self._stretches: list[list[np.ndarray]] = []  # of frames of one kind, (n, C) float32
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None

    def add(self, time: float | None, frame: av.AudioFrame) -> None:
        """Append a frame at ``time`` seconds; None: where the one before it ends."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._kind != kind:
            self._drain()
            # Packed: PyAV reads past the list of planes of a frame that has eight or more of them.
            self._resampler, self._kind = av.AudioResampler(format="flt", rate=RATE, frame_size=RATE), kind
            self._stretches.append([])
        self._resample(frame)
        seconds = frame.samples / frame.sample_rate
        self.spans.append(Span(time, self._position, seconds))
        self._position += seconds

    def mixed(self) -> Mono:
        """Return all samples added, mixed into one channel. Nothing can be added afterwards."""
        self._drain()
        parts = [mix_down(np.concatenate(pieces), rate=RATE) for pieces in self._stretches if pieces]
        samples = np.concatenate([np.zeros(0, np.float32), *(part.samples for part in parts)])
        return Mono(samples, sum(part.cancelled for part in parts))

    def _drain(self) -> None:
        if self._resampler is not None:
            self._resample(None)
            self._position = sum(len(piece) for pieces in self._stretches for piece in pieces) / RATE

    def _resample(self, frame: av.AudioFrame | None) -> None:
        assert self._resampler is not None
        for out in self._resampler.resample(frame):
            self._stretches[-1].append(out.to_ndarray().reshape(-1, out.layout.nb_channels))
