"""Learning rate and momentum as functions of the step, so that resuming needs no state of theirs."""

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


def key_momentum(base: float, progress: float) -> float:
    """The key encoder's momentum at ``progress`` (0–1) of the training: from ``base`` up to 1 along half a cosine.

    An encoder that stops following at the end gives keys as stable as its queries (Grill et al. 2020, §3; Chen et al.
    2021, §4).
    """
    return 1 - (1 - base) * (1 + math.cos(math.pi * progress)) / 2
