"""Audio as 16 kHz mono int16, in evenly spaced windows of a clip."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import cast

import av
import numpy as np

from framegate.media.decoding.audio.resample import RATE, ResampledSound
from framegate.media.decoding.audio.timeline import NEIGHBOURS, lay_out
from framegate.media.decoding.clock import StreamClock
from framegate.media.decoding.extent import stated_end
from framegate.media.decoding.packets import Deadline, PacketSource, stamp_of
from framegate.media.errors import MediaError

WINDOW_SECONDS = 10.0
_PIECE_SECONDS = 30.0  # audio that is kept whole is stored in pieces of this length
_RUN_IN_SECONDS = 0.2  # decoders of overlapped transforms need some packets until they sound right
_OVERLAP_SECONDS = 0.5  # of sound with the timestamps of other sound: not mere rounding


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
        damage: FFmpeg's messages about packets that do not decode, and what else is wrong with the stream.
        seconds: how much audio the windows read so far hold, without gaps.
        cancelled: seconds of it in which the channels cancel, so that the loudest stands for all (see `mix`).
    """

    def __init__(self, container: av.container.InputContainer, stream: av.AudioStream, *, deadline: Deadline) -> None:
        self.damage: list[str] = []
        self.seconds = 0.0
        self.cancelled = 0.0
        self._stream = stream
        self._stated = stated_end(container, stream)
        self._clock = StreamClock(container, stream)
        self._source = PacketSource(container, stream, deadline)
        # FFmpeg gives packets of FLAC in Ogg wrong times after a seek.
        self._seeks = not (container.format.name == "ogg" and stream.codec_context.name == "flac")
        self._ended = True  # read to its end, so that the next window begins anew

    def extent(self) -> tuple[float, float]:
        """Find when the stream begins and ends, in seconds, from its packets: what files state may be an estimate."""
        start = self._clock.seconds(self._stream.start_time or 0) if self._stream.start_time is not None else 0.0
        if self._stated is not None:
            with suppress(MediaError):  # in a broken file: read on from the beginning
                self._source.seek(self._clock.stamp(self._stated))
        end = self._read_to_end()
        if end is None:
            self._source.rewind()
            end = self._read_to_end()
        return start, self._stated or start if end is None else end

    def window(self, start: float, end: float) -> np.ndarray:
        """Read the audio from ``start`` to ``end`` seconds.

        Returns:
            Samples (n,) int16 at `RATE` from ``start`` on, silence where the stream has a gap; fewer where it ends
            before ``end``, none where it has no audio between ``start`` and ``end``.
        """
        self._go_to(start)
        sound = ResampledSound()
        for time, frame in self._frames(start, end):
            sound.add(time, frame)
        mono = sound.mixed()
        laid = lay_out(mono.samples, sound.spans, start=start, end=end, rate=RATE)
        if laid.dropped > _OVERLAP_SECONDS * RATE:
            self.damage.append(f"timestamps run backwards: {laid.dropped / RATE:.1f} s of sound lie over others")
        self.seconds += laid.sounding / RATE
        self.cancelled += mono.cancelled
        pcm = np.clip(np.rint(laid.samples * 32768), -32768, 32767).astype(np.int16)
        return pcm[: laid.end if self._ended or not laid.sounding else None]

    def _read_to_end(self) -> float | None:
        found = False
        while (packet := self._source.read()).size:
            found = found or stamp_of(packet) is not None
        self._ended = True
        return self._clock.seconds(self._source.end_stamp or 0) if found else None

    def _go_to(self, start: float) -> None:
        if self._seeks:
            self._source.seek(self._clock.stamp(max(0.0, start - _RUN_IN_SECONDS)))
        elif self._ended:
            self._source.rewind()
        self._ended = False

    def _frames(self, start: float, end: float) -> Iterator[tuple[float | None, av.AudioFrame]]:
        """Yield the frames of a window, and some before and after it, with their seconds where they have them."""
        expected = start  # where the next frame follows without a gap
        beyond = 0
        while (packet := self._source.read()).size:
            stamp = stamp_of(packet)
            packet_time = None if stamp is None else self._clock.seconds(stamp)
            if not self._seeks and packet_time is not None and packet_time < start - 2 * _RUN_IN_SECONDS:
                continue
            try:
                frames = cast(list[av.AudioFrame], packet.decode())
            except av.FFmpegError as error:
                if packet_time is None or start <= packet_time < end:  # else another window counts it, or none
                    self.damage.append(error.strerror or str(error))
                continue
            for frame in frames:
                if not (frame.samples and frame.sample_rate and frame.layout.nb_channels):
                    continue
                time = None if frame.pts is None else self._clock.seconds(frame.pts)
                now = expected if time is None else time
                follows = abs(now - expected) < _RUN_IN_SECONDS
                expected = now + frame.samples / frame.sample_rate
                if expected > start - _RUN_IN_SECONDS:
                    yield time, frame
                beyond = beyond + 1 if now >= end else 0
                if (beyond and follows) or beyond > NEIGHBOURS:
                    return
        self._ended = True
