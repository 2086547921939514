"""Audio as 16 kHz mono int16, in evenly spaced windows of a clip."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np

from framegate.media.decoding.audio.resample import RATE, ResampledSound
from framegate.media.decoding.audio.timeline import NEIGHBOURS, lay_out
from framegate.media.decoding.clock import StreamClock
from framegate.media.decoding.extent import stated_end
from framegate.media.decoding.packets import Deadline, Packet, PacketSource, stamp_of
from framegate.media.decoding.source import open_media
from framegate.media.errors import MediaError
from framegate.media.options import MAX_PIXELS

WINDOW_SECONDS = 10.0
_PIECE_SECONDS = 30.0  # audio that is kept whole is stored in pieces of this length
_RUN_IN_SECONDS = 0.2  # decoders of overlapped transforms need some packets until they sound right
_SEEKABLE = {  # formats whose packets have the right times after a seek, as far as FFmpeg is concerned
    *("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "avi", "flv", "asf", "mxf"),
    *("mp3", "aac", "flac"),
}
_SEEKABLE_WITH_PCM = {"wav", "w64", "aiff", "caf", "au"}
_SEEKABLE_CODECS_OF_OGG = {"vorbis", "opus", "libopus"}
_RESTART_SECONDS = 1.0  # timestamps that fall back so far begin anew
_STATING = {"mov,mp4,m4a,3gp,3g2,mj2", "flac", "caf", "aiff"}  # formats that state the length of each stream
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


@contextmanager
def open_audio(
    path: Path,
    container: av.container.InputContainer,
    stream: av.AudioStream,
    *,
    deadline: Deadline,
    max_pixels: int = MAX_PIXELS,
) -> Iterator["AudioReader"]:
    """Open a reader of one audio stream of a file that is open already.

    Where a seek would give packets wrong times, the file is opened anew and read from its beginning, twice: to find its
    end, and to decode.
    """
    if _seeks_truly(container, stream):
        yield AudioReader(container, stream, deadline=deadline)
        return
    with open_media(path, max_pixels=max_pixels) as whole:
        same = cast(av.AudioStream, whole.streams[stream.index])
        extent = AudioReader(whole, same, deadline=deadline, in_order=True).read_extent()
    with open_media(path, max_pixels=max_pixels) as fresh:
        same = cast(av.AudioStream, fresh.streams[stream.index])
        yield AudioReader(fresh, same, deadline=deadline, in_order=True, extent=extent)


class AudioReader:
    """Reads windows of audio from one stream of an open container, each later than the last.

    Args:
        in_order: read on without a seek; the container has just been opened.
        extent: of the stream, as from `read_extent`, if it is known.

    Attributes:
        damage: FFmpeg's messages about packets that do not decode, and what else is wrong with the stream.
        seconds: how much audio the windows read so far hold, without gaps.
        cancelled: seconds of it in which the channels cancel, so that the loudest stands for all (see `mix`).
        stated_end: the stream's end, in seconds, where the file states it and does not merely estimate it.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.AudioStream,
        *,
        deadline: Deadline,
        in_order: bool = False,
        extent: tuple[float, float] | None = None,
    ) -> None:
        self.damage: list[str] = []
        self.seconds = 0.0
        self.cancelled = 0.0
        self._stream = stream
        self._hint = stated_end(container, stream)
        self.stated_end = self._hint if stream.duration and container.format.name in _STATING else None
        self._clock = StreamClock(container, stream)
        self._source = PacketSource(container, stream, deadline, damage=self.damage)
        self._extent = extent
        self._in_order = in_order
        self._recent: list[tuple[float | None, float, av.AudioFrame]] = []  # with the second of its end
        self._ended = False
        self._reached: float | None = None  # the second at which the packets read so far end
        self._shift = 0.0  # seconds by which times are later than their timestamps say

    @property
    def extent(self) -> tuple[float, float]:
        """When the stream begins and ends, in seconds, by its packets: what files state may be an estimate."""
        if self._extent is None:
            if self._hint is not None:
                with suppress(MediaError):  # in a broken file: read on from wherever that has led
                    self._source.seek(self._clock.stamp(self._hint))
            self._extent = self.read_extent()
        return self._extent

    def read_extent(self) -> tuple[float, float]:
        """Read on to the end of the stream, and return its beginning and its end, in seconds."""
        start = self._stream.start_time
        begin = 0.0 if start is None else self._clock.seconds(start)
        end = self._read_to_end()
        if end is None and not self._in_order:
            with suppress(MediaError):  # a file whose beginning cannot be reached a second time
                self._source.rewind()
                end = self._read_to_end()
        return begin, self._hint or begin if end is None else end

    def window(self, start: float, end: float) -> np.ndarray:
        """Read the audio from ``start`` to ``end`` seconds.

        Returns:
            Samples (n,) int16 at `RATE` from ``start`` on, silence where the stream has a gap; fewer where it ends
            before ``end``, none where it has no audio between ``start`` and ``end``.
        """
        sound = ResampledSound()
        for time, frame in self._frames(start, end):
            sound.add(time, frame)
        mono = sound.mixed()
        laid = lay_out(mono.samples, sound.spans, start=start, end=end, rate=RATE)
        if laid.dropped > _OVERLAP_SECONDS * RATE:
            self.damage.append(f"timestamps run backwards: {laid.dropped / RATE:.1f} s of sound lie over others")
        self.seconds += laid.sounding / RATE
        self.cancelled += mono.cancelled
        pcm: np.ndarray = np.clip(np.rint(laid.samples * 32768), -32768, 32767).astype(np.int16)
        return pcm[: laid.end if self._ended or not laid.sounding else None]

    def _read_to_end(self) -> float | None:
        self._reached = None
        while (packet := self._source.read()).size:
            self._time_of(packet)
        return self._reached

    def _time_of(self, packet: Packet) -> float | None:
        """Return the second of a packet; if packets are read in order, the timestamps may begin anew in mid-stream."""
        stamp = stamp_of(packet)
        if stamp is None:
            return None
        time = self._clock.seconds(stamp) + self._shift
        if self._in_order and self._reached is not None and time < self._reached - _RESTART_SECONDS:
            self._shift += self._reached - time
            time = self._reached
        end = time + self._clock.seconds(stamp + (packet.duration or 0)) - self._clock.seconds(stamp)
        self._reached = end if self._reached is None else max(self._reached, end)
        return time

    def _frames(self, start: float, end: float) -> Iterator[tuple[float | None, av.AudioFrame]]:
        """Yield the frames of a window, and some before and after it, with their seconds where they have them."""
        self._ended = self._ended and self._in_order
        if not self._in_order:
            self._source.seek(self._clock.stamp(max(0.0, start - _RUN_IN_SECONDS)))
        expected = start  # where the next frame follows without a gap
        for time, expected, frame in self._recent:
            if expected > start - _RUN_IN_SECONDS:
                yield time, frame
        beyond, over = 0, False
        while not self._ended and (packet := self._source.read()).size:
            packet_time = self._time_of(packet)
            if self._in_order and packet_time is not None and packet_time < start - 2 * _RUN_IN_SECONDS:
                continue
            try:
                frames = cast(list[av.AudioFrame], packet.decode())
            except av.FFmpegError as error:  # counted by one window, and in none that does not hold it
                if packet_time is None or (start <= packet_time and (self._in_order or packet_time < end)):
                    self.damage.append(error.strerror or str(error))
                continue
            for frame in frames:
                if not (frame.samples and frame.sample_rate and frame.layout.nb_channels):
                    continue
                time = None if frame.pts is None else self._clock.seconds(frame.pts) + self._shift
                now = expected if time is None else time
                follows = abs(now - expected) < _RUN_IN_SECONDS
                expected = now + frame.samples / frame.sample_rate
                if self._in_order:
                    kept = [item for item in self._recent if abs(item[1] - now) < 2 * _RUN_IN_SECONDS]
                    self._recent = [*kept, (time, expected, frame)]
                if expected > start - _RUN_IN_SECONDS:
                    yield time, frame
                beyond = beyond + 1 if now >= end else 0
                over = over or (beyond > 0 and follows) or beyond > NEIGHBOURS
            if over:  # all frames of the packet have been taken
                return
        self._ended = True


def _seeks_truly(container: av.container.InputContainer, stream: av.AudioStream) -> bool:
    name, codec = container.format.name, stream.codec_context.name
    if name == "ogg":  # without pictures it may be a chain of files, each with times of its own
        return codec in _SEEKABLE_CODECS_OF_OGG and bool(container.streams.video)
    return name in _SEEKABLE or (name in _SEEKABLE_WITH_PCM and codec.startswith("pcm_"))
