"""A folder of pictures as a video: sorted by name, one a second unless the names end in seconds."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import av

from framegate.media.decoding.decode import TimedFrame
from framegate.media.decoding.packets import Deadline
from framegate.media.decoding.source import open_media
from framegate.media.errors import MediaError

_PICTURES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_SECONDS = re.compile(r"(?:^|[^0-9.])(\d+(?:\.\d+)?)s?$")
_MAX_SECONDS = 1e6  # a dozen days; larger numbers in names are dates or counters, no times to step through


class FolderReader:
    """Takes pictures from a folder as `ExactReader` takes frames from a stream.

    Attributes:
        damage: FFmpeg's messages about pictures that do not decode.
        start, end: seconds of the first picture, and of the last one's end.
    """

    def __init__(self, folder: Path, *, max_pixels: int, deadline: Deadline | None = None) -> None:
        self.damage: list[str] = []
        self._max_pixels = max_pixels
        self._deadline = deadline or Deadline()
        self._pictures = picture_times(folder)
        if not self._pictures:
            raise MediaError("no pictures in this folder")
        times = [time for time, _ in self._pictures]
        self.start = times[0]
        self.end = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1.0)

    def frames_at(self, times: Iterable[float]) -> Iterator[tuple[float, TimedFrame]]:
        """Yield (time asked for, frame) for each of ``times`` (seconds, ascending); each picture comes once."""
        place, done = 0, -1
        for time in times:
            if time >= self.end:
                return
            while place + 1 < len(self._pictures) and self._pictures[place + 1][0] <= time + 1e-6:
                place += 1
            if place != done and (frame := self._decode(self._pictures[place][1])) is not None:
                yield time, TimedFrame(self._pictures[place][0], frame)
            done = place

    def _decode(self, path: Path) -> av.VideoFrame | None:
        self._deadline.check()
        try:
            with open_media(path, max_pixels=self._max_pixels) as container:
                return next(container.decode(video=0))
        except (av.FFmpegError, MediaError, StopIteration, IndexError) as error:
            words = error.strerror if isinstance(error, av.FFmpegError) else str(error)
            self.damage.append(f"{path.name}: {words or 'no picture in it'}")
            return None


def picture_times(folder: Path) -> list[tuple[float, Path]]:
    """Return (second, picture) in order: seconds from the names if all end in distinct numbers, else one a second."""
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES and path.is_file())
    matches = [_SECONDS.search(path.stem) for path in pictures]
    named = [float(match[1]) for match in matches if match]
    if len(named) == len(pictures) == len(set(named)) and max(named, default=0.0) < _MAX_SECONDS:
        return sorted(zip(named, pictures, strict=True))
    return [(float(second), path) for second, path in enumerate(pictures)]
