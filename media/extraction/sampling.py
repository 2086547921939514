"""Which times of a clip are sampled, and which of many samples are kept."""

from collections.abc import Iterator
from itertools import count

import numpy as np


def grid(start: float, end: float, *, every: float | None, frames: int | None) -> Iterator[float]:
    """Yield the times, in seconds, at which a clip is sampled.

    >>> list(grid(1.0, 4.0, every=1.5, frames=None)), list(grid(0.0, 4.0, every=None, frames=2))
    ([1.0, 2.5], [1.0, 3.0])

    Args:
        start, end: of the clip, in seconds; with ``every`` the end may be infinite.
        every: seconds between two times, the first at ``start``.
        frames: number of times, in the middles of equal parts; replaces ``every``.
    """
    if frames is not None:
        yield from (start + (end - start) * (part + 0.5) / frames for part in range(frames))
    elif every is not None:
        for step in count():
            time = start + step * every
            if time >= end and step:
                return
            yield time


class EvenSample:
    """Keeps at most ``size`` of a stream of arrays, at even distances.

    When it is full, every second array is dropped, and from then on only every second one is taken.

    Attributes:
        kept: the arrays kept so far.
    """

    def __init__(self, size: int) -> None:
        self.kept: list[np.ndarray] = []
        self._size = size
        self._seen = 0
        self._stride = 1

    def add(self, array: np.ndarray) -> None:
        """Offer the next array."""
        if self._seen % self._stride == 0:
            if len(self.kept) == self._size:
                self.kept = self.kept[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self.kept.append(array)
        self._seen += 1
