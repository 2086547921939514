"""Store the audio of one clip: from the first track that gives some, in windows."""

from dataclasses import dataclass
from math import inf
from pathlib import Path

import av
import numpy as np

from framegate.media.decoding.audio.audio_track import AudioReader, open_audio, windows
from framegate.media.decoding.audio.resample import RATE
from framegate.media.decoding.packets import Deadline
from framegate.media.decoding.source import require_decoder
from framegate.media.decoding.tracks import audio_tracks, special_audio
from framegate.media.errors import MediaError
from framegate.media.options import MAX_PIXELS
from framegate.media.store.part import PartWriter

_NEARLY_NONE = 0.1  # seconds of audio
_OFF_BY = 0.05  # a track may end this share of its length earlier than it states, or a second, and be whole


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """What came of the audio of a clip.

    Attributes:
        end: when the audio of the file ends, in seconds; None if it has no track that decodes.
        fault: why the clip lacks audio; "" if it does not.
        notes: what a reader may want to know of a clip that lacks nothing.
    """

    end: float | None = None
    fault: str = ""
    notes: tuple[str, ...] = ()


def store_audio(
    path: Path,
    container: av.container.InputContainer,
    part: PartWriter,
    *,
    start: float,
    end: float | None,
    seconds: float | None,
    deadline: Deadline,
    video: av.VideoStream | None = None,
    max_pixels: int = MAX_PIXELS,
) -> StoredAudio:
    """Write windows of a file's audio into ``part``, spread over where the clip has audio.

    Tracks that have no decoder, or of which nothing decodes, are passed over.

    Args:
        path, container: the file, and what `open_media` gives for it.
        start, end: of the clip in the file, in seconds; None: the file's end.
        seconds: as for `windows`.
        video: the file's video, whose programme's audio is wanted.
    """
    passed: list[str] = []
    file_end: float | None = None
    for track in audio_tracks(container, video=video):
        name = f"audio track {track.index}"
        try:
            require_decoder(track)
        except MediaError as error:
            passed.append(f"{name}: {error}")
            continue
        with open_audio(path, container, track, deadline=deadline, max_pixels=max_pixels) as reader:
            first, last = reader.extent
            wanted = windows(max(start, first), min(end or inf, last), seconds=seconds)
            _store_windows(reader, wanted, part)
        file_end = file_end or last
        if reader.seconds or seconds == 0:
            fault = _fault(reader, track, wanted, passed) or _shortage(reader, track, last, end or inf)
            return StoredAudio(last, fault, (*passed, *_notes(reader, track)))
        reason = counted(reader.damage) if reader.damage else f"no audio in it from {start:g} s to {end or last:g} s"
        passed.append(f"{name}: {reason}")
    return StoredAudio(file_end, "; ".join(passed))


def _store_windows(reader: AudioReader, wanted: list[tuple[float, float]], part: PartWriter) -> None:
    """Write windows; one without audio is silence where audio follows, else nothing."""
    silent: list[tuple[float, int]] = []
    for first, last in wanted:
        pcm = reader.window(first, last)
        if not len(pcm):
            silent.append((first, round((last - first) * RATE)))
            continue
        for begin, samples in silent if part.windows else []:
            part.audio(start=begin, rate=RATE, pcm=np.zeros(samples, np.int16))
        silent.clear()
        part.audio(start=first, rate=RATE, pcm=pcm)


def _fault(reader: AudioReader, track: av.AudioStream, wanted: list[tuple[float, float]], passed: list[str]) -> str:
    """Tell what the clip lacks; "" where it lacks nothing."""
    length = sum(last - first for first, last in wanted)
    if passed and (special := special_audio(track)):
        return "; ".join([*passed, f"what is stored, audio track {track.index}, is {special}"])
    if reader.damage:
        return counted(reader.damage)
    if reader.seconds < min(_NEARLY_NONE, length / 2):
        return f"audio track {track.index}: {reader.seconds:.2f} s of audio in {length:.2f} s"
    return ""


def _shortage(reader: AudioReader, track: av.AudioStream, real: float, end: float) -> str:
    """Tell where a track ends earlier than its file states, before the clip's ``end``."""
    stated = reader.stated_end
    if stated is None or min(stated, end) - real <= max(1.0, _OFF_BY * stated):
        return ""
    return f"audio track {track.index}: ends at {real:.2f} s, states {stated:.2f} s"


def _notes(reader: AudioReader, track: av.AudioStream) -> list[str]:
    notes = []
    if special := special_audio(track):
        notes.append(f"audio track {track.index} is {special}")
    if reader.cancelled:
        notes.append(f"channels cancel in {reader.cancelled:.1f} s of the audio: the loudest one is taken there")
    return notes


def counted(damage: list[str]) -> str:
    """Return the first of some messages, with their number."""
    return damage[0] if len(damage) == 1 else f"{damage[0]} ({len(damage)} times)"
