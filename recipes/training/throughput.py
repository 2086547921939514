"""Speed of a training, and the time it waits for data."""

import time


class Waiting:
    """Add up the seconds spent inside the block, over all uses."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._begin


class Interval:
    """Time and steps since the last row of metrics."""

    def __init__(self, first_step: int) -> None:
        self.first_step = first_step
        self.begin = time.perf_counter()
        self.waiting = Waiting()

    def speed(self, images: int) -> dict[str, float]:
        """Return ``images_per_second`` for ``images`` of all processes, and ``data_wait``, the share of time, 0–1."""
        seconds = time.perf_counter() - self.begin
        return {"images_per_second": images / seconds, "data_wait": self.waiting.seconds / seconds}
