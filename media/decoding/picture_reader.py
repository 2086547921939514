"""A picture file in place of a video: still or animated."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from framegate.media.decoding.packets import Deadline, TimedOutError
from framegate.media.decoding.source import open_media
from framegate.media.errors import MediaError
from framegate.media.pictures.picture import FramePainter
from framegate.media.pictures.picture_file import ShownPicture, UnknownPictureError, read_picture, read_pictures
from framegate.media.pictures.picture_formats import open_file, read_format

_HEIC = "HEIC pictures of this kind need a decoder that framegate does not have; convert to JPEG"


@dataclass(frozen=True, slots=True)
class TimedPicture:
    """A picture, (H, W, 3) RGB uint8, and the second in its source from which on it is shown."""

    time: float
    frame: np.ndarray


class PictureReader:
    """Takes pictures from one file as `ExactReader` takes frames from a stream.

    Attributes:
        damage: what is wrong with the file, once it has been met; pictures before it are there.
        is_still: whether the file has one picture.
        start, end: seconds; both are 0 for a still picture, which is shown at any time.

    Raises:
        MediaError: not even a first picture can be found in the file.
    """

    def __init__(self, path: Path, *, size: int | None, max_pixels: int, deadline: Deadline | None = None) -> None:
        self.damage: list[str] = []
        self.start = 0.0
        self._path = path
        self._size = size
        self._max_pixels = max_pixels
        self._deadline = deadline or Deadline()
        with open_file(path) as file:
            self._is_heic = read_format(file) == "HEIC"
        ends = [shown.end for shown in self._pictures()]
        self.is_still = len(ends) == 1
        self.end = 0.0 if self.is_still else ends[-1]

    @property
    def broken(self) -> int:
        """Number of pictures known to be missing: 1 where the file is damaged."""
        return len(self.damage)

    def frames_at(self, times: Iterable[float]) -> Iterator[tuple[float, TimedPicture]]:
        """Yield (time asked for, picture shown at it) for each of ``times`` (seconds, ascending) before the end."""
        pictures = self._pictures()
        shown, picture = next(pictures), None
        for time in times:
            while not self.is_still and time >= shown.end - 1e-6:
                following = next(pictures, None)
                if following is None:
                    return
                shown, picture = following, None
            picture = picture or TimedPicture(shown.start, shown.paint())
            yield time, picture

    def _pictures(self) -> Iterator[ShownPicture]:
        """Yield what can be read of the file, and note why that is not all."""
        if self._is_heic:
            yield ShownPicture(0.0, 0.0, lambda: read_still(self._path, size=self._size, max_pixels=self._max_pixels))
            return
        taken = 0
        try:
            for shown in read_pictures(
                self._path, size=self._size, max_pixels=self._max_pixels, check=self._deadline.check
            ):
                yield shown
                taken += 1
        except TimedOutError:
            raise
        except MediaError as error:
            if not taken:
                raise
            self.damage = [str(error)]


def read_still(path: Path, *, size: int | None, max_pixels: int) -> np.ndarray:
    """Return the first picture of a file as (H, W, 3) RGB uint8; FFmpeg reads those that Pillow is not asked for.

    Args:
        path: the file.
        size: short side in pixels of the result; smaller pictures stay as they are. None: all do.
        max_pixels: width × height above which nothing is decoded.

    Raises:
        MediaError: the file cannot be read within the limits.
    """
    try:
        return read_picture(path, size=size, max_pixels=max_pixels)
    except UnknownPictureError as unknown:
        found = unknown.format
    try:
        with open_media(path, max_pixels=max_pixels) as container:
            videos = container.streams.video
            if found == "HEIC" and len(videos) != 1:  # phones cut theirs into tiles
                raise MediaError(_HEIC)
            if not videos or (found is None and not container.format.name.endswith("_pipe")):
                raise MediaError("not a picture that is known here")
            return FramePainter.of_stream(videos[0], size=size).paint(next(container.decode(videos[0])))
    except (
        av.FFmpegError,
        StopIteration,
        ValueError,
    ) as error:
        reason = error.strerror if isinstance(error, av.FFmpegError) else ""
        raise MediaError(_HEIC if found == "HEIC" else reason or "no picture in it") from None
