"""The frames of one clip on their way into its part: numbered by shot, without those that look alike, repeated."""

from math import inf

import numpy as np

from framegate.media.extraction.sampling import EvenSample
from framegate.media.extraction.shots import Deduper, ShotCounter
from framegate.media.options import ExtractOptions
from framegate.media.pictures.one_size import fit_into
from framegate.media.pictures.picture import encode_jpeg
from framegate.media.store.part import PartWriter

_LAYOUT_FRAMES = 48
_STANDSTILL = 10_000  # times in a row at which nothing new is shown: timestamps have leapt, the rest is out of reach
_MAX_REPEATED = 100_000  # rows of a clip that show the picture before them again


class FrameRows:
    """Writes the frames of one clip.

    A picture that is shown at several of the times asked for is there as often, with these times: it is written again
    once the next one comes, or `close` is called, so that a leap of timestamps adds nothing.

    Args:
        part: where rows go.
        source: the file that frames are from.
        options: quality, and what counts as alike.

    Attributes:
        given: number of frames that came: stored, or left out as alike.
        times: seconds of the stored frames.
    """

    def __init__(self, part: PartWriter, source: str, options: ExtractOptions) -> None:
        self.given = 0
        self.times: list[float] = []
        self._part = part
        self._source = source
        self._options = options
        self._shots = ShotCounter()
        self._dedupe = Deduper(options.dedupe)
        self._sample = EvenSample(_LAYOUT_FRAMES)
        self._last: tuple[bytes, int, int] = b"", 0, 0  # the JPEG, its width and height
        self._latest = -inf
        self._waiting: list[float] = []  # times at which nothing new is shown
        self._repeated = 0

    def add(self, time: float, rgb: np.ndarray) -> None:
        """Write the picture (H, W, 3) RGB uint8 that is shown from second ``time`` on."""
        self.close()
        self.given += 1
        self._latest = time
        if self._dedupe.repeats(rgb):
            return
        self._sample.add(rgb)
        self._shots.next(rgb)
        self._last = encode_jpeg(rgb, self._options.quality), rgb.shape[1], rgb.shape[0]
        self._write(time)

    def repeat(self, time: float) -> bool:
        """Write the last picture once more, as shown at ``time``; False where it has been shown for too long."""
        if time <= self._latest:
            return True
        self._latest = time
        self._waiting.append(time)
        self._repeated += 1
        if len(self._waiting) <= _STANDSTILL and self._repeated <= _MAX_REPEATED:
            return True
        self._waiting.clear()
        return False

    def close(self) -> None:
        """Write the repetitions that have waited."""
        self.given += len(self._waiting)
        if not self._options.dedupe:
            for time in self._waiting:
                self._write(time)
        self._waiting.clear()

    def sample(self) -> list[np.ndarray]:
        """Return some of the pictures, evenly spread and all of one size, to find the layout in."""
        return [fit_into(rgb, *self._part.size) for rgb in self._sample.kept]

    def _write(self, time: float) -> None:
        jpeg, width, height = self._last
        self.times.append(time)
        self._part.frame(source=self._source, time=time, shot=self._shots.shot, jpeg=jpeg, width=width, height=height)
