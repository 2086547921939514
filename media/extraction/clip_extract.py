"""Extract one clip into one part: frames, shots, layout and audio. All engines run the same function."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf
from mimetypes import guess_type
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.stream import Disposition

from framegate.media.clip_layout import Layout, LayoutFinder
from framegate.media.decoding.audio.audio_track import RATE, AudioReader, windows
from framegate.media.decoding.decode import ExactReader, StreamReader
from framegate.media.decoding.extent import measured_end, stated_end
from framegate.media.decoding.keyframes import KeyframeReader
from framegate.media.decoding.packets import Deadline
from framegate.media.decoding.picture_folder import FolderReader
from framegate.media.decoding.readers import open_reader
from framegate.media.decoding.sampling import grid
from framegate.media.decoding.source import ffmpeg_words, open_media, require_decoder
from framegate.media.errors import MediaError
from framegate.media.extraction.asked_frames import Asked, count_times
from framegate.media.extraction.frame_rows import FrameRows
from framegate.media.manifest.manifest import Clip
from framegate.media.options import ExtractOptions
from framegate.media.pictures.picture import FramePainter
from framegate.media.store.part import PartWriter

Reader = ExactReader | KeyframeReader | FolderReader

_OFF_BY = 0.05  # a file may end this share of its length earlier or later than it states, or a second, and be whole


def extract_clip(index: int, clip: Clip, *, folder: Path, options: ExtractOptions, layout: LayoutFinder | None) -> None:
    """Write clip number ``index`` as a part into ``folder``; errors in its files are recorded in the part."""
    part = PartWriter(folder, index, video_id=clip.id)
    with ffmpeg_words() as words:
        extraction = _ClipExtraction(clip, part, options, layout, words)
        extraction.run()
    part.finish(row=extraction.row(), failure=extraction.failure())


def salvage_clip(clip: Clip, index: int, folder: Path, *, error: str) -> None:
    """Complete the part of a clip whose process died with ``error``, and keep the rows written until then."""
    part = PartWriter.salvaged(folder, index, video_id=clip.id)
    extraction = _ClipExtraction(clip, part, ExtractOptions(), None, [])
    extraction.fail("video", error)
    part.finish(row=extraction.row(), failure=extraction.failure())


class _ClipExtraction:
    def __init__(
        self,
        clip: Clip,
        part: PartWriter,
        options: ExtractOptions,
        layout: LayoutFinder | None,
        words: list[tuple[int, str, str]],
    ) -> None:
        self._clip = clip
        self._part = part
        self._options = options
        self._find_layout = layout
        self._words = words
        self._deadline = Deadline(options.timeout)
        self._start = clip.start or 0.0
        self._duration = 0.0
        self._layout = Layout()
        self._asked = 0  # frames
        self._given = 0  # frames: stored, or left out as alike
        self._times: list[float] = []
        self._true_end: float | None = None  # of the video, where the file does not state it
        self._stage = ""
        self._error = ""

    def run(self) -> None:
        clip = self._clip
        if clip.video is not None and clip.video.is_dir():
            with self._failing_at("video"):
                self._read_folder(clip.video)
        elif clip.video is not None:
            with self._failing_at("open"), self._open(clip.video) as container:
                self._read_video(clip.video, container)
                if clip.audio is None and clip.own_audio:
                    self._read_audio(clip.video, container, true_end=self._true_end)
        if clip.audio is not None:
            with self._failing_at("open"), self._open(clip.audio) as container:
                self._read_audio(clip.audio, container)

    # -- what is read ------------------------------------------------------------------------------------------------

    def _read_video(self, video: Path, container: av.container.InputContainer) -> None:
        stream = _moving_pictures(container)
        if stream is None:
            if not (guess_type(video.name)[0] or "").startswith("audio/"):  # a cut may have left the sound alone
                self.fail("video", "no picture track in it, only sound; a sound file goes into the column audio")
            return
        with self._failing_at("video"):
            require_decoder(stream)
            stated = stated_end(container, stream)
            end = self._clip.end or inf  # what the file states is a hint; the reader finds out
            self._duration = max(0.0, min(end, stated or 0.0) - self._start)
            self._asked = count_times(self._options, self._start, min(end, stated or inf))
            if self._options.frames:
                end = min(end, self._measured_end(video, stream))
            step = max(0.0, end - self._start) / self._options.frames if self._options.frames else self._options.every
            inside = (self._start, end) if self._is_cut else (-inf, inf)
            reader = open_reader(
                self._options.mode, container, stream, step=step, inside=inside, deadline=self._deadline
            )
            self._read_frames(reader, end, self._painter(stream))
            if not self._part.frames and self._options.mode == "keyframe":  # none lies within so short a clip
                with self._open(video) as again:
                    same = cast(av.VideoStream, again.streams[stream.index])
                    reader = ExactReader(again, same, deadline=self._deadline)
                    self._read_frames(reader, end, self._painter(same))
            if reader.end is not None:
                self._expect_end(stated, reader.end)
                end = min(end, reader.end)
            self._duration = max(0.0, (end if end < inf else stated or 0.0) - self._start)
            self._expect_frames(reader, end)

    @property
    def _is_cut(self) -> bool:
        return self._clip.start is not None or self._clip.end is not None

    def _painter(self, stream: av.VideoStream) -> FramePainter:
        return FramePainter(aspect=float(stream.sample_aspect_ratio or 1), size=self._options.size)

    def _measured_end(self, path: Path, stream: av.VideoStream | av.AudioStream) -> float:
        return measured_end(path, stream.index, self._deadline, max_pixels=self._options.max_pixels)

    def _open(self, path: Path) -> AbstractContextManager[av.container.InputContainer]:
        return open_media(path, max_pixels=self._options.max_pixels)

    def _read_folder(self, folder: Path) -> None:
        reader = FolderReader(folder, max_pixels=self._options.max_pixels, deadline=self._deadline)
        self._start = max(self._start, reader.start)
        end = min(reader.end, self._clip.end or inf)
        self._duration = max(0.0, end - self._start)
        self._read_frames(reader, end, FramePainter(size=self._options.size))
        self._asked = self._given + len(reader.damage)
        if reader.damage:
            self.fail("video", _counted(reader.damage))

    def _read_frames(self, reader: Reader, end: float, painter: FramePainter) -> None:
        """Store what ``reader`` shows on the grid.

        Of keyframes none from before or after the clip, and each once; of a stream's frames each as often as it is
        shown at the times of the grid.
        """
        rows = FrameRows(self._part, str(self._clip.video), self._options)
        every = None if self._options.frames else self._options.every
        last: float | None = None
        for asked, shown in reader.frames_at(grid(self._start, end, every=every, frames=self._options.frames)):
            del self._words[1:-10]
            if shown.time == last:
                is_shown = isinstance(reader, ExactReader) and asked >= shown.time  # not where it stands in for others
                if is_shown and not rows.repeat(asked):
                    self.fail("video", f"nothing new is shown for long after {shown.time:.2f} s")
                    break
                continue
            if isinstance(reader, KeyframeReader) and self._is_cut and not self._start <= shown.time < end:
                continue
            last = shown.time
            rows.add(shown.time, painter.paint(shown.frame, aspect=shown.aspect))
        rows.close()
        self._given += rows.given
        self._times += rows.times
        if self._find_layout is not None and self._part.frames:
            self._layout = self._found_layout(rows.sample())

    def _read_audio(self, path: Path, container: av.container.InputContainer, *, true_end: float | None = None) -> None:
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        with self._failing_at("audio"):
            require_decoder(stream)
            end = true_end or stated_end(container, stream) or self._measured_end(path, stream)
            end = min(end, self._clip.end or inf)
            self._duration = self._duration or max(0.0, end - self._start)
            reader = AudioReader(container, stream, deadline=self._deadline)
            for first, last in windows(self._start, end, seconds=self._options.audio_seconds):
                start, pcm = reader.window(first, last)
                if len(pcm):
                    self._part.audio(start=start, rate=RATE, pcm=pcm)
            if reader.damage:
                self.fail("audio", _counted(reader.damage))

    def _found_layout(self, frames: list[np.ndarray]) -> Layout:
        assert self._find_layout is not None
        try:
            return self._find_layout(frames)
        except Exception as error:  # the caller's code: whatever it raises is this clip's failure, not the extraction's
            self.fail("layout", f"{type(error).__name__}: {error}")
            return Layout()

    def _expect_end(self, stated: float | None, real: float) -> None:
        """Note where a file's ``real`` end, in seconds, is not what it states, and whether the clip lacks something."""
        if self._start >= real:
            self.fail("video", f"ends at {real:.2f} s, before the clip's start at {self._start:g} s")
        off = inf if stated is None else abs(stated - real)
        if off > max(1.0, _OFF_BY * real):
            self._true_end = real
            if stated is not None and min(stated, self._clip.end or inf) - real > max(1.0, _OFF_BY * stated):
                self.fail("video", f"ends at {real:.2f} s, states {stated:.2f} s")

    def _expect_frames(self, reader: StreamReader, end: float) -> None:
        """Count what was asked for until the picture's ``end``, and note damage, and where too little was given."""
        damage = _counted(reader.damage) if reader.damage else ""
        if end < inf and not self._stage:  # else the stated end counts
            asked = Asked(
                options=self._options,
                clip_start=self._clip.start,
                clip_end=self._clip.end,
                picture_start=reader.begin or 0.0,
                picture_end=end,
            )
            self._asked = asked.count
            keyframes = isinstance(reader, KeyframeReader)
            if short := asked.shortage(self._given, self._times, damage=damage, keyframes=keyframes):
                self.fail("video", short)
        if damage:
            self.fail("video", damage)

    # -- what goes wrong ---------------------------------------------------------------------------------------------

    @contextmanager
    def _failing_at(self, stage: str) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:
            self.fail(stage, error.strerror or str(error))
        except (MediaError, MemoryError, OSError) as error:
            self.fail(stage, str(error) or type(error).__name__)

    def fail(self, stage: str, error: str) -> None:
        """Keep the first error, with FFmpeg's first message, which names the cause, and its last ones."""
        if not self._stage:
            words = [*self._words[:1], *self._words[1:][-2:]]
            messages = dict.fromkeys(f"{name}: {message.strip()}" for _, name, message in words)
            self._stage, self._error = stage, "; ".join([error, *messages])

    # -- what is told ------------------------------------------------------------------------------------------------

    def row(self) -> dict[str, Any] | None:
        """Return the clip's row of ``videos``; None if it names media and none could be read."""
        clip, part, layout = self._clip, self._part, self._layout
        if self._lost:
            return None
        return {
            "id": clip.id,
            "source": str(clip.video or clip.audio or ""),
            "programme": clip.programme,
            "label": clip.label,
            "split": clip.split,
            "title": clip.title,
            "description": clip.description,
            "duration": self._duration,
            "frames": part.frames,
            "asked_frames": max(self._asked, part.frames),
            "has_audio": part.windows > 0,
            "status": "partial" if self._stage else "ok",
            "borders": list(layout.borders),
            "logos": [list(box) for box in layout.logos],
            "subtitles": [list(box) for box in layout.subtitles],
        }

    def failure(self) -> dict[str, Any] | None:
        """Return the clip's line of ``failures.jsonl``; None if nothing went wrong."""
        if self._lost and not self._stage:
            self.fail("video", "neither frames nor sound in it")
        if not self._stage:
            return None
        return {
            "id": self._clip.id,
            "path": str(self._clip.video or self._clip.audio),
            "stage": self._stage,
            "status": "failed" if self._lost else "partial",
            "error": self._error,
        }

    @property
    def _lost(self) -> bool:
        names_media = self._clip.video is not None or self._clip.audio is not None
        return names_media and not self._part.frames and not self._part.windows


def _moving_pictures(container: av.container.InputContainer) -> av.VideoStream | None:
    return next((s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None)


def _counted(damage: list[str]) -> str:
    return damage[0] if len(damage) == 1 else f"{damage[0]} ({len(damage)} times)"
