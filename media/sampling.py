"""The grid of times at which a clip is sampled."""

from collections.abc import Iterator
from itertools import count


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
