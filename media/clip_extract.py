"""One clip to one part: frames, shots, layout and sound in one opening. The same function runs in every engine."""

import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from framegate.media.decode import exact_frames, frame_time
from framegate.media.errors import MediaError
from framegate.media.layout import Layout
from framegate.media.manifest import Clip
from framegate.media.options import ExtractOptions
from framegate.media.part import PartWriter
from framegate.media.sampling import grid
from framegate.media.shots import ShotCounter, hash_distance, perceptual_hash
from framegate.media.sound import RATE, read_window, windows
from framegate.media.source import ffmpeg_words, open_media

LayoutFinder = Callable[[Sequence[np.ndarray]], Layout]
_LAYOUT_FRAMES = 64


@dataclass
class _Outcome:
    duration: float = 0.0
    stage: str = ""
    error: str = ""

    def fail(self, stage: str, error: BaseException | str, words: Sequence[tuple[int, str, str]] = ()) -> None:
        """Keep the first thing that went wrong, in FFmpeg's own words where it had any."""
        if not self.stage:
            said = [f"{name}: {message.strip()}" for _, name, message in words[-3:]]
            what = error.strerror or str(error) if isinstance(error, av.FFmpegError) else str(error)
            self.stage, self.error = stage, "; ".join([what, *said])


def extract_clip(clip: Clip, index: int, folder: Path, *, options: ExtractOptions, layout: LayoutFinder | None) -> None:
    """Write clip number ``index`` as a part into ``folder``; whatever is wrong with its files becomes its failure."""
    part = PartWriter(folder, index, video_id=clip.id)
    outcome = _Outcome()
    found = Layout()
    with ffmpeg_words() as words:
        if clip.video is not None:
            try:
                with open_media(clip.video, max_pixels=options.max_pixels) as container:
                    found = _read_video(container, clip, part, outcome, options, layout, words)
            except (MediaError, av.FFmpegError) as error:
                outcome.fail("open", error, words)
        if clip.audio is not None:
            try:
                with open_media(clip.audio) as container:
                    _read_sound(container, clip, part, outcome, options, words)
            except (MediaError, av.FFmpegError) as error:
                outcome.fail("open", error, words)
    path = clip.video or clip.audio
    lost = bool(path) and not part.frames and not part.windows
    if lost and not outcome.stage:
        outcome.fail("video", "neither frames nor sound in it")
    row = None if lost else _row(clip, part, found, outcome)
    failure = None
    if outcome.stage:
        failure = {"id": clip.id, "path": str(path), "stage": outcome.stage}
        failure |= {"status": "failed" if lost else "partial", "error": outcome.error}
    part.finish(row=row, failure=failure)


def _read_video(
    container: av.container.InputContainer,
    clip: Clip,
    part: PartWriter,
    outcome: _Outcome,
    options: ExtractOptions,
    layout: LayoutFinder | None,
    words: Sequence[tuple[int, str, str]],
) -> Layout:
    deadline = clock.monotonic() + options.timeout
    origin = (container.start_time or 0) / 1_000_000
    length = (container.duration or 0) / 1_000_000
    start, end = clip.start or 0.0, min(clip.end or length or np.inf, length or np.inf)
    outcome.duration = max(0.0, end - start) if np.isfinite(end) else 0.0
    shots = ShotCounter()
    sample: list[np.ndarray] = []
    before: int | None = None
    if container.streams.video:
        stream = container.streams.video[0]
        stream.thread_count = 1
        if options.mode == "keyframe":
            stream.codec_context.skip_frame = "NONKEY"
        if clip.start:
            container.seek(round((start + origin) * 1_000_000), backward=True)
        times = grid(start, end, every=None if options.frames else options.every, frames=options.frames)
        try:
            for _, time, frame in exact_frames(_decoded(container, stream, origin, deadline), times):
                rgb = scaled(frame, options.size)
                digest = perceptual_hash(rgb) if options.dedupe else 0
                if options.dedupe and before is not None and hash_distance(before, digest) < options.dedupe:
                    continue
                before = digest
                if len(sample) < _LAYOUT_FRAMES:
                    sample.append(rgb)
                height, width = rgb.shape[:2]
                part.frame(
                    source=str(clip.video),
                    time=time,
                    shot=shots.next(rgb),
                    jpeg=encode_jpeg(rgb, options.quality),
                    width=width,
                    height=height,
                )
        except (MediaError, av.FFmpegError) as error:
            outcome.fail("video", error, words)
    if clip.audio is None and clip.own_audio:
        _read_sound(container, clip, part, outcome, options, words)
    if layout is None or not sample:
        return Layout()
    try:
        return layout(sample)
    except Exception as error:  # the caller's code: whatever it raises is this clip's failure, not the extraction's
        outcome.fail("layout", f"{type(error).__name__}: {error}")
        return Layout()


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, origin: float, deadline: float
) -> Iterator[tuple[float, av.VideoFrame]]:
    last = None
    for packet in container.demux(stream):
        if clock.monotonic() > deadline:
            raise MediaError("timed out")
        for frame in packet.decode():
            time = frame_time(frame, origin)
            if time is None:
                time = 0.0 if last is None else last + 0.04
            if last is None or time > last:
                last = time
                yield time, frame


def _read_sound(
    container: av.container.InputContainer,
    clip: Clip,
    part: PartWriter,
    outcome: _Outcome,
    options: ExtractOptions,
    words: Sequence[tuple[int, str, str]],
) -> None:
    if not container.streams.audio:
        return
    stream = container.streams.audio[0]
    origin = (container.start_time or 0) / 1_000_000
    length = (container.duration or 0) / 1_000_000
    start, end = clip.start or 0.0, min(clip.end or length or np.inf, length or np.inf)
    try:
        for first, last in windows(start, end, seconds=options.audio_seconds):
            pcm = read_window(container, stream, first, last, origin=origin)
            if not len(pcm):
                break
            part.sound(start=first, rate=RATE, pcm=pcm)
    except (MediaError, av.FFmpegError) as error:
        outcome.fail("audio", error, words)


def scaled(frame: av.VideoFrame, size: int) -> np.ndarray:
    """The frame as RGB (H, W, 3) with a short side of ``size`` pixels, never enlarged."""
    factor = min(1.0, size / min(frame.width, frame.height))
    width, height = max(1, round(frame.width * factor)), max(1, round(frame.height * factor))
    return frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA", threads=1)


def encode_jpeg(rgb: np.ndarray, quality: int) -> bytes:
    """JPEG bytes of an RGB picture."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise MediaError(f"a picture of {rgb.shape} cannot be a JPEG")
    return data.tobytes()


def _row(clip: Clip, part: PartWriter, layout: Layout, outcome: _Outcome) -> dict[str, Any]:
    return {
        "id": clip.id,
        "source": str(clip.video or clip.audio or ""),
        "programme": clip.programme,
        "label": clip.label,
        "split": clip.split,
        "title": clip.title,
        "description": clip.description,
        "duration": outcome.duration,
        "frames": part.frames,
        "has_audio": part.windows > 0,
        "status": "partial" if outcome.stage else "ok",
        "borders": list(layout.borders),
        "logos": [list(box) for box in layout.logos],
        "subtitles": [list(box) for box in layout.subtitles],
    }
