"""The learning rate as a function of the step, so that resuming needs no state of its own."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CosineSchedule:
    """Linear warm-up to ``base``, then half a cosine down to zero (Loshchilov & Hutter 2017).

    Args:
        base: the highest learning rate.
        total_steps: optimizer updates in all.
        warmup_steps: updates until ``base`` is reached.
    """

    base: float
    total_steps: int
    warmup_steps: int = 0

    def __call__(self, step: int) -> float:
        """The learning rate of the update that leads from ``step`` to ``step + 1``."""
        if step < self.warmup_steps:
            return self.base * (step + 1) / (self.warmup_steps + 1)
        progress = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return self.base * (1 + math.cos(math.pi * min(1.0, progress))) / 2
