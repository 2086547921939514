"""The learning rate as a function of the step, so that a resumed run needs no state of the schedule."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CosineSchedule:
    """Linear warm-up to ``base``, then half a cosine down to zero (Loshchilov & Hutter 2017).

    Args:
        base: the highest learning rate.
        total_steps: optimizer updates in all.
        warmup_steps: updates until ``base`` is reached.

    >>> schedule = CosineSchedule(base=1.0, total_steps=10, warmup_steps=2)
    >>> [round(schedule(step), 3) for step in (0, 1, 2, 6, 10)]
    [0.333, 0.667, 1.0, 0.5, 0.0]
    """

    base: float
    total_steps: int
    warmup_steps: int = 0

    def __call__(self, step: int) -> float:
        """Return the learning rate of the update from ``step`` to ``step + 1``."""
        if step < self.warmup_steps:
            return self.base * (step + 1) / (self.warmup_steps + 1)
        progress = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return self.base * (1 + math.cos(math.pi * min(1.0, progress))) / 2
