"""Extract one clip into one part: frames, shots, layout and audio. All engines run the same function."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf
from mimetypes import guess_type
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from framegate.media.clip_layout import Layout, LayoutFinder
from framegate.media.decoding.decode import ExactReader, StreamReader
from framegate.media.decoding.extent import measured_end, stated_end
from framegate.media.decoding.keyframes import KeyframeReader
from framegate.media.decoding.packets import Deadline, TimedOutError
from framegate.media.decoding.picture_folder import FolderReader, holds_pictures, open_pictures
from framegate.media.decoding.picture_reader import PictureReader, TimedPicture
from framegate.media.decoding.readers import open_reader
from framegate.media.decoding.source import ffmpeg_words, open_media
from framegate.media.decoding.tracks import audio_tracks, choose_video
from framegate.media.errors import DamagedError, MediaError
from framegate.media.extraction.advice import Trouble, advice
from framegate.media.extraction.asked_frames import Asked, count_times
from framegate.media.extraction.clip_audio import counted, store_audio
from framegate.media.extraction.frame_rows import FrameRows
from framegate.media.extraction.sampling import grid
from framegate.media.manifest.manifest import Clip
from framegate.media.manifest.missing import missing_files
from framegate.media.options import ExtractOptions
from framegate.media.pictures.picture import FramePainter
from framegate.media.store.part import PartWriter
from framegate.media.visible import short_line, visible

Reader = ExactReader | KeyframeReader | FolderReader | PictureReader

_LONGEST_ERROR = 290
_LATEST_BEGINNING = 86_400.0  # seconds: no picture comes so long after the time it is asked for
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
    extraction.fail("video", error, trouble="crash")
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
        self._notes: list[str] = []
        self._asked = 0  # frames
        self._given = 0  # frames: stored, or left out as alike
        self._times: list[float] = []
        self._stage = ""
        self._error = ""
        self._trouble: Trouble = "damage"

    def run(self) -> None:
        clip = self._clip
        if clip.video is not None and holds_pictures(clip.video):
            with self._failing_at("video"):
                self._read_pictures(clip.video)
        elif clip.video is not None:
            with self._failing_at("open"), self._open(clip.video) as container:
                video = self._read_video(clip.video, container)
                if clip.audio is None and clip.own_audio:
                    self._read_audio(clip.video, container, video)
        if clip.audio is not None:
            with self._failing_at("open"), self._open(clip.audio) as container:
                self._read_audio(clip.audio, container)
        if any(name == "ogg" and "CRC mismatch" in message for _, name, message in self._words):
            self.fail("video" if clip.video else "audio", "damaged pages of it are left out")

    # -- what is read ------------------------------------------------------------------------------------------------

    def _read_video(self, video: Path, container: av.container.InputContainer) -> av.VideoStream | None:
        stream: av.VideoStream | None = None
        with self._failing_at("video"):
            choice = choose_video(container, video, deadline=self._deadline, max_pixels=self._options.max_pixels)
            if choice is None:
                if not (guess_type(video.name)[0] or "").startswith("audio/"):  # a cut may have left the sound alone
                    reason = "no picture track in it, only sound; a sound file goes into the column audio"
                    self.fail("video", reason, trouble="other")
                return None
            stream = choice.stream
            self._notes += choice.passed_over
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
                self._expect_end(video, container, stream, reader.end)
                end = min(end, reader.end)
            self._duration = max(0.0, (end if end < inf else stated or 0.0) - self._start)
            self._expect_frames(reader, end)
        return stream

    @property
    def _is_cut(self) -> bool:
        return self._clip.start is not None or self._clip.end is not None

    def _painter(self, stream: av.VideoStream) -> FramePainter:
        return FramePainter.of_stream(stream, size=self._options.size)

    def _measured_end(self, path: Path, stream: av.VideoStream | av.AudioStream) -> float:
        return measured_end(path, stream.index, self._deadline, max_pixels=self._options.max_pixels)

    def _open(self, path: Path) -> AbstractContextManager[av.container.InputContainer]:
        return open_media(path, max_pixels=self._options.max_pixels)

    def _read_pictures(self, path: Path) -> None:
        """Read a folder of pictures, or one picture, still or animated."""
        options = self._options
        reader = open_pictures(path, size=options.size, max_pixels=options.max_pixels, deadline=self._deadline)
        self._start = max(self._start if reader.end else 0.0, reader.start)  # a still picture is there at any time
        end = min(reader.end, self._clip.end or inf)
        self._duration = max(0.0, end - self._start)
        if reader.end and self._start >= reader.end:
            reason = f"ends at {reader.end:.2f} s, before the clip's start at {self._start:g} s"
            self.fail("video", reason, trouble="other")
        self._read_frames(reader, end, FramePainter(size=options.size))
        is_animated = isinstance(reader, PictureReader) and not reader.is_still
        self._asked = count_times(options, self._start, end) if is_animated else self._given + reader.broken
        if reader.damage:
            self.fail("video", counted(reader.damage))

    def _read_frames(self, reader: Reader, end: float, painter: FramePainter) -> None:
        """Store what ``reader`` shows on the grid.

        Of keyframes none from before or after the clip, and each once, as each picture of a folder; of a stream's
        frames, and of an animation's, each as often as it is shown at the times of the grid.
        """
        rows = FrameRows(self._part, str(self._clip.video), self._options)
        every = None if self._options.frames else self._options.every
        last: float | None = None
        for asked, shown in reader.frames_at(grid(self._start, end, every=every, frames=self._options.frames)):
            del self._words[1:-10]
            self._deadline.check()
            if shown.time == last:
                # A frame that stands in for others is there once; a still picture and those of a folder are, too.
                is_shown = isinstance(reader, ExactReader) and asked >= shown.time
                is_shown |= isinstance(reader, PictureReader) and not reader.is_still
                if is_shown and not rows.repeat(asked):
                    self.fail("video", f"nothing new is shown for long after {shown.time:.2f} s")
                    break
                continue
            if isinstance(reader, KeyframeReader) and self._is_cut and not self._start <= shown.time < end:
                continue
            last = shown.time
            if isinstance(reader, ExactReader) and shown.time - asked > _LATEST_BEGINNING:
                self.fail("video", f"timestamps leap to {shown.time:.0f} s")
                break
            if isinstance(shown, TimedPicture):
                rows.add(shown.time, shown.frame)
            else:
                rows.add(shown.time, painter.paint(shown.frame, aspect=shown.aspect))
        rows.close()
        self._given += rows.given
        self._times += rows.times
        if self._find_layout is not None and self._part.frames:
            self._layout = self._found_layout(rows.sample())

    def _read_audio(
        self, path: Path, container: av.container.InputContainer, video: av.VideoStream | None = None
    ) -> None:
        with self._failing_at("audio"):
            stored = store_audio(
                path,
                container,
                self._part,
                start=self._start,
                end=self._clip.end,
                seconds=self._options.audio_seconds,
                deadline=self._deadline,
                video=video,
                max_pixels=self._options.max_pixels,
            )
            self._notes += stored.notes
            if stored.end is not None:  # sound may go on after the picture
                self._duration = max(self._duration, min(stored.end, self._clip.end or inf) - self._start)
            if stored.fault:
                self.fail("audio", stored.fault)

    def _found_layout(self, frames: list[np.ndarray]) -> Layout:
        assert self._find_layout is not None
        try:
            return self._find_layout(frames)
        except Exception as error:  # the caller's code: whatever it raises is this clip's failure, not the extraction's
            self.fail("layout", f"{type(error).__name__}: {error}", trouble="other")
            return Layout()

    def _expect_end(
        self, video: Path, container: av.container.InputContainer, stream: av.VideoStream, real: float
    ) -> None:
        """Note where the picture's ``real`` end, in seconds, is not what the file states, and the clip lacks some."""
        if self._clip.start is not None and self._start >= real:
            self.fail("video", f"ends at {real:.2f} s, before the clip's start at {self._start:g} s", trouble="other")
        stated = stated_end(container, stream)
        if stated is None or min(stated, self._clip.end or inf) - real <= max(1.0, _OFF_BY * stated):
            return
        if stated >= (container.duration or 0) / av.time_base - 0.01:  # that is the file's end: the sound's, perhaps
            sound = audio_tracks(container, video=stream)[:1]
            if any(stated - self._measured_end(video, track) <= max(1.0, _OFF_BY * stated) for track in sound):
                return
        self.fail("video", f"ends at {real:.2f} s, states {stated:.2f} s")

    def _expect_frames(self, reader: StreamReader, end: float) -> None:
        """Count what was asked for until the picture's ``end``, and note damage, and where too little was given."""
        damage = counted(reader.damage) if reader.damage else ""
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
            is_cut_short = not keyframes and asked.end <= end
            if short := asked.shortage(self._given, self._times, damage=damage, keyframes=keyframes):
                self.fail("video", short, trouble="damage" if damage or is_cut_short else "other")
        if damage:
            self.fail("video", damage)

    # -- what goes wrong ---------------------------------------------------------------------------------------------

    @contextmanager
    def _failing_at(self, stage: str) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:
            self.fail(stage, error.strerror or str(error))
        except (DamagedError, TimedOutError) as error:
            self.fail(stage, str(error), trouble="time" if isinstance(error, TimedOutError) else "damage")
        except MemoryError as error:
            self.fail(stage, str(error) or "out of memory", trouble="memory")
        except (MediaError, OSError) as error:
            self.fail(stage, str(error) or type(error).__name__, trouble="other")

    def fail(self, stage: str, error: str, *, trouble: Trouble = "damage") -> None:
        """Keep the first error, with FFmpeg's first message, which names the cause, and its last ones."""
        if not self._stage:
            self._trouble = trouble
            words = [*self._words[:1], *self._words[1:][-2:]]
            messages = dict.fromkeys(f"{name}: {message.strip()}" for _, name, message in words)
            self._stage, self._error = stage, "; ".join([error, *messages])
            if len(self._error) > _LONGEST_ERROR:  # FFmpeg lists all the formats that it may open
                self._error = self._error[:_LONGEST_ERROR] + "…"

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
            "asked_frames": max(self._asked if self._can_be_that_long else 0, part.frames),
            "has_audio": part.windows > 0,
            "status": "partial" if self._stage else "ok",
            "notes": "; ".join([*self._notes, *self._remarks]),
            "borders": list(layout.borders),
            "logos": [list(box) for box in layout.logos],
            "subtitles": [list(box) for box in layout.subtitles],
        }

    @property
    def _can_be_that_long(self) -> bool:
        """Whether the frames asked for may be there: a damaged file may state any length, but a frame takes a byte."""
        video = self._clip.video
        return not self._stage or video is None or not video.is_file() or self._asked <= video.stat().st_size

    @property
    def _remarks(self) -> list[str]:
        """What FFmpeg first said of a clip that lacks nothing: its file is damaged where no frame was asked for."""
        said = [] if self._stage else self._words[:1]
        return [short_line(visible(f"FFmpeg on {name}: {text.strip()}"), max_characters=150) for _, name, text in said]

    def failure(self) -> dict[str, Any] | None:
        """Return the clip's line of ``failures.jsonl``; None if nothing went wrong."""
        if self._lost and not self._stage:
            picture = self._clip.video is not None
            self.fail(*("video", "neither frames nor sound in it") if picture else ("audio", "no sound track in it"))
        if not self._stage:
            return None
        missing = missing_files((self._clip.video, self._clip.audio))
        return {
            "id": self._clip.id,
            "video": self._clip.file,
            "path": str(self._clip.video or self._clip.audio),
            "stage": self._stage,
            "status": "failed" if self._lost else "partial",
            "error": short_line(
                "; ".join(filter(None, [self._error, missing, advice(self._trouble, lost=self._lost)]))
            ),
        }

    @property
    def _lost(self) -> bool:
        names_media = self._clip.video is not None or self._clip.audio is not None
        return names_media and not self._part.frames and not self._part.windows
