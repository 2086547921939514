"""Values that change from step to step in pretraining, as functions of the step."""

import math
from dataclasses import dataclass

from framegate.augment import AttentionPolicy
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.methods.auto_value import number
from framegate.ssl.methods.method import AttentionShares
from framegate.ssl.methods.registry import KeyEncoderSettings
from framegate.ssl.schedule import CosineSchedule


@dataclass(frozen=True, kw_only=True)
class PretrainSchedule:
    """Learning rate, momentum of the key encoder, and attention's probabilities.

    Args:
        lr: of each step.
        momentum_first, momentum_last: the key encoder's, from the one to the other by half a cosine; None: there is no
            key encoder.
        policy: when attention changes views.
        steps_per_epoch, total_steps: optimizer updates.
    """

    lr: CosineSchedule
    momentum_first: float | None
    momentum_last: float | None
    policy: AttentionPolicy
    steps_per_epoch: int
    total_steps: int

    @classmethod
    def of(cls, config: PretrainConfig, order: FrameOrder) -> "PretrainSchedule":
        """Return the schedule that the recipe describes.

        Raises:
            ValueError: a value is ``auto`` still; see `framegate.recipes.pretraining.settle_auto`.
        """
        first = last = None
        if isinstance(config.method, KeyEncoderSettings):
            first, last = number(config.method.momentum), config.method.momentum_end
        return cls(
            lr=CosineSchedule(
                base=config.optim.numbers.highest_lr,
                total_steps=order.total_steps,
                warmup_steps=round(config.optim.warmup_epochs * order.steps_per_epoch),
            ),
            momentum_first=first,
            momentum_last=first if last is None else last,
            policy=config.views.attention,
            steps_per_epoch=order.steps_per_epoch,
            total_steps=order.total_steps,
        )

    def momentum(self, step: int) -> float | None:
        """Return the key encoder's momentum m, 0–1, after update ``step``; None without a key encoder."""
        if self.momentum_first is None or self.momentum_last is None:
            return None
        risen = (1 - math.cos(math.pi * step / self.total_steps)) / 2
        return self.momentum_first + (self.momentum_last - self.momentum_first) * risen

    def attention(self, step: int) -> AttentionShares:
        """Return the probabilities of attention's drop and crop, 0–1, in update ``step``."""
        return AttentionShares(*self.policy.probabilities(step / self.steps_per_epoch))
