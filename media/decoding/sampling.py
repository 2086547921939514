"""Which times of a clip are sampled, and which of many samples are kept."""

from collections.abc import Iterator
from itertools import count

import numpy as np


def grid(start: float, end: float, *, every: float | None, frames: int | None) -> Iterator[float]:
    """Times in seconds from ``start`` to ``end`` (which may be infinite with ``every``).

    Either one each ``every`` seconds, the first at ``start``, or the middles of ``frames`` equal parts.
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
    """At most ``size`` of any number of arrays, spread evenly: when full, every second one goes, and so on."""

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
