"""How fast a training goes, and how long it waits for data."""

import time


class Waiting:
    """Adds up the seconds spent inside it."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._begin


class Interval:
    """The steps since the last row."""

    def __init__(self, first_step: int) -> None:
        self.first_step = first_step
        self.begin = time.perf_counter()
        self.waiting = Waiting()

    def speed(self, images: int) -> dict[str, float]:
        """``images_per_second``, ``images`` being those of all processes since, and ``data_wait``, a share of time."""
        seconds = time.perf_counter() - self.begin
        return {"images_per_second": images / seconds, "data_wait": self.waiting.seconds / seconds}
