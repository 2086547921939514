"""Pictures as a video: a folder sorted naturally by name, one a second unless the names end in seconds; or one file."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from framegate.media.decoding.packets import Deadline
from framegate.media.decoding.picture_reader import PictureReader, TimedPicture, read_still
from framegate.media.errors import MediaError
from framegate.media.pictures.picture_formats import is_picture, open_file, read_format
from framegate.media.visible import quoted

_NAMES = re.compile(
    r"\.(apng|avif|bmp|dib|dpx|exr|gif|hei[cf]|jfif|jp2|jpe|jpe?g|jxl|mpo|p[bgnp]m|png|psd|qoi|tiff?|webp)",
    re.IGNORECASE,
)
_LITTER = {"thumbs.db", "desktop.ini"}
_HALF_WRITTEN = {".part", ".crdownload", ".tmp", ".download"}
_SECONDS = re.compile(r"(?<![0-9.,])(?<![0-9][hm])([0-9]+(?:\.[0-9]+)?)s$")  # of 1h02m03s the 3 s would be wrong
_MAX_SECONDS = 1e6
_NUMBER = re.compile(r"([0-9]+)")


class FolderReader:
    """Takes pictures from a folder as `ExactReader` takes frames from a stream; of an animated one the first.

    Attributes:
        skipped: how many other files lie in the folder.
        start, end: seconds of the first picture, and of the last one's end.

    Raises:
        MediaError: there is no picture in the folder.
    """

    def __init__(self, folder: Path, *, size: int | None, max_pixels: int, deadline: Deadline | None = None) -> None:
        self._size = size
        self._max_pixels = max_pixels
        self._deadline = deadline or Deadline()
        self._tried = 0
        self._broken: list[str] = []
        paths, self.skipped = _pictures_in(folder)
        self._pictures = picture_times(paths)
        if not self._pictures:
            raise MediaError(f"no pictures in this folder{_also(self.skipped)}")
        times = [time for time, _ in self._pictures]
        self.start = times[0]
        self.end = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1.0)

    @property
    def broken(self) -> int:
        """Number of pictures asked for until now that do not decode."""
        return len(self._broken)

    @property
    def damage(self) -> list[str]:
        """What is wrong with the pictures asked for until now, in one sentence at most."""
        if not self._broken:
            return []
        verb = "does" if len(self._broken) == 1 else "do"
        told = f"{len(self._broken)} of {self._tried} pictures {verb} not decode: {self._broken[0]}"
        return [told + _also(self.skipped)]

    def frames_at(self, times: Iterable[float]) -> Iterator[tuple[float, TimedPicture]]:
        """Yield (time asked for, picture shown at it) for each of ``times`` (seconds, ascending) before the end.

        Where a picture does not decode, nothing comes.
        """
        place, done, picture = 0, -1, None
        for time in times:
            if time >= self.end:
                return
            while place + 1 < len(self._pictures) and self._pictures[place + 1][0] <= time + 1e-6:
                place += 1
            if place != done:
                picture, done = self._read(*self._pictures[place]), place
            if picture is not None:
                yield time, picture

    def _read(self, time: float, path: Path) -> TimedPicture | None:
        self._deadline.check()
        self._tried += 1
        try:
            return TimedPicture(time, read_still(path, size=self._size, max_pixels=self._max_pixels))
        except MediaError as error:
            self._broken.append(f"{quoted(path.name, max_characters=60)}: {error}")
            return None


def holds_pictures(path: Path) -> bool:
    """Tell whether a path is a folder, or a picture file by its content: what `open_pictures` opens."""
    return path.is_dir() or is_picture(path)


def open_pictures(
    path: Path, *, size: int | None, max_pixels: int, deadline: Deadline | None = None
) -> FolderReader | PictureReader:
    """Open a folder of pictures, or a picture, still or animated.

    Args:
        path: the folder or the file.
        size: short side in pixels of the pictures that come; smaller ones stay as they are. None: all do.
        max_pixels: width × height above which nothing is decoded.
        deadline: when to stop; None: never.

    Raises:
        MediaError: there is no picture in it.
    """
    opened = FolderReader if path.is_dir() else PictureReader
    return opened(path, size=size, max_pixels=max_pixels, deadline=deadline)


def picture_times(pictures: Iterable[Path]) -> list[tuple[float, Path]]:
    """Return (second, picture) in order: the seconds in which all names end, or else one a second in natural order.

    Names end in seconds if a number with an ``s`` stands before the suffix of each, all different and below a million.

    >>> [(time, path.name) for time, path in picture_times([Path("a_12.5s.jpg"), Path("a_3s.jpg")])]
    [(3.0, 'a_3s.jpg'), (12.5, 'a_12.5s.jpg')]
    >>> [(time, path.name) for time, path in picture_times([Path("f10.jpg"), Path("f9.jpg")])]
    [(0.0, 'f9.jpg'), (1.0, 'f10.jpg')]
    """
    ordered = sorted(pictures, key=_natural)
    named = [float(match[1]) for path in ordered if (match := _SECONDS.search(path.stem))]
    if len(named) == len(ordered) == len(set(named)) and max(named, default=0.0) < _MAX_SECONDS:
        return sorted(zip(named, ordered, strict=True))
    return [(float(second), path) for second, path in enumerate(ordered)]


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Sort 9 before 10, and as one who reads the names would: whatever their case and Unicode's form."""
    words = _NUMBER.split(unicodedata.normalize("NFC", path.stem).casefold())
    return [int(word) if word.isdecimal() else word for word in words], path.name


def _pictures_in(folder: Path) -> tuple[list[Path], int]:
    """Return the pictures of a folder, by name or else by content, and the number of its other files."""
    files = [path for path in folder.iterdir() if not path.is_dir()]
    pictures = [path for path in files if not _is_litter(path) and (_has_name(path) or _has_content(path))]
    return pictures, len(files) - len(pictures)


def _is_litter(path: Path) -> bool:
    """Tell whether a file is hidden, half written, or one that a system puts into folders."""
    return path.name.startswith(".") or path.name.lower() in _LITTER or path.suffix.lower() in _HALF_WRITTEN


def _has_name(path: Path) -> bool:
    return _NAMES.fullmatch(path.suffix) is not None


def _has_content(path: Path) -> bool:
    try:
        with open_file(path) as file:
            return read_format(file) is not None
    except (MediaError, OSError):
        return False


def _also(skipped: int) -> str:
    return f" ({skipped} other file{'s' * (skipped != 1)} in it skipped)" if skipped else ""
